"""What a gRPC server must answer, as seen by grpcio and by a client that breaks the rules."""

import gzip
import threading
import zlib

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from harness import spans
from harness.clients import EXPORT, RawClient
from harness.gateway import NEVER
from harness.http2 import RawHTTP2, frame_message
from harness.wait import until
from harness.wire import encode_varint, length_delimited

OK, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED = 0, 2, 3, 4
NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 5, 8, 12, 13, 14

TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """One gateway for all tests of this file, with a limit of 1 MiB on messages; its books are checked at the end."""
    from harness.backend import Backend
    from harness.gateway import Gateway

    store = Backend()
    limits = {"receivers": {"otlp": {"protocols": {"grpc": {"max_recv_msg_size_mib": 1}}}}}
    with Gateway(tmp_path_factory.mktemp("grpc") / "node", [store], changes=limits) as running:
        running.store = store
        yield running
    store.close()


@pytest.fixture
def honest(node, rng):
    """After whatever the test did: the gateway still takes spans, and delivers them."""
    yield
    sent = spans.trace(rng)
    with RawClient(node.port) as client:
        client.must_export(spans.request(sent))
    until(lambda: spans.ids(sent) <= node.store.ids(), 15, "honest spans")


pytestmark = pytest.mark.usefixtures("honest")


def body(rng, count=3):
    return spans.request(spans.trace(rng, count)).SerializeToString()


def refused(node, *reasons):
    """The sum over the refusal counters, to see one move."""
    return sum(s.value for s in node.metrics().samples if "refused" in s.name or "rejected" in s.name)


# --- success ---


def test_success_has_headers_data_and_trailers(node, rng):
    with RawHTTP2(node.port) as raw:
        answer = raw.call(frame_message(body(rng)))
    assert answer.headers[":status"] == "200"
    assert answer.headers["content-type"].startswith("application/grpc")
    assert answer.data[:1] == b"\0" and len(answer.data) == 5 + int.from_bytes(answer.data[1:5], "big")
    assert answer.trailers["grpc-status"] == "0"
    assert answer.ended


def test_answer_advertises_gzip(node, rng):
    with RawHTTP2(node.port) as raw:
        answer = raw.call(frame_message(body(rng)))
    assert "gzip" in (answer.headers | answer.trailers).get("grpc-accept-encoding", "")


def test_empty_request_succeeds(node):
    with RawClient(node.port) as client:
        client.must_export(b"")
    with RawHTTP2(node.port) as raw:
        assert raw.call(frame_message(b"")).grpc_status == OK


def test_empty_envelopes_succeed(node):
    with RawClient(node.port) as client:
        client.must_export(length_delimited(1, b""))
        client.must_export(length_delimited(1, length_delimited(2, b"")))


