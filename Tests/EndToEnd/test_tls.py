"""TLS and mTLS on both sides, with real clients and backends; certificates that are wrong, late, or renewed."""

import socket
import ssl
import statistics
import threading
import time

import grpc
import pytest

from harness import spans
from harness.calm import calm_seconds
from harness.certificates import DAY, Authority
from harness.clients import SDK, RawClient
from harness.gateway import ALWAYS, otlp
from harness.http1 import curl
from harness.wait import until


@pytest.fixture
def ca(tmp_path):
    return Authority(tmp_path / "certificates")


def receiver(**grpc_settings):
    """Changes of a configuration: settings of the receiver's gRPC listener."""
    return {"receivers": {"otlp": {"protocols": {"grpc": grpc_settings}}}}


def secure(port, ca, certificate=None, version=None, host="localhost", alpn=("h2",), verify=True):
    """A TLS connection made with Python's own library, for what grpcio would not do."""
    context = ssl.create_default_context(cadata=ca.pem.decode())
    context.set_alpn_protocols(list(alpn))
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
    if version:
        context.minimum_version = context.maximum_version = version
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(raw, server_hostname=host)


def failures(node, reason, side="server"):
    return node.metrics().value("tailgate_tls_handshake_failures", side=side, reason=reason)


def serial(connection):
    return connection.getpeercert()["serialNumber"]


# --- receivers


def test_sdk_over_tls(gateway, backend, ca):
    store = backend()
    changes = receiver(tls=ca.issue("gateway").tls)
    with gateway([store], changes=changes) as node, SDK(node.port, authority=ca, gzip=True) as sdk:
        for _ in range(20):
            with sdk.tracer.start_as_current_span("work"):
                pass
        sdk.flush()
        store.wait_for_spans(20)
        assert node.metrics().value("tailgate_tls_handshakes", side="server") >= 1


def test_sdk_over_mutual_tls(gateway, backend, ca):
    store = backend()
    changes = receiver(tls={**ca.issue("gateway").tls, "client_ca_file": str(ca.file)})
    with gateway([store], changes=changes) as node:
        with SDK(node.port, authority=ca, certificate=ca.issue("shop")) as sdk:
            with sdk.tracer.start_as_current_span("work"):
                pass
            sdk.flush()
        store.wait_for_spans(1)


def test_application_protocol_and_versions(gateway, backend, ca):
    changes = receiver(tls={**ca.issue("gateway").tls, "min_version": "1.3"})
    with gateway([backend()], changes=changes) as node:
        with secure(node.port, ca) as connection:
            assert connection.selected_alpn_protocol() == "h2"
            assert connection.version() == "TLSv1.3"
        with pytest.raises(ssl.SSLError):
            secure(node.port, ca, version=ssl.TLSVersion.TLSv1_2)
        until(lambda: failures(node, "protocol_version") == 1)
        assert "no TLS version that both sides allow" in node.log()


@pytest.mark.parametrize(
    "shown, reason, words",
    [
        ("none", "no_client_certificate", "sent no certificate"),
        ("expired", "expired", "certificate expired on"),
        ("future", "not_yet_valid", "not valid before"),
        ("stranger", "unknown_authority", "signed by no authority that is trusted"),
    ],
)
def test_refused_client_certificates(gateway, backend, rng, ca, tmp_path, shown, reason, words):
    """The client can't send, and the log says why, once."""
    certificate = {
        "none": lambda: None,
        "expired": lambda: ca.expired(),
        "future": lambda: ca.issue("future", begins=DAY, ends=2 * DAY),
        "stranger": lambda: Authority(tmp_path / "others", "other").issue("stranger"),
    }[shown]()
    changes = receiver(tls={**ca.issue("gateway").tls, "client_ca_file": str(ca.file)})
    with gateway([backend()], changes=changes) as node:
        with RawClient(node.port, ca, certificate) as client:
            outcome = client.export(spans.request(spans.trace(rng)), timeout=3)
            assert outcome.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), outcome
        until(lambda: failures(node, reason) >= 1, 10, lambda: node.metrics().text)
        lines = [line for line in node.log().splitlines() if "TLS handshake failed" in line]
        assert len(lines) == 1, "one line in ten seconds"
        assert words in lines[0] and f"reason={reason}" in lines[0] and "127.0.0.1" in lines[0]
        assert node.ledger()["accepted"] == 0


def test_clients_that_do_not_trust_the_gateway(gateway, backend, rng, ca, tmp_path):
    """The alert of the client says what it dislikes."""
    changes = receiver(tls=ca.issue("gateway").tls)
    with gateway([backend()], changes=changes) as node:
        with pytest.raises(ssl.SSLError):
            secure(node.port, Authority(tmp_path / "others", "other"))
        # OpenSSL sends this alert unencrypted, which can't be told from rubbish; others name the authority.
        refused = lambda: failures(node, "unknown_authority") + failures(node, "bad_certificate")
        until(lambda: refused() == 1, 10, lambda: node.metrics().text)
        assert "trust" in node.log()
        with pytest.raises(ssl.SSLError):
            secure(node.port, ca, host="elsewhere.example")


