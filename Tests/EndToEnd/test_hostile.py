"""All attacks at once beside honest load: what the honest see, what it costs, and how soon it is over. And ten thousand idle
connections."""

import contextlib
import gzip
import json
import os
import resource
import socket
import ssl
import subprocess
import threading
import time

import pytest

from harness.calm import calm_seconds
from harness.certificates import Authority
from harness.gateway import NEVER, binary
from harness.http2 import frame_message
from harness.traffic import sink
from harness.wait import until
from harness.waits import ProcessorWaits

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def header_block(length=None):
    """An export request's fields, in HPACK without indexing and Huffman."""

    def field(name, value):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value

    path = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    block = b"\x83\x86" + field(b":path", path) + field(b":authority", b"x")
    return block + field(b"content-type", b"application/grpc") + field(b"te", b"trailers")


HEADERS = header_block()
BOMB = frame_message(gzip.compress(b"\0" * (32 << 20)), compressed=True)


def connect(port, source, receive_buffer=None):
    raw = socket.socket()
    raw.settimeout(5)
    if receive_buffer:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.bind((source, 0))
    raw.connect(("127.0.0.1", port))
    return raw


def resident(node):
    with open(f"/proc/{node.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def repeat(port, source, data, receive_buffer=None):
    """One connection: the preface and `data` as fast as it is taken, until the other side ends it."""
    with connect(port, source, receive_buffer) as raw:
        raw.sendall(PREFACE + data)
        while raw.recv(1 << 16):
            pass


def rapid_resets(port):
    frames = b"".join(
        frame(1, 4, stream, HEADERS) + frame(3, 0, stream, b"\0\0\0\x08") for stream in range(1, 4001, 2)
    )
    repeat(port, "127.0.0.11", frames)


def continuations(port):
    repeat(port, "127.0.0.12", frame(1, 0, 1, HEADERS) + frame(9, 0, 1, b"") * 5000)


def pings(port):
    repeat(port, "127.0.0.13", frame(6, 0, 0, b"12345678") * 5000)


def settings(port):
    repeat(port, "127.0.0.14", frame(4, 0, 0, b"\x00\x03\x00\x00\x00\x64") * 5000, receive_buffer=4096)


def empty_data(port):
    repeat(port, "127.0.0.15", frame(1, 4, 1, HEADERS) + frame(0, 0, 1) * 10_000)


def window_updates(port):
    repeat(port, "127.0.0.16", frame(8, 0, 0, b"\0\0\0\x01") * 10_000)


def zero_window(port):
    """Requests whose answers it never lets out."""
    with connect(port, "127.0.0.17") as raw:
        raw.sendall(PREFACE + frame(4, 0, 0, b"\x00\x04\x00\x00\x00\x00"))
        for stream in range(1, 401, 2):
            raw.sendall(frame(1, 4, stream, HEADERS) + frame(0, 1, stream, b"\0\0\0\0\0"))
        time.sleep(1)


def slowloris(port):
    raws = [connect(port, "127.0.0.18") for _ in range(50)]
    for byte in PREFACE + frame(1, 4, 1, HEADERS):
        for raw in raws:
            raw.sendall(bytes([byte]))
        time.sleep(0.01)
    for raw in raws:
        raw.close()


def bombs(port):
    with connect(port, "127.0.0.19") as raw:
        encoding = b"\x00\x0dgrpc-encoding\x04gzip"
        raw.sendall(PREFACE)
        for stream in range(1, 21, 2):
            raw.sendall(frame(1, 4, stream, HEADERS + encoding))
            for at in range(0, len(BOMB), 16_000):
                piece = BOMB[at : at + 16_000]
                raw.sendall(frame(0, int(at + 16_000 >= len(BOMB)), stream, piece))
        time.sleep(0.2)


def garbage(port):
    with connect(port, "127.0.0.20") as raw:
        raw.sendall(PREFACE + os.urandom(4096))
        while raw.recv(4096):
            pass


def come_and_go(port):
    for _ in range(100):
        connect(port, "127.0.0.21").close()


def http_slowloris(port):
    raws = [connect(port, "127.0.0.23") for _ in range(50)]
    for byte in b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n":
        for raw in raws:
            raw.sendall(bytes([byte]))
        time.sleep(0.01)
    for raw in raws:
        raw.close()


POST = b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ZEROS = gzip.compress(b"\0" * (48 << 20))


def http_bombs(port):
    with connect(port, "127.0.0.24") as raw:
        raw.sendall(POST + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(ZEROS) + ZEROS)
        while raw.recv(4096):
            pass


def tiny_chunks(port):
    """A body of one byte in a chunk, without an end."""
    with connect(port, "127.0.0.25") as raw:
        raw.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n{\r\n" * 20_000)


def unread_answers(port):
    """Pipelined requests of somebody who takes no answers."""
    with connect(port, "127.0.0.26", receive_buffer=4096) as raw:
        raw.settimeout(1)
        raw.sendall((POST + b"Content-Length: 2\r\n\r\n{}") * 5_000)
        time.sleep(1)


def deep_json(port):
    body = b'{"resourceSpans":' * 50_000
    with connect(port, "127.0.0.27") as raw:
        raw.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        raw.recv(4096)


def endless_headers(port):
    with connect(port, "127.0.0.28") as raw:
        raw.sendall(POST)
        for number in range(10_000):
            raw.sendall(b"X-%d: %s\r\n" % (number, b"y" * 100))


def http_garbage(port):
    with connect(port, "127.0.0.29") as raw:
        raw.sendall(b"POST /" + os.urandom(4096))
        while raw.recv(4096):
            pass


def half_handshakes(port):
    """For the TLS port: hellos without an end."""
    raws = [connect(port, "127.0.0.22") for _ in range(100)]
    for raw in raws:
        raw.sendall(b"\x16\x03\x01\x02\x00" + os.urandom(512))
    for raw in raws:
        raw.close()


ATTACKS = [
    rapid_resets, continuations, pings, settings, empty_data, window_updates, zero_window, slowloris, bombs, garbage,
    come_and_go,
]
HTTP_ATTACKS = [http_slowloris, http_bombs, tiny_chunks, unread_answers, deep_json, endless_headers, http_garbage]


class Attacker:
    """One attack, again and again, on a thread of its own, with a breath between two rounds: the test's own processor time is
    the honest clients' too."""

    def __init__(self, attack, port):
        self.rounds = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(attack, port))
        self.thread.start()

    def run(self, attack, port):
        while not self.stopping.is_set():
            try:
                attack(port)
            except OSError:
                pass
            self.rounds += 1
            self.stopping.wait(0.1)

    def stop(self):
        self.stopping.set()
        self.thread.join()


def load(node, seconds, rate=20_000):
    """Honest load by `tailgate load` to a node, or to a sink; `report` waits for its end."""
    return subprocess.Popen(
        [
            binary(), "load", "--endpoint", f"127.0.0.1:{node.port}", "--rate", str(rate), "--seconds", f"{seconds}s",
            "--spans-per-request", "200", "--json",
        ],
        stdout=subprocess.PIPE,
    )


def report(process):
    made = json.loads(process.communicate(timeout=90)[0])
    assert process.returncode == 0, made
    return made


def p99(made):
    """Milliseconds."""
    return made["latency_ms"]["p99"]


def quick_enough(made, control, waits, calm):
    """Whether honest load was hardly held up: ten times as long as in the calm phase at most, or 50 ms, by the node's doing.

    Attackers, load and node share the machine's processors, and maybe others do. What the node's threads waited for one (`waits`) is
    taken off, and so is what the clients had to wait: `control` is the same load, at the same time, to a sink that nobody attacks."""
    own = p99(made) * (1 - waits.share(0.95))
    print(
        f"p99 {p99(made):.1f} ms, {own:.1f} without waits for a processor; {p99(calm):.1f} in the calm, {p99(control):.1f} of a sink"
        f" meanwhile; waits: {[round(waits.share(q), 2) for q in (0.5, 0.95, 1)]}")
    return own < max(50.0, 10 * p99(calm)) + 2 * p99(control)


@pytest.mark.slow
@pytest.mark.alone
def test_all_attacks_at_once(gateway, tmp_path):
    """20,000 spans/s of honest load stay whole and quick; memory stays under its limit; ten seconds later all is as before."""
    ca = Authority(tmp_path / "certificates")
    secure = {"protocols": {"grpc": {"endpoint": "127.0.0.1:0", "tls": ca.issue("gateway").tls}}}
    changes = {
        "receivers": {"otlp/secure": secure},
        "processors": {"memory_limiter": {"check_interval": "1s", "limit_mib": 1024}},
        "service": {
            "pipelines": {
                "traces": {
                    "receivers": ["otlp", "otlp/secure"],
                    "processors": ["memory_limiter", "tail_sampling", "batch"],
                }
            }
        },
    }
    with gateway({"debug": {}}, policies=NEVER, decision_wait="2s", changes=changes) as node, contextlib.ExitStack() as stack:
        tls_port = int(node.log().split("receivers=")[1].split(" [")[0].split(" version")[0].split(":")[-1])
        calm = report(load(node, 5))
        echo = stack.enter_context(sink())
        calm_resident = resident(node)
        attackers = [Attacker(attack, node.port) for attack in ATTACKS] + [Attacker(half_handshakes, tls_port)]
        attackers += [Attacker(attack, node.http_port) for attack in HTTP_ATTACKS]
        try:
            honest, control = load(node, 15), load(echo, 15)
            peak = 0
            with ProcessorWaits(node.process.pid) as waits:
                while honest.poll() is None:
                    peak = max(peak, resident(node))
                    time.sleep(0.2)
            under_attack, control = report(honest), report(control)
        finally:
            for attacker in attackers:
                attacker.stop()
        ended = time.monotonic()
        assert all(attacker.rounds >= 2 for attacker in attackers), [a.rounds for a in attackers]
        print(f"under attack; peak {peak >> 20} MiB")
        assert quick_enough(under_attack, control, waits, calm)
        assert under_attack["spans_per_second"] > 0.9 * control["spans_per_second"] and not under_attack["given_up"]["requests"]
        assert peak < 1024 << 20
        metrics = node.metrics()
        closed = {s.labels["reason"]: s.value for s in metrics.matching("tailgate_connections_closed")}
        assert closed["abuse"] >= 2 and closed["protocol_error"] >= 2, closed
        assert metrics.value("tailgate_refused_requests", reason="inflated_too_large") >= 1
        assert len(node.log()) < 200_000, "logs are throttled"
        # Everything is as before within ten seconds.
        until(lambda: node.metrics().value("tailgate_connections") <= 2, 10, "all attackers gone")
        bearable = calm_resident + (128 << 20)
        until(lambda: resident(node) < bearable, 10 - calm_seconds(ended), lambda: f"memory back; {resident(node) >> 20} MiB")
        took = time.monotonic() - ended
        with ProcessorWaits(node.process.pid) as waits:
            loads = load(node, 5), load(echo, 5)
            after, control = map(report, loads)
        print(f"back to normal after {took:.1f} s; {calm_resident >> 20} MiB before, {resident(node) >> 20} after")
        assert quick_enough(after, control, waits, calm)
        ledger = node.ledger()
        assert ledger["difference"] == 0


@pytest.mark.slow
def test_ten_thousand_idle_tls_connections(gateway, tmp_path):
    """The same behind TLS, where each keeps a session of the library.

    About 28 KiB each, of which 10 are the connection's own. The rest is swift-nio-ssl's and BoringSSL's, by the allocator's
    statistics: a page of a buffer of 32 KiB for plain text, one or two of 16 KiB for what goes out, 5 KiB of room for 96 writes,
    and some 7 KiB of the session and its objects. None of it can be set from outside (BoringSSL frees its own buffers by
    itself, as OpenSSL does with SSL_MODE_RELEASE_BUFFERS)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 10_000
    if hard < count + 500:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ca = Authority(tmp_path / "certificates")
    context = ssl.create_default_context(cadata=ca.pem.decode())
    context.set_alpn_protocols(["h2"])
    idle = []
    changes = {"receivers": {"otlp": {"protocols": {"grpc": {"tls": ca.issue("gateway").tls}}}}}
    try:
        with gateway({"debug": {}}, policies=NEVER, changes=changes) as node:
            before = resident(node)
            for number in range(count):
                raw = context.wrap_socket(connect(node.port, f"127.0.0.{2 + number % 50}"), server_hostname="localhost")
                raw.sendall(PREFACE)
                idle.append(raw)
            until(lambda: node.metrics().value("tailgate_connections") == count, 10, "all connections")
            cost = lambda: resident(node) - before
            until(lambda: cost() <= 350 << 20, 30, lambda: f"{cost() >> 20} MiB for {count} idle TLS connections")
            time.sleep(10)
            print(f"{cost() >> 20} MiB for {count} idle TLS connections")
    finally:
        for raw in idle:
            raw.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_ten_thousand_idle_connections(gateway):
    """Preface and SETTINGS are exchanged, then nothing: 100 MiB or less for all."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = 10_000
    if hard < count + 500:
        pytest.skip(f"this machine allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    idle = []
    try:
        with gateway({"debug": {}}, policies=NEVER) as node:
            before = resident(node)
            for number in range(count):
                raw = connect(node.port, f"127.0.0.{2 + number % 50}")
                raw.sendall(PREFACE)
                idle.append(raw)
            until(lambda: node.metrics().value("tailgate_connections") == count, 10, "all connections")
            cost = lambda: resident(node) - before
            until(lambda: cost() <= 100 << 20, 30, lambda: f"{cost() >> 20} MiB for {count} idle connections")
            honest = report(load(node, 3))
            print(f"{cost() >> 20} MiB; p99 beside them {p99(honest)} ms")
    finally:
        for raw in idle:
            raw.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