@pytest.mark.parametrize("content_type", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"])
def test_content_types(node, rng, content_type):
    with RawHTTP2(node.port) as raw:
        assert raw.call(frame_message(body(rng)), headers=raw.headers(content_type=content_type)).grpc_status == OK


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/grpcweb", ""])
def test_other_content_types_are_refused(node, rng, content_type):
    with RawHTTP2(node.port) as raw:
        headers = raw.headers(content_type=content_type, drop=() if content_type else ("content-type",))
        answer = raw.call(frame_message(body(rng)), headers=headers)
    assert answer.headers.get(":status") == "415" or answer.grpc_status in (INVALID_ARGUMENT, UNKNOWN, INTERNAL), answer


def test_message_in_one_byte_frames(node, rng):
    """DATA frames and messages have nothing to do with each other; the prefix itself may be split."""
    message = frame_message(body(rng, 1))
    with RawHTTP2(node.port) as raw:
        stream = raw.open()
        for byte in message:
            raw.connection.send_data(stream, bytes([byte]))
        raw.connection.send_data(stream, b"", end_stream=True)
        raw.flush()
        assert raw.wait(stream).grpc_status == OK


def test_many_streams_at_once(node, rng):
    with RawHTTP2(node.port) as raw:
        until(lambda: raw.pump(0.05) or raw.peer_settings, 5, "the server's settings")
        streams = [raw.open() for _ in range(50)]
        for stream in reversed(streams):
            raw.data(stream, frame_message(body(rng, 1)), end=True)
        assert [raw.wait(s).grpc_status for s in streams] == [OK] * 50


def test_thousands_of_requests_on_one_connection(node, rng):
    """The connection's flow-control window is given back for every request."""
    message = body(rng, 20)
    with RawClient(node.port) as client:
        calls = client.channel.unary_unary(EXPORT)
        waiting = [calls.future(message, timeout=30) for _ in range(2000)]
        assert all(w.code() == grpc.StatusCode.OK for w in waiting)


def test_flag_zero_with_declared_gzip(node, rng):
    with RawHTTP2(node.port) as raw:
        headers = raw.headers(extra=[("grpc-encoding", "gzip")])
        assert raw.call(frame_message(body(rng)), headers=headers).grpc_status == OK


def test_gzip_of_several_members(node, rng):
    whole = body(rng, 10)
    packed = gzip.compress(whole[:100]) + gzip.compress(whole[100:])
    with RawHTTP2(node.port) as raw:
        headers = raw.headers(extra=[("grpc-encoding", "gzip")])
        assert raw.call(frame_message(packed, compressed=True), headers=headers).grpc_status == OK


def test_metadata_is_ignored(node, rng):
    extra = [
        ("grpc-timeout", "10S"),
        ("grpc-accept-encoding", "identity, deflate, gzip"),
        ("user-agent", "tests"),
        ("x-anything", "1"),
        ("some-bin", "AAEC"),
        ("grpc-unknown", "x"),
    ]
    with RawHTTP2(node.port) as raw:
        assert raw.call(frame_message(body(rng)), headers=raw.headers(extra=extra)).grpc_status == OK


# --- refusals ---


@pytest.mark.parametrize(
    "path",
    [
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        f"/{TRACES}/Import",
        f"/{TRACES}/export",
        f"/{TRACES}/Export/",
        "/",
        "/v1/traces",
    ],
)
def test_unknown_methods(node, rng, path):
    with RawClient(node.port) as client:
        assert client.call(path, b"").code == grpc.StatusCode.UNIMPLEMENTED
    with RawHTTP2(node.port) as raw:
        answer = raw.call(frame_message(body(rng)), headers=raw.headers(path))
        assert answer.headers[":status"] == "200"
        assert answer.grpc_status == UNIMPLEMENTED
        assert raw.call(frame_message(body(rng))).grpc_status == OK, "the connection lives on"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods(node, method):
    with RawHTTP2(node.port) as raw:
        stream = raw.open(raw.headers(method=method), end=True)
        answer = raw.wait(stream)
        assert answer.headers.get(":status") == "405" or answer.reset is not None or answer.grpc_status, answer
        assert answer.grpc_status != OK


def test_unknown_encoding_names_the_known_ones(node, rng):
    with RawHTTP2(node.port) as raw:
        headers = raw.headers(extra=[("grpc-encoding", "zstd")])
        answer = raw.call(frame_message(body(rng), compressed=True), headers=headers)
        assert answer.grpc_status == UNIMPLEMENTED
        assert "gzip" in answer.headers["grpc-accept-encoding"]


def test_compressed_flag_without_encoding(node, rng):
    with RawHTTP2(node.port) as raw:
        packed = frame_message(gzip.compress(body(rng)), compressed=True)
        assert raw.call(packed).grpc_status == INTERNAL
        assert raw.call(packed, headers=raw.headers(extra=[("grpc-encoding", "identity")])).grpc_status == INTERNAL


def test_flag_that_does_not_exist(node, rng):
    with RawHTTP2(node.port) as raw:
        answer = raw.call(b"\x02" + frame_message(body(rng))[1:])
        assert answer.grpc_status in (INTERNAL, INVALID_ARGUMENT)


def corrupt(packed):
    return packed[:30] + bytes(b ^ 0xFF for b in packed[30:60]) + packed[60:]


@pytest.mark.parametrize(
    "spoil",
    [
        corrupt,
        lambda packed: packed[:-12],
        lambda packed: packed[:-4] + b"\0\0\0\0",
        lambda packed: packed[:-8] + b"\0\0\0\0" + packed[-4:],
        lambda packed: b"not gzip at all",
        lambda packed: b"",
        lambda packed: zlib.compress(b"zlib, not gzip"),
    ],
    ids=["flipped", "truncated", "wrong length", "wrong crc", "text", "empty", "zlib"],
)
def test_bad_gzip(node, rng, spoil):
    with RawHTTP2(node.port) as raw:
        headers = raw.headers(extra=[("grpc-encoding", "gzip")])
        packed = spoil(gzip.compress(body(rng, 10)))
        assert raw.call(frame_message(packed, compressed=True), headers=headers).grpc_status == INTERNAL
        assert raw.call(frame_message(body(rng))).grpc_status == OK


def test_declared_length_over_the_limit(node):
    """Refused after five bytes; nobody waits for the body, nobody reserves memory for it."""
    with RawHTTP2(node.port) as raw:
        for declared in ((1 << 20) + 1, 0xFFFFFFFF):
            stream = raw.open()
            raw.connection.send_data(stream, frame_message(b"", declared=declared))
            raw.flush()
            answer = raw.wait(stream)
            assert answer.grpc_status == RESOURCE_EXHAUSTED, answer


def test_message_over_the_limit(node, rng):
    big = spans.span(rng.randbytes(16), rng)
    big.attributes.append(spans.text("payload", "x" * (1 << 20)))
    with RawClient(node.port) as client:
        outcome = client.export(spans.request([big]))
        assert outcome.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert outcome.retry_delay() is None, "trying again will not make it smaller"


def test_message_just_under_the_limit(node, rng):
    big = spans.span(rng.randbytes(16), rng)
    big.attributes.append(spans.text("payload", "x" * ((1 << 20) - 400)))
    request = spans.request([big])
    assert (1 << 20) - 400 < request.ByteSize() <= 1 << 20
    with RawClient(node.port) as client:
        client.must_export(request)
        client.must_export(request, gzip=True)


def test_gzip_bomb(node):
    """A megabyte of zeros a thousand times over, in a small message."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(500)) + packer.flush()
    assert len(bomb) < 1 << 20
    before = resident(node)
    with RawHTTP2(node.port) as raw:
        headers = raw.headers(extra=[("grpc-encoding", "gzip")])
        for _ in range(5):
            answer = raw.call(frame_message(bomb, compressed=True), headers=headers)
            assert answer.grpc_status == RESOURCE_EXHAUSTED, answer
    assert resident(node) - before < 64 << 20


def resident(node):
    """Bytes of resident memory, from the kernel."""
    with open(f"/proc/{node.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def test_zero_messages(node):
    with RawHTTP2(node.port) as raw:
        assert raw.call(b"").grpc_status in (UNIMPLEMENTED, INVALID_ARGUMENT, INTERNAL, UNKNOWN)
        stream = raw.open(end=True)
        assert raw.wait(stream).grpc_status in (UNIMPLEMENTED, INVALID_ARGUMENT, INTERNAL, UNKNOWN)


@pytest.mark.parametrize("length", [1, 4, 5, 50])
def test_truncated_message(node, rng, length):
    with RawHTTP2(node.port) as raw:
        answer = raw.call(frame_message(body(rng))[:length])
        assert answer.grpc_status in (UNKNOWN, INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL), answer


def test_two_messages(node, rng):
    """A unary call has one. The answer is an error, or the first message counts; never both."""
    with RawHTTP2(node.port) as raw:
        answer = raw.call(frame_message(body(rng, 1)) * 2)
        assert answer.grpc_status in (OK, UNIMPLEMENTED, INTERNAL, INVALID_ARGUMENT), answer


def bad_protobuf():
    span = lambda content: length_delimited(1, length_delimited(2, length_delimited(2, content)))
    return {
        "random text": b"this is not protobuf",
        "length past the end": b"\x0a\x7f\x00",
        "cut off in a varint": b"\x0a\x80",
        "varint of eleven bytes": b"\x08" + b"\xff" * 10 + b"\x01",
        "field number zero": b"\x02\x01x",
        "wire type six": b"\x0e",
        "wire type seven": b"\x0f",
        "group without end": b"\x0b\x08\x01",
        "cut off in a span": span(b"\x0a\x10\x01"),
        "cut off fixed64": span(b"\x39\x01\x02"),
        "length of 2^63": b"\x0a" + encode_varint(1 << 63),
        "length of 2^32": b"\x0a" + encode_varint(1 << 32) + b"x",
        "length of 2^64 - 1 in a span": span(b"\x0a" + encode_varint((1 << 64) - 1)),
    }


@pytest.mark.parametrize("name", bad_protobuf())
def test_bad_protobuf(node, rng, name):
    with RawClient(node.port) as client:
        outcome = client.export(bad_protobuf()[name])
        assert outcome.code == grpc.StatusCode.INVALID_ARGUMENT, outcome
        client.must_export(body(rng))


def test_wrong_bytes_after_good_spans_take_nothing(node, rng):
    """A request is taken as a whole or not at all."""
    before = node.ledger()["accepted"]
    with RawClient(node.port) as client:
        assert client.export(body(rng, 5) + b"\x0a\x7f").code == grpc.StatusCode.INVALID_ARGUMENT
    assert node.ledger()["accepted"] == before


@pytest.mark.parametrize(
    "spoil",
    [
        {"trace_id": b""},
        {"trace_id": bytes(16)},
        {"trace_id": b"\x01" * 15},
        {"trace_id": b"\x01" * 17},
        {"span_id": b""},
        {"span_id": bytes(8)},
        {"span_id": b"\x01" * 7},
        {"span_id": b"\x01" * 9},
    ],
    ids=lambda s: f"{next(iter(s))} {next(iter(s.values())).hex() or 'empty'}",
)
def test_bad_ids_are_rejected_alone(node, rng, spoil):
    good = spans.trace(rng, 3)
    bad = spans.span(rng.randbytes(16), rng)
    for name, value in spoil.items():
        setattr(bad, name, value)
    before = node.ledger()["accepted"]
    with RawClient(node.port) as client:
        outcome = client.export(spans.request(good[:1] + [bad] + good[1:]))
    assert outcome.ok, outcome
    assert outcome.response.partial_success.rejected_spans == 1
    assert outcome.response.partial_success.error_message
    assert node.ledger()["accepted"] == before + 3
    until(lambda: spans.ids(good) <= node.store.ids(), 10, "the good spans")
    assert (bad.trace_id, bad.span_id) not in node.store.ids()


def test_only_bad_ids(node, rng):
    bad = [spans.span(bytes(16), rng) for _ in range(4)]
    with RawClient(node.port) as client:
        outcome = client.export(spans.request(bad))
    assert outcome.ok and outcome.response.partial_success.rejected_spans == 4, outcome


def test_refusals_are_counted(node, rng):
    before = refused(node)
    with RawClient(node.port) as client:
        client.export(b"\x0a\x7f\x00")
        client.export(spans.request([spans.span(bytes(16), rng)]))
    assert refused(node) >= before + 2


def test_error_messages_say_what_is_wrong(node):
    with RawClient(node.port) as client:
        for outcome in (client.export(b"\x0a\x7f\x00"), client.call("/no.Such/Method", b"")):
            assert len(outcome.message) > 10, outcome


def test_expired_deadline_is_no_crash(node, rng):
    with RawHTTP2(node.port) as raw:
        answer = raw.call(frame_message(body(rng)), headers=raw.headers(extra=[("grpc-timeout", "1n")]))
        assert answer.grpc_status in (OK, DEADLINE_EXCEEDED) or answer.reset is not None


def test_header_block_over_the_limit(node, rng):
    with RawHTTP2(node.port) as raw:
        stream = raw.open(raw.headers(extra=[(f"x-{i}", "y" * 1000) for i in range(200)]))
        raw.data(stream, frame_message(body(rng)), end=True)
        answer = raw.wait(stream)
        assert answer.grpc_status != OK, answer


# --- health ---


def test_health_check(node):
    with RawClient(node.port) as client:
        stub = health_pb2_grpc.HealthStub(client.channel)
        for service in ("", TRACES):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as error:
            stub.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=5)
        assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_health_watch(node):
    with RawClient(node.port) as client:
        stub = health_pb2_grpc.HealthStub(client.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=10)
        assert next(iter(watch)).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
        unknown = stub.Watch(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=10)
        assert next(iter(unknown)).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        unknown.cancel()


def test_health_list(node):
    with RawClient(node.port) as client:
        outcome = client.call("/grpc.health.v1.Health/List", b"")
        assert outcome.ok, outcome
        answer = health_pb2.HealthListResponse.FromString(outcome.response)
        assert {"", TRACES} <= set(answer.statuses)
        assert all(s.status == health_pb2.HealthCheckResponse.SERVING for s in answer.statuses.values())


def test_health_watch_sees_the_shutdown(gateway, backend):
    store = backend()
    with gateway([store], policies=NEVER) as own:
        with RawClient(own.port) as client:
            stub = health_pb2_grpc.HealthStub(client.channel)
            seen = []

            def watch():
                try:
                    for answer in stub.Watch(health_pb2.HealthCheckRequest(), timeout=20):
                        seen.append(answer.status)
                except grpc.RpcError as error:
                    seen.append(error.code())

            watcher = threading.Thread(target=watch)
            watcher.start()
            until(lambda: seen, 10, "the first answer")
            own.stop()
            watcher.join(20)
    assert seen[0] == health_pb2.HealthCheckResponse.SERVING
    assert len(seen) >= 2 and seen[1] != health_pb2.HealthCheckResponse.SERVING, seen