def test_plain_text_on_a_tls_port_and_the_reverse(gateway, backend, rng, ca, tmp_path):
    store = backend()
    with gateway([store], changes=receiver(tls=ca.issue("gateway").tls)) as node:
        with RawClient(node.port) as client:
            assert not client.export(spans.request(spans.trace(rng)), timeout=2).ok
        with socket.create_connection(("127.0.0.1", node.port), timeout=5) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert raw.recv(4096).startswith(b"HTTP/1.0 400 Bad Request")
        assert failures(node, "plain_text") >= 2
        assert "plain text came to a port that speaks TLS" in node.log()
    with gateway([store]) as node:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            secure(node.port, ca)
        assert failures(node, "tls_on_plain_port") == 1
        assert "TLS came to a port that speaks plain text" in node.log()


def test_renewal_during_traffic(gateway, backend, rng, ca):
    """New connections get the new certificate, old ones go on, and no request fails. A bad file changes nothing."""
    store = backend()
    pair = ca.issue("gateway")
    sent = []
    with gateway([store], policies=ALWAYS, changes=receiver(tls=pair.tls)) as node:
        stopping, wrong = threading.Event(), []

        def traffic():
            with RawClient(node.port, ca) as client:
                while not stopping.wait(0.01):
                    trace = spans.trace(rng)
                    outcome = client.export(spans.request(trace))
                    if not outcome.ok:
                        wrong.append(outcome)
                    sent.extend(trace)

        thread = threading.Thread(target=traffic)
        thread.start()
        try:
            with secure(node.port, ca) as old:
                first = serial(old)
                pair.become(ca.issue("gateway-2"))

                def renewed():
                    with secure(node.port, ca) as connection:
                        return serial(connection) != first

                until(renewed, 10, "the new certificate")
                # The key of the second does not fit the first: for a moment both files did not go together.
                with secure(node.port, ca) as second:
                    current = serial(second)
                pair.cert_file.write_text("-----BEGIN CERTIFICATE-----\nrubbish\n")
                until(lambda: "changed credentials can't be used" in node.log().split("credentials renewed")[-1], 10)
                with secure(node.port, ca) as connection:
                    assert serial(connection) == current, "the old one stays"
                old.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
                assert old.recv(9), "the old connection goes on"
        finally:
            stopping.set()
            thread.join()
        assert not wrong, wrong[:3]
        metrics = node.metrics()
        assert metrics.value("tailgate_credential_reloads", outcome="taken") >= 1
        assert metrics.value("tailgate_credential_reloads", outcome="failed") >= 1
    store.assert_exactly(sent)


def test_http_over_tls(gateway, backend, rng, ca):
    """OTLP/HTTP in both versions of HTTP over one TLS port, by ALPN and by the first bytes; mTLS as for gRPC."""
    store = backend()
    mine = ca.issue("shop")
    changes = {
        "receivers": {
            "otlp": {"protocols": {"http": {"tls": {**ca.issue("gateway").tls, "client_ca_file": str(ca.file)}}}}
        }
    }
    with gateway([store], changes=changes) as node:
        url = f"https://localhost:{node.http_port}/v1/traces"
        trust = ("--cacert", ca.file, "--cert", mine.cert_file, "--key", mine.key_file)
        for version in ("--http1.1", "--http2"):
            answer = curl(url, b'{"resourceSpans":[]}', version, *map(str, trust))
            assert answer[0] == 200, answer
        with secure(node.http_port, ca, mine, alpn=("http/1.1",)) as connection:
            assert connection.selected_alpn_protocol() == "http/1.1"
        with secure(node.http_port, ca, mine, alpn=("h2", "http/1.1")) as connection:
            assert connection.selected_alpn_protocol() == "h2"
        with RawClient(node.http_port, ca, mine) as client:
            trace = spans.trace(rng)
            client.must_export(spans.request(trace))
    store.assert_exactly(trace)


# --- exporters


