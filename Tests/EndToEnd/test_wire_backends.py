"""Backends and proxies that are odd below gRPC. Retried or lost with a reason; never a crash, never a second delayed."""

import time

import h2.errors
import pytest

from harness import spans
from harness.backend import Backend
from harness.clients import RawClient
from harness.gateway import otlp
from harness.wait import holds, until
from harness.wire_backend import HTTP2Backend, TCPBackend, grpc_ok, http_status


@pytest.fixture
def odd():
    """Makes odd backends and closes them."""
    made = []

    def make(kind, behaviour):
        made.append(kind(behaviour))
        return made[-1]

    yield make
    for one in made:
        one.close()


def send(client, rng):
    sent = spans.trace(rng)
    client.must_export(spans.request(sent))
    return sent


def first_then_ok(first, times=1):
    """Answers the first requests by `first`, all others with success."""

    def answer(connection, stream, number, body):
        return first(connection, stream) if number <= times else grpc_ok(connection, stream)

    return answer


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retryable_http_answers(gateway, odd, rng, status):
    store = odd(HTTP2Backend, first_then_ok(http_status(status), 2))
    with gateway([store.endpoint]) as node, RawClient(node.port) as client:
        send(client, rng)
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["sent"] == 3
    assert len(store.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_permanent_http_answers(gateway, odd, rng, status):
    store = odd(HTTP2Backend, first_then_ok(http_status(status)))
    with gateway([store.endpoint]) as node, RawClient(node.port) as client:
        send(client, rng)
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["lost"] == 3
    assert len(store.requests) == 1


@pytest.mark.parametrize("code", ["REFUSED_STREAM", "CANCEL"])
def test_reset_streams_are_retried(gateway, odd, rng, code):
    reset = lambda connection, stream: connection.reset_stream(stream, h2.errors.ErrorCodes[code])
    store = odd(HTTP2Backend, first_then_ok(reset, 2))
    with gateway([store.endpoint]) as node, RawClient(node.port) as client:
        send(client, rng)
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["sent"] == 3


def test_goaway_without_an_answer_is_retried(gateway, odd, rng):
    """GOAWAY with last stream 0: the request was not looked at, and goes out again on a new connection."""

    def refuse(connection, stream):
        connection.close_connection(last_stream_id=0)
        return "close"

    store = odd(HTTP2Backend, first_then_ok(refuse))
    with gateway([store.endpoint]) as node, RawClient(node.port) as client:
        send(client, rng)
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["sent"] == 3
    assert store.accepted >= 2


def test_connection_cut_before_the_answer(gateway, odd, rng):
    store = odd(HTTP2Backend, first_then_ok(lambda connection, stream: "close", 3))
    with gateway([store.endpoint]) as node, RawClient(node.port) as client:
        send(client, rng)
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["sent"] == 3
    assert len(store.requests) == 4


def test_success_without_trailers_is_no_success(gateway, odd, rng):
    """200 and the end, with no grpc-status: a proxy said that, not a backend."""

    def bare(connection, stream):
        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        connection.send_data(stream, b"\0\0\0\0\0", end_stream=True)

    store = odd(HTTP2Backend, first_then_ok(bare, 1000))
    with gateway([store.endpoint]) as node, RawClient(node.port) as client:
        send(client, rng)
        until(lambda: store.requests, 10, "the request")
        until(lambda: node.ledger()["destinations"]["otlp/a"]["lost"] or len(store.requests) > 1, 10, "a verdict")
        assert node.ledger()["destinations"]["otlp/a"]["sent"] == 0
        store.answer = first_then_ok(bare, 0)
        node.settle()


def test_answer_without_end(gateway, odd, rng):
    """A backend that answers with an endless body is cut off, whatever it says."""

    def flood(connection, stream):
        connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        window = min(connection.local_flow_control_window(stream), 60_000)
        connection.send_data(stream, b"\0" + (100 << 20).to_bytes(4, "big") + b"x" * 1000)
        while window > 20_000:
            connection.send_data(stream, b"x" * 16_000)
            window -= 16_000

    store, good = odd(HTTP2Backend, first_then_ok(flood, 1)), Backend()
    with gateway({"otlp/a": otlp(store.endpoint, timeout="1s"), "otlp/b": otlp(good)}) as node:
        with RawClient(node.port) as client:
            sent = send(client, rng)
            good.wait_for_spans(len(sent), timeout=3)
            node.settle()
    good.close()


@pytest.mark.parametrize(
    "talk",
    [
        lambda wire: wire.recv(1 << 20) and wire.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda wire: wire.sendall(b"220 mail.example.org ESMTP\r\n" * 100),
        lambda wire: None,
        lambda wire: wire.sendall(b"\0\0\0\4\0\0\0\0\0" + b"\xff" * 1000),
    ],
    ids=["HTTP/1.1", "another protocol", "closes at once", "settings, then noise"],
)
def test_not_http2_at_all(gateway, odd, rng, talk):
    """Retried with backoff; the good backend next to it has everything at once."""
    store, good = odd(TCPBackend, talk), Backend()
    exporters = {"otlp/a": otlp(store.endpoint, timeout="2s", retry_on_failure={"max_elapsed_time": "2s"}), "otlp/b": otlp(good)}
    with gateway(exporters) as node, RawClient(node.port) as client:
        sent = send(client, rng)
        good.wait_for_spans(len(sent), timeout=3)
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["lost"] == 3
    assert 2 <= store.accepted < 100, "connections are made with a backoff"
    good.close()


def test_port_that_accepts_and_says_nothing(gateway, odd, rng):
    """No SETTINGS, no answer, no end: the attempt times out and is repeated; the other backend waits for nobody."""
    store, good = odd(TCPBackend, lambda wire: [None for _ in iter(lambda: wire.recv(1 << 16), b"")]), Backend()
    exporters = {
        "otlp/a": otlp(store.endpoint, timeout="500ms", retry_on_failure={"max_elapsed_time": "3s"}),
        "otlp/b": otlp(good),
    }
    with gateway(exporters) as node, RawClient(node.port) as client:
        sent = send(client, rng)
        good.wait_for_spans(len(sent), timeout=3)
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["lost"] == 3
    good.close()


def test_name_that_does_not_resolve(gateway, backend, rng):
    """A backend that does not exist (yet) keeps nobody from running."""
    good = backend()
    retry = {"max_elapsed_time": "2s"}
    exporters = {"otlp/a": otlp("no-such-host.invalid:4317", timeout="2s", retry_on_failure=retry), "otlp/b": otlp(good)}
    with gateway(exporters) as node, RawClient(node.port) as client:
        sent = send(client, rng)
        good.wait_for_spans(len(sent), timeout=5)
        ledger = node.settle()
        assert ledger["destinations"]["otlp/a"]["lost"] == 3
        assert "no-such-host.invalid" in node.log()


def test_name_that_resolves(gateway, backend, rng):
    store = backend()
    with gateway([f"localhost:{store.port}"]) as node, RawClient(node.port) as client:
        sent = send(client, rng)
        store.wait_for_spans(len(sent))
        node.settle()
    store.assert_exactly(sent)


def test_backend_that_rotates_connections(gateway, rng):
    """max_connection_age: a GOAWAY every half a second, under traffic. Nothing lost, nothing twice."""
    store = Backend(options=[("grpc.max_connection_age_ms", 500), ("grpc.max_connection_age_grace_ms", 2000)])
    sent = []
    with gateway([store], decision_wait="100ms") as node, RawClient(node.port) as client:
        begin = time.monotonic()
        while time.monotonic() - begin < 4:
            sent += send(client, rng)
        node.settle()
    store.assert_exactly(sent)
    store.close()


def test_idle_backend_is_left_alone(gateway, backend, rng):
    """No traffic, no requests, and no connection storm."""
    store = backend()
    with gateway([store]) as node, RawClient(node.port) as client:
        send(client, rng)
        store.wait_for_spans(3)
        holds(lambda: len(store.requests()) == 1, 1.5, "one request")
        node.settle()
