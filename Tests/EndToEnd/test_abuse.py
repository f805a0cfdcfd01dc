"""Clients that behave badly: each costs a bounded amount, and honest traffic beside them goes on."""

import errno
import resource
import socket
import time

import h2.errors
import pytest

from harness import spans
from harness.gateway import ALWAYS, NEVER
from harness.http2 import RawHTTP2, frame_message
from harness.traffic import Traffic
from harness.wait import until


class Honest(Traffic):
    """Traffic that must not notice anything: a request every 20 ms, each answered OK within two seconds."""

    def __init__(self, node, rng):
        super().__init__([node], lambda: spans.trace(rng), timeout=10)

    def __enter__(self):
        super().__enter__()
        self.goes_on(0, "the first honest request")
        return self

    def goes_on(self, count, what):
        """Waits until so many spans and more were taken, or something is wrong."""
        until(lambda: len(self.sent) > count or self.refusals or self.failure, 10, what)

    def __exit__(self, kind, *rest):
        if kind is None:
            self.goes_on(len(self.sent), "an honest request after all that")
        super().__exit__(kind, *rest)
        if kind is None:
            assert not self.refusals, self.refusals[0]
            assert self.slowest < 2.0, f"an honest request took {self.slowest:.1f} s"


def resident(node):
    with open(f"/proc/{node.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def for_seconds(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


def test_rapid_resets(gateway, backend, rng):
    """A client that opens streams and resets them at once is sent away."""
    store = backend()
    with gateway([store]) as node, Honest(node, rng) as honest:
        before = resident(node)
        ended = 0
        for _ in range(3):
            with RawHTTP2(node.port) as raw:
                for _ in range(20_000):
                    stream = raw.connection.get_next_available_stream_id()
                    raw.connection.send_headers(stream, raw.headers())
                    raw.connection.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
                    if stream % 200 == 1:
                        raw.flush()
                        raw.pump(0)
                    if raw.closed or raw.goaway:
                        break
                raw.flush()
                raw.wait_for_end(10)
                ended += 1
        assert ended == 3
        assert resident(node) - before < 64 << 20
    store.assert_exactly(honest.sent)


def test_bodies_that_are_reset_half_way(gateway, backend, rng):
    """What a reset stream had sent is forgotten, and its flow-control window comes back."""
    store = backend()
    message = frame_message(spans.request(spans.trace(rng, 100)).SerializeToString())
    with gateway([store], policies=ALWAYS) as node, Honest(node, rng) as honest:
        with RawHTTP2(node.port) as raw:
            for _ in range(150):
                stream = raw.open()
                raw.data(stream, message[: len(message) // 2])
                raw.connection.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
                raw.flush()
                raw.pump(0)
                if raw.goaway or raw.closed:
                    break
    store.assert_exactly(honest.sent)


def test_client_that_never_reads(gateway, backend, rng):
    """It sends requests and pings, and reads no answer: output to it is bounded, and in the end so is its input."""
    store = backend()
    message = frame_message(spans.request(spans.trace(rng, 1)).SerializeToString())
    with gateway([store], policies=NEVER) as node, Honest(node, rng):
        before = resident(node)
        with RawHTTP2(node.port, receive_buffer=4096) as raw:
            raw.socket.settimeout(0.2)
            raw.connection.remote_settings.max_concurrent_streams = 1 << 30
            raw.connection.remote_settings.acknowledge()
            for _ in for_seconds(4):
                try:
                    stream = raw.connection.get_next_available_stream_id()
                    raw.connection.outbound_flow_control_window = 1 << 30
                    raw.connection.send_headers(stream, raw.headers())
                    raw.connection.send_data(stream, message, end_stream=True)
                    raw.connection.ping(b"12345678")
                    raw.socket.sendall(raw.connection.data_to_send())
                except (TimeoutError, ConnectionError):
                    break
        assert resident(node) - before < 64 << 20


def test_one_byte_a_second(gateway, backend, rng):
    """Twenty clients that trickle their request hold nothing up."""
    store = backend()
    message = frame_message(spans.request(spans.trace(rng)).SerializeToString())
    with gateway([store], policies=ALWAYS) as node, Honest(node, rng):
        slow = [RawHTTP2(node.port) for _ in range(20)]
        streams = [raw.open() for raw in slow]
        for at in range(5):
            for raw, stream in zip(slow, streams):
                raw.data(stream, message[at : at + 1])
            deadline = time.monotonic() + 1
            until(lambda: time.monotonic() > deadline)
        for raw, stream in zip(slow[:10], streams):
            raw.data(stream, message[5:], end=True)
            assert raw.wait(stream).grpc_status == 0, "slow, but honest in the end"
        for raw in slow:
            raw.socket.close()


def test_preface_byte_by_byte_and_garbage(gateway, backend, rng):
    store = backend()
    with gateway([store], policies=ALWAYS) as node, Honest(node, rng):
        for garbage in (
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(500),  # a TLS hello
            rng.randbytes(4096),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(4096),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
            b"",
        ):
            with socket.create_connection(("127.0.0.1", node.port), timeout=10) as raw:
                try:
                    raw.sendall(garbage)
                    raw.shutdown(socket.SHUT_WR)
                    while raw.recv(4096):
                        pass
                except OSError as error:
                    # The gateway may have closed before the client did: then the socket is not connected any more.
                    assert error.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN), error


def test_continuation_flood(gateway, backend, rng):
    """Header blocks without an end: the connection is closed after a few frames, not after ten thousand."""
    store = backend()
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    headers = b"\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82"  # HEADERS without END_HEADERS
    flood = b"\x00\x00\x01\x09\x00\x00\x00\x00\x01\x84" * 10_000
    with gateway([store], policies=ALWAYS) as node, Honest(node, rng):
        with socket.create_connection(("127.0.0.1", node.port), timeout=10) as raw:
            try:
                raw.sendall(preface + headers + flood)
                while raw.recv(4096):
                    pass
            except ConnectionError:
                pass


def test_ping_and_settings_floods(gateway, backend, rng):
    store = backend()
    ping = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"12345678"
    settings = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + b"\x00\x03\x00\x00\x00\x64"
    with gateway([store], policies=ALWAYS) as node, Honest(node, rng):
        before = resident(node)
        for flood in (ping, settings):
            with RawHTTP2(node.port, receive_buffer=4096) as raw:
                raw.socket.settimeout(3)
                try:
                    raw.socket.sendall(flood * 200_000)
                except (TimeoutError, ConnectionError):
                    pass
        assert resident(node) - before < 64 << 20


def test_a_thousand_idle_connections(gateway, backend, rng):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4096:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    store = backend()
    idle = []
    with gateway([store], policies=ALWAYS) as node:
        before = resident(node)
        try:
            with Honest(node, rng) as honest:
                for index in range(1000):
                    if index % 2:
                        idle.append(RawHTTP2(node.port))
                    else:
                        idle.append(socket.create_connection(("127.0.0.1", node.port), timeout=10))
                count = len(honest.sent)
                until(lambda: len(honest.sent) > count + 50, 15, "honest requests beside a thousand connections")
                assert resident(node) - before < 200 << 20
        finally:
            for one in idle:
                getattr(one, "socket", one).close()
    store.assert_exactly(honest.sent)


@pytest.mark.slow
def test_clients_that_disappear(gateway, backend, rng):
    """Connections cut in every state. What was acknowledged is there; the rest is nobody's."""
    store = backend()
    message = frame_message(spans.request(spans.trace(rng, 20)).SerializeToString())
    with gateway([store], policies=ALWAYS) as node, Honest(node, rng) as honest:
        for _ in range(300):
            with RawHTTP2(node.port) as raw:
                stream = raw.open()
                raw.data(stream, message[: rng.randrange(len(message))])
                if rng.random() < 0.5:
                    raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    store.assert_exactly(honest.sent)