def test_exports_over_tls(gateway, backend, rng, ca):
    """By name and by address; with a certificate of its own where the backend demands one."""
    plain = backend(certificate=ca.issue("one"))
    mutual = backend(certificate=ca.issue("two"), clients=ca)
    mine = ca.issue("gateway")
    exporters = {
        "otlp/name": otlp(f"localhost:{plain.port}", tls={"insecure": None, "ca_file": str(ca.file)}),
        "otlp/address": otlp(plain, tls={"insecure": False, "ca_pem": ca.pem.decode()}),
        "otlp/mutual": otlp(f"https://localhost:{mutual.port}", tls={"insecure": None, "ca_file": str(ca.file), **mine.tls}),
    }
    trace = spans.trace(rng, 5)
    with gateway(exporters) as node, RawClient(node.port) as client:
        client.must_export(spans.request(trace))
        node.settle()
        assert node.metrics().value("tailgate_tls_handshakes", side="client") == 3
    mutual.assert_exactly(trace)
    assert {(s.trace_id, s.span_id) for s in plain.spans()} == {(s.trace_id, s.span_id) for s in trace}
    assert len(plain.spans()) == 10, "once by each exporter"


@pytest.mark.parametrize(
    "kind, reason, words",
    [
        ("expired", "expired", "certificate expired on"),
        ("wrong host", "wrong_host", "certificate is for other names"),
        ("stranger", "unknown_authority", "signed by no authority that is trusted"),
        ("plain", "plain_text", "plain text"),
        ("demands", "no_client_certificate", "demands a certificate"),
    ],
)
def test_spans_wait_until_the_backend_is_right(gateway, backend, rng, ca, tmp_path, kind, reason, words):
    """A backend with a wrong certificate gets nothing; nothing is lost; when it is right, all is sent."""
    wrong = {
        "expired": lambda: {"certificate": ca.expired()},
        "wrong host": lambda: {"certificate": ca.issue("elsewhere", hosts=["elsewhere.example"])},
        "stranger": lambda: {"certificate": Authority(tmp_path / "others", "other").issue("stranger")},
        "plain": lambda: {},
        "demands": lambda: {"certificate": ca.issue("store"), "clients": ca},
    }[kind]()
    store = backend(**wrong)
    trace = spans.trace(rng, 7)
    exporters = {"otlp": otlp(store, tls={"insecure": None, "ca_file": str(ca.file)})}
    with gateway(exporters) as node, RawClient(node.port) as client:
        client.must_export(spans.request(trace))
        if reason == "plain_text":
            # A gRPC server in plain text just closes: what it was can't be known for sure.
            until(lambda: sum(failures(node, r, "client") for r in ("plain_text", "disconnected", "other")) >= 1, 10)
        elif kind == "demands":
            # TLS 1.3: the server says so after the handshake.
            until(lambda: words in node.log(), 10, node.log)
        else:
            until(lambda: failures(node, reason, "client") >= 1, 10, lambda: node.metrics().text)
            until(lambda: words in node.log(), 10, node.log)
        assert node.ledger()["destinations"]["otlp"]["queued"] == 7
        store.stop()
        store.certificate, store.clients = ca.issue("right"), None
        store.start()
        node.settle()
    store.assert_exactly(trace)


def test_authority_renewed_for_an_exporter(gateway, backend, rng, ca, tmp_path):
    """The file of authorities is read again too."""
    others = Authority(tmp_path / "others", "other")
    store = backend(certificate=others.issue("store"))
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(ca.pem)
    trace = spans.trace(rng, 3)
    with gateway({"otlp": otlp(store, tls={"insecure": None, "ca_file": str(trusted)})}) as node:
        with RawClient(node.port) as client:
            client.must_export(spans.request(trace))
        until(lambda: failures(node, "unknown_authority", "client") >= 1, 10)
        trusted.write_bytes(ca.pem + others.pem)
        node.settle()
    store.assert_exactly(trace)


# --- who attacks


def test_handshakes_that_stall_or_never_begin(gateway, backend, rng, ca):
    """They end after their time, counted."""
    changes = receiver(tls=ca.issue("gateway").tls, limits={"handshake_timeout": "1s"})
    with gateway([backend()], changes=changes) as node:
        silent = [socket.create_connection(("127.0.0.1", node.port), timeout=10) for _ in range(5)]
        begun = [socket.create_connection(("127.0.0.1", node.port), timeout=10) for _ in range(5)]
        for one in begun:
            one.sendall(b"\x16\x03\x01\x02\x00")
        for one in silent + begun:
            try:
                while one.recv(100):
                    pass
            except ConnectionResetError:
                pass
            one.close()
        until(lambda: failures(node, "timeout") == 10, 10, lambda: node.metrics().text)


