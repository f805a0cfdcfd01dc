"""Certificates made on the spot: an authority, and what it signs."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Pair:
    """A certificate and its key, as PEM bytes and as files."""

    def __init__(self, directory, label, certificate, key):
        self.certificate, self.key = pem(certificate), key_pem(key)
        self.cert_file = pathlib.Path(directory) / f"{label}.crt"
        self.key_file = pathlib.Path(directory) / f"{label}.key"
        self.write()

    def write(self):
        self.cert_file.write_bytes(self.certificate)
        self.key_file.write_bytes(self.key)

    def become(self, other):
        """The files of this pair hold the other one from now on. Key first: for a moment the two do not fit."""
        self.certificate, self.key = other.certificate, other.key
        self.key_file.write_bytes(self.key)
        self.cert_file.write_bytes(self.certificate)

    @property
    def tls(self):
        return {"cert_file": str(self.cert_file), "key_file": str(self.key_file)}


class Authority:
    """Signs certificates; its own is in `file`."""

    def __init__(self, directory, label="ca"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name(label))
            .issuer_name(name(label))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - 30 * DAY)
            .not_valid_after(now() + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = pem(self.certificate)
        self.file = self.directory / f"{label}.pem"
        self.file.write_bytes(self.pem)

    def issue(self, label, hosts=("localhost", "127.0.0.1"), begins=-DAY, ends=DAY):
        """A certificate for these hosts, valid from `begins` to `ends`, both relative to now."""
        names = []
        for host in hosts:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(host)))
            except ValueError:
                names.append(x509.DNSName(host))
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name(label))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() + begins)
            .not_valid_after(now() + ends)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        return Pair(self.directory, label, certificate, key)

    def expired(self, label="expired", **options):
        return self.issue(label, begins=-10 * DAY, ends=-DAY, **options)
