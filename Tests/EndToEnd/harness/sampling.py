"""An independent evaluation of the sampling policies, written from their description and not from the gateway's source."""

from fractions import Fraction

DEFAULT_SALT = "default-hash-seed"

# What the Collector decides: salt, trace id, sampled at 1, 10, 25, 50, 75, 90 %
VECTORS = [
    ("", "00000000000000000000000000000000", "NNNNNY"),
    ("", "00000000000000000000000000000001", "NNNNNY"),
    ("", "0102030405060708090a0b0c0d0e0f10", "NNNNNY"),
    ("", "4bf92f3577b34da6a3ce929d0e0e4736", "NNNNYY"),
    ("", "0af7651916cd43dd8448eb211c80319c", "NNYYYY"),
    ("", "000000000000000052969a8955571a3f", "NNNYYY"),
    ("", "ffffffffffffffffffffffffffffffff", "NYYYYY"),
    ("", "80f198ee56343ba864fe8b2a57d3eff7", "NNNNNY"),
    ("", "5b8efff798038103d269b633813fc60c", "NNNNYY"),
    ("", "7bba9f33312b3dbb8b2c2c62bb7abe2d", "NNNNYY"),
    ("my-salt", "00000000000000000000000000000001", "NNNYYY"),
    ("my-salt", "0102030405060708090a0b0c0d0e0f10", "NNNYYY"),
    ("my-salt", "4bf92f3577b34da6a3ce929d0e0e4736", "NNNNNY"),
    ("my-salt", "80f198ee56343ba864fe8b2a57d3eff7", "NYYYYY"),
    ("my-salt", "5b8efff798038103d269b633813fc60c", "NNNNNN"),
    ("my-salt", "7bba9f33312b3dbb8b2c2c62bb7abe2d", "NYYYYY"),
    ("ab", "0102030405060708090a0b0c0d0e0f10", "NNNNYY"),
]


def fnv1a64(data):
    """64-bit FNV-1a."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def threshold(percentage):
    """The largest hash that `percentage` samples: (2^64 - 1) x ratio, rounded to 64 significant bits, half to even, cut off."""
    ratio = Fraction(percentage / 100.0)
    if ratio <= 0:
        return 0
    if ratio >= 1:
        return 2**64 - 1
    product = ratio * (2**64 - 1)
    exponent = 0
    while product < 2**63:
        product *= 2
        exponent += 1
    while product >= 2**64:
        product /= 2
        exponent -= 1
    significand = round(product)  # Fraction rounds half to even
    return int(Fraction(significand) / Fraction(2) ** exponent)


def probabilistic(trace_id, percentage, salt=""):
    """Whether the `probabilistic` policy samples this trace."""
    return fnv1a64((salt or DEFAULT_SALT).encode() + trace_id) <= threshold(percentage)


def latency_ms(spans):
    """The extent of a trace in whole milliseconds."""
    extent = max(s.end_time_unix_nano for s in spans) - min(s.start_time_unix_nano for s in spans)
    return extent // 1_000_000 if extent >= 0 else -(-extent // 1_000_000)


def has_status(spans, codes):
    """Whether a span has one of the status codes (0 UNSET, 1 OK, 2 ERROR)."""
    return any(s.status.code in codes for s in spans)