def client_hello(ca):
    """The first bytes of a handshake, made once."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = ssl.create_default_context(cadata=ca.pem.decode()).wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


@pytest.mark.slow
def test_five_thousand_handshakes_stop_nobody(gateway, backend, rng, ca):
    """One address opens 5,000 handshakes as fast as it can; another's new connections still get theirs, and connections that
    exist hardly notice."""
    store = backend()
    hello = client_hello(ca)
    changes = receiver(tls=ca.issue("gateway").tls)
    sent, handshakes, exports = [], [], []
    with gateway([store], policies=ALWAYS, changes=changes) as node:
        stopping, opened = threading.Event(), [0]

        def attack():
            held = []
            while not stopping.is_set() and opened[0] < 5000:
                raw = socket.socket()
                raw.settimeout(1)
                raw.bind(("127.0.0.66", 0))
                try:
                    raw.connect(("127.0.0.1", node.port))
                    raw.sendall(hello)
                    opened[0] += 1
                except OSError:
                    raw.close()
                    continue
                held.append(raw)
                if len(held) > 900:
                    for one in held:
                        one.close()
                    held = []
            for one in held:
                one.close()

        attacker = threading.Thread(target=attack)
        with RawClient(node.port, ca) as known:
            known.must_export(spans.request([]))
            attacker.start()
            try:
                while opened[0] < 5000 and attacker.is_alive():
                    begin = time.monotonic()
                    with secure(node.port, ca) as connection:
                        assert connection.selected_alpn_protocol() == "h2"
                    handshakes.append(calm_seconds(begin))
                    trace = spans.trace(rng)
                    with RawClient(node.port, ca) as client:
                        client.must_export(spans.request(trace))
                    sent += trace
                    for _ in range(5):
                        trace = spans.trace(rng)
                        begin = time.monotonic()
                        known.must_export(spans.request(trace))
                        exports.append(calm_seconds(begin))
                        sent += trace
            finally:
                stopping.set()
                attacker.join()
        assert opened[0] == 5000
        print(
            f"beside 5000 handshakes: honest handshake median {statistics.median(handshakes) * 1000:.1f} ms, max"
            f" {max(handshakes) * 1000:.0f} ms ({len(handshakes)}); request median {statistics.median(exports) * 1000:.1f} ms, max"
            f" {max(exports) * 1000:.0f} ms ({len(exports)})")
        assert max(handshakes) < 1.0 and max(exports) < 1.0
    store.assert_exactly(sent)


def test_configuration_errors_name_the_file_and_the_key(gateway, backend, ca, tmp_path):
    """All at once, with positions; an expired certificate is a warning."""
    import subprocess

    from harness.gateway import binary

    one, two = ca.issue("one"), ca.issue("two")
    encrypted = tmp_path / "encrypted.key"
    encrypted.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII\n-----END ENCRYPTED PRIVATE KEY-----\n")
    path = tmp_path / "t.yaml"

    def problems(block):
        path.write_text(
            f"""receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:4317",
  tls: {block}}}}}}}}}
processors: {{tail_sampling: {{policies: [{{name: a, type: always_sample}}]}}}}
exporters: {{debug: }}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [debug]}}}}}}
"""
        )
        ran = subprocess.run([binary(), "validate", "--config", str(path)], capture_output=True, text=True)
        return ran.returncode, ran.stdout + ran.stderr

    table = [
        (f"{{cert_file: /nowhere.crt, key_file: {one.key_file}}}", "cert_file: cannot read /nowhere.crt: there is no such file"),
        (f"{{cert_file: {tmp_path}, key_file: {one.key_file}}}", "it is a directory"),
        (f"{{cert_file: {one.key_file}, key_file: {one.key_file}}}", "holds a private key where a certificate is expected"),
        (f"{{cert_file: {one.cert_file}, key_file: {one.cert_file}}}", "holds a certificate where its private key is expected"),
        (f"{{cert_file: {one.cert_file}, key_file: {two.key_file}}}", "key_file: the private key is not the one of the certificate of \"one\""),
        (f"{{cert_file: {one.cert_file}, key_file: {encrypted}}}", "is encrypted with a passphrase"),
        (f"{{cert_file: {one.cert_file}}}", "`key_file` is missing"),
        (f"{{cert_file: {one.cert_file}, key_file: {one.key_file}, min_version: 1.4}}", "`1.4` is no TLS version"),
        (f"{{cert_file: {one.cert_file}, key_file: {one.key_file}, min_version: 1.3, max_version: 1.2}}", "above `max_version`"),
        (f"{{cert_file: {one.cert_file}, key_file: {one.key_file}, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}}", "the cipher suite `TLS_RSA_WITH_RC4_128_SHA` is not in the TLS library"),
        (f"{{cert_file: {one.cert_file}, key_file: {one.key_file}, curve_preferences: [P255]}}", "the curve `P255` is not in the TLS library; did you mean `P25"),
    ]
    for block, words in table:
        code, said = problems(block)
        assert code == 64 and words in said and "t.yaml:2:" in said, (block, said)
        assert "PRIVATE KEY-----" not in said
    old = ca.expired()
    code, said = problems(f"{{cert_file: {old.cert_file}, key_file: {old.key_file}, min_version: 1.2, curve_preferences: [X25519, P256]}}")
    assert code == 0 and "warning: the certificate of \"expired\" expired on 20" in said, said
