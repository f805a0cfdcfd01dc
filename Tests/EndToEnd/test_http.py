"""OTLP/HTTP: HTTP/1.1 and HTTP/2 on one port, protobuf and JSON, browsers, Unix sockets, IPv6, metrics and logs."""

import email.utils
import gzip
import json
import os
import socket
import subprocess
import time
import zlib

import grpc
import pytest
from google.protobuf import json_format
from google.rpc import status_pb2
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from harness import otlp_json, spans
from harness.clients import EXPORT, RawClient
from harness.gateway import pass_through
from harness.http1 import RawHTTP1, curl
from harness.ports import free_port, release
from harness.wait import until

JSON = "application/json"
PROTOBUF = "application/x-protobuf"


def small(rng, count=1):
    return spans.request(spans.trace(rng, count))


# --- clients that users have ---


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate], ids=lambda c: c.value)
def test_python_sdk(gateway, backend, compression):
    store = backend()
    with gateway([store]) as node:
        exporter = OTLPSpanExporter(f"http://127.0.0.1:{node.http_port}/v1/traces", compression=compression)
        provider = TracerProvider(resource=Resource.create({"service.name": "web"}), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=100))
        tracer = provider.get_tracer("tests")
        for index in range(200):
            with tracer.start_as_current_span("GET /") as root:
                root.set_attribute("n", index)
                with tracer.start_as_current_span("child"):
                    pass
        assert provider.force_flush(10_000)
        provider.shutdown()
        store.wait_for_spans(400)
        ledger = node.settle()
        assert ledger["accepted"] == 400
        metrics = node.metrics()
        assert metrics.value("otelcol_receiver_accepted_spans", receiver="otlp", transport="http") == 400
        assert metrics.value("otelcol_receiver_accepted_spans", receiver="otlp", transport="grpc") == 0
    assert len(store.traces()) == 200


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.parametrize("content_type", [JSON, PROTOBUF, "application/json; charset=utf-8"])
def test_curl(gateway, backend, rng, version, content_type):
    store = backend()
    with gateway([store]) as node:
        url = f"http://127.0.0.1:{node.http_port}/v1/traces"
        request = small(rng, 3)
        body = request.SerializeToString() if content_type == PROTOBUF else otlp_json.text(request, rng)
        status, answer, used = curl(url, body, version, content_type=content_type)
        assert (status, answer) == (200, b"" if content_type == PROTOBUF else b"{}")
        assert used == ("2" if "2" in version else "1.1")
        status, answer, _ = curl(url, b"{", version)
        assert status == 400
        assert json.loads(answer)["code"] == 3
        status, answer, _ = curl(url, b"\xff", version, content_type=PROTOBUF)
        assert status == 400
        assert status_pb2.Status.FromString(answer).code == 3
        store.wait_for_spans(3)


def test_curl_waits_for_100_continue(gateway, backend, rng):
    """curl asks before it sends more than a mebibyte; with an answer within its second of patience nobody waits."""
    store = backend()
    with gateway([store]) as node:
        body = small(rng, 8000).SerializeToString()
        assert len(body) > 1 << 20
        url = f"http://127.0.0.1:{node.http_port}/v1/traces"
        status, _, _ = curl(url, body, "--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "15", content_type=PROTOBUF, timeout=10)
        assert status == 200
        status, answer, _ = curl(url + "x", body, "--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "15", content_type=PROTOBUF, timeout=10)
        assert status == 404
        store.wait_for_spans(8000)


def test_grpc_on_the_http_port(gateway, backend, rng):
    store = backend()
    with gateway([store]) as node, RawClient(node.http_port) as client:
        client.must_export(small(rng, 5))
        outcome = client.call("/a.B/C")
        assert outcome.code == grpc.StatusCode.UNIMPLEMENTED
        store.wait_for_spans(5)
        assert node.metrics().value("otelcol_receiver_accepted_spans", transport="http") == 5


# --- JSON ---


def test_json_means_what_the_protobuf_library_says(gateway, backend, rng):
    """Random requests, written as JSON by the protobuf library, arrive as the same spans that went in."""
    store = backend()
    sent = []
    with gateway([store]) as node, RawHTTP1(node.http_port) as client:
        for _ in range(60):
            request = spans.rich_request(rng)
            sent += [s for r in request.resource_spans for c in r.scope_spans for s in c.spans]
            reply = client.post(otlp_json.text(request, rng), content_type=JSON)
            assert (reply.status, reply.body) == (200, b"{}")
        store.wait_for_spans(len(sent))
        node.settle()
    store.assert_exactly(sent)
    arrived = {(s.trace_id, s.span_id): s for s in store.spans()}
    for span in sent:
        assert json_format.MessageToDict(arrived[(span.trace_id, span.span_id)]) == json_format.MessageToDict(span)


def test_json_keys_twice_and_late(gateway, backend):
    store = backend()
    text = """
        {"resourceSpans": [{
          "scopeSpans": [{"spans": [{
            "name": "first", "traceId": "0102030405060708090A0B0C0D0E0F10", "spanId": "0102030405060708", "kind": 2,
            "attributes": [{"key": "a", "value": {"intValue": 9007199254740993}}], "name": "last", "kind": "SPAN_KIND_CLIENT",
            "attributes": [{"key": "b", "value": {"intValue": "-1", "stringValue": "wins \\ud83d\\ude00"}}],
            "startTimeUnixNano": 1.7e18, "endTimeUnixNano": "1700000000000000001"
          }], "scope": {"name": "late"}}],
          "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "late too"}}]}
        }]}"""
    with gateway([store]) as node, RawHTTP1(node.http_port) as client:
        assert client.post(text.encode(), content_type=JSON).status == 200
        store.wait_for_spans(1)
    request = store.requests()[0].message.resource_spans[0]
    assert request.resource.attributes[0].value.string_value == "late too"
    assert request.scope_spans[0].scope.name == "late"
    (span,) = store.spans()
    assert (span.name, span.kind) == ("last", 3)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1_700_000_000_000_000_000, 1_700_000_000_000_000_001)
    assert [a.key for a in span.attributes] == ["a", "b"]
    assert span.attributes[0].value.int_value == 9007199254740993
    assert span.attributes[1].value.string_value == "wins \U0001f600"


def test_json_partial_success(gateway, backend, rng):
    store = backend()
    request = small(rng, 2)
    request.resource_spans[0].scope_spans[0].spans[0].span_id = b"\0" * 8
    with gateway([store]) as node, RawHTTP1(node.http_port) as client:
        reply = client.post(otlp_json.text(request, rng), content_type=JSON)
        assert reply.status == 200
        answer = json_format.Parse(reply.body, ExportTraceServiceResponse())
        assert answer.partial_success.rejected_spans == 1
        store.wait_for_spans(1)


# --- HTTP/1.1 on the wire ---


def test_codings(gateway, backend, rng):
    store = backend()
    raw = zlib.compressobj(6, zlib.DEFLATED, -15)
    with gateway([store]) as node, RawHTTP1(node.http_port) as client:
        for name, code in (
            ("gzip", gzip.compress),
            ("deflate", zlib.compress),
            ("deflate", lambda body: raw.compress(body) + raw.flush()),
            ("identity", bytes),
        ):
            reply = client.post(code(small(rng).SerializeToString()), Content_Encoding=name)
            assert reply.status == 200, name
        for name in ("zstd", "br", "gzip, gzip"):
            reply = client.post(b"x", Content_Encoding=name)
            assert reply.status == 415 and reply.fields["accept-encoding"] == "gzip, deflate, identity"
        assert client.post(b"no gzip", Content_Encoding="gzip").status == 400
        bomb = gzip.compress(bytes(80 << 20), 9)
        assert client.post(bomb, Content_Encoding="gzip").status == 413
        store.wait_for_spans(4)
        metrics = node.metrics()
        assert metrics.value("tailgate_refused_requests", reason="unsupported_encoding") == 3
        assert metrics.value("tailgate_refused_requests", reason="corrupt_encoding") == 1
        assert metrics.value("tailgate_refused_requests", reason="inflated_too_large") == 1


def test_what_compresses_very_well_is_taken(gateway, backend, rng):
    """Spans that all carry the same stack trace shrink to a few hundredths of a hundredth; they are no bomb."""
    store = backend()
    trace = spans.trace(rng, 180)
    for span in trace:
        span.attributes.add(key="exception.stacktrace").value.string_value = "at shop.Checkout.pay(Checkout.java:42)\n" * 500
    body = spans.request(trace).SerializeToString()
    packed = gzip.compress(body, 9)
    assert 3 << 20 < len(body) < 4 << 20 and len(body) > 100 * len(packed)
    with gateway([store]) as node, RawHTTP1(node.http_port) as client, RawClient(node.port) as grpc_client:
        assert client.post(packed, Content_Encoding="gzip").status == 200
        assert grpc_client.export(body, gzip=True).ok
        store.wait_for_spans(360)
        bomb = gzip.compress(body * 5, 9)
        reply = client.post(bomb, Content_Encoding="gzip")
        assert reply.status == 413 and reply.fields["connection"] == "close"
        assert b"max_inflation_ratio" in reply.body
        assert node.metrics().value("tailgate_refused_requests", reason="inflated_too_large") == 1


def test_fewer_codings_and_own_headers(gateway, backend, rng):
    """`compression_algorithms` and `response_headers` of the Collector's HTTP server."""
    store = backend()
    http = {"compression_algorithms": ["gzip"], "response_headers": {"X-Site": "berlin 1", "Strict-Transport-Security": "max-age=60"}}
    with gateway([store], changes={"receivers": {"otlp": {"protocols": {"http": http}}}}) as node:
        with RawHTTP1(node.http_port) as client:
            body = small(rng).SerializeToString()
            taken = client.post(gzip.compress(body), Content_Encoding="gzip")
            assert taken.status == 200 and taken.fields["x-site"] == "berlin 1"
            for reply in (client.post(body), client.post(zlib.compress(body), Content_Encoding="deflate")):
                assert reply.status == 415 and reply.fields["accept-encoding"] == "gzip"
                assert reply.fields["strict-transport-security"] == "max-age=60"
        done = subprocess.run(
            ["curl", "-s", "-D", "-", "--http2-prior-knowledge", "-X", "POST", f"http://127.0.0.1:{node.http_port}/v1/traces"],
            capture_output=True, text=True, timeout=20)
        assert "x-site: berlin 1" in done.stdout
        store.wait_for_spans(1)


def test_answers_have_a_date(gateway, backend, rng):
    """RFC 9110 §6.6.1, in both versions of HTTP and from the admin endpoint."""
    with gateway([backend()]) as node:
        with RawHTTP1(node.http_port) as client:
            replies = [
                client.post(small(rng).SerializeToString()), client.post(b"{", content_type=JSON), client.post(b"", "/nothing"),
                client.post(b"", content_type="text/plain"), client.post(b"x", Content_Encoding="br"),
            ]
            assert [reply.status for reply in replies] == [200, 400, 404, 415, 415]
            dates = [reply.fields["date"] for reply in replies]
        done = subprocess.run(
            ["curl", "-s", "-D", "-", "-o", "/dev/null", "--http2-prior-knowledge", f"http://127.0.0.1:{node.http_port}/v1/traces"],
            capture_output=True, text=True, timeout=20)
        dates += [line.split(": ", 1)[1].strip() for line in done.stdout.splitlines() if line.lower().startswith("date: ")]
        dates.append(node.http("/healthz")[2]["date"])
        assert len(dates) == 7
        for date in dates:
            moment = email.utils.parsedate_to_datetime(date)
            assert date.endswith(" GMT") and abs(moment.timestamp() - time.time()) < 30


def test_chunks_and_pipelines(gateway, backend, rng):
    store = backend()
    with gateway([store]) as node, RawHTTP1(node.http_port) as client:
        sent = 0
        for _ in range(20):
            bodies = [small(rng, 3).SerializeToString() for _ in range(5)]
            data = b""
            for body in bodies:
                cut = rng.randrange(1, len(body))
                data += b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nTransfer-Encoding: chunked\r\n\r\n"
                for piece in (body[:cut], body[cut:]):
                    data += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
                data += b"0\r\n\r\n"
            cut = rng.randrange(len(data))
            client.send(data[:cut])
            client.send(data[cut:])
            assert [client.reply().status for _ in bodies] == [200] * 5
            sent += 15
        store.wait_for_spans(sent)


MALFORMED = {
    "nothing like HTTP": b"\0\1\2\3\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "no host": b"POST /v1/traces HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "space before the colon": b"POST /v1/traces HTTP/1.1\r\nHost : x\r\n\r\n",
    "folded line": b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\nContent-Length : 0\r\n\r\n",
    "bad chunk length": b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "huge chunk length": b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n",
    "line feeds in a field": b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    "version": b"POST /v1/traces HTTP/3.7\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_end_their_connection_only(gateway, backend, rng, name):
    store = backend()
    with gateway([store]) as node, RawHTTP1(node.http_port) as honest:
        assert honest.post(small(rng).SerializeToString()).status == 200
        with RawHTTP1(node.http_port) as client:
            client.send(MALFORMED[name])
            if name == "TLS":
                # Told by its first byte, and counted as what it is.
                assert client.is_closed()
                assert node.metrics().value("tailgate_tls_handshake_failures", reason="tls_on_plain_port") == 1
                return
            reply = client.reply()
            assert 400 <= reply.status < 500 and reply.fields["connection"] == "close"
            assert client.is_closed()
        assert honest.post(small(rng).SerializeToString()).status == 200
        store.wait_for_spans(2)


def test_large_uploads_get_their_answer(gateway, backend, rng):
    """The client may write the whole body before it reads: the answer must still be there."""
    store = backend()
    limit = {"receivers": {"otlp": {"protocols": {"http": {"max_request_body_size": 1 << 20}}}}}
    with gateway([store], changes=limit) as node:
        for body in (bytes(8 << 20), bytes((1 << 20) + 1)):
            with RawHTTP1(node.http_port) as client:
                try:
                    reply = client.post(body)
                except (BrokenPipeError, ConnectionResetError):
                    reply = client.reply()
                assert reply.status == 413
        with RawHTTP1(node.http_port) as client:
            assert client.post(bytes(1 << 20)).status == 400
            assert client.post(small(rng).SerializeToString()).status == 200
        store.wait_for_spans(1)


def test_slow_senders_are_cut_off(gateway, backend, rng):
    store = backend()
    limits = {"read_header_timeout": "1s", "read_timeout": "1s", "idle_timeout": "2s"}
    with gateway([store], changes={"receivers": {"otlp": {"protocols": {"http": limits}}}}) as node:
        with RawHTTP1(node.http_port) as silent, RawHTTP1(node.http_port) as slow, RawHTTP1(node.http_port) as idle:
            slow.send(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{")
            assert idle.post(small(rng).SerializeToString()).status == 200
            assert slow.reply().status == 503
            assert slow.is_closed() and silent.is_closed() and idle.is_closed()
        metrics = node.metrics()
        assert metrics.value("tailgate_connections_closed", reason="too_slow") == 2
        assert metrics.value("tailgate_connections_closed", reason="idle") == 1
        store.wait_for_spans(1)


@pytest.mark.slow
def test_random_bytes(gateway, backend, rng):
    """Whatever comes, the node lives, keeps its books and its memory."""
    store = backend()
    pieces = [
        b"POST ", b"GET ", b"/v1/traces", b" HTTP/1.1\r\n", b"Host: x\r\n", b"Content-Length: ", b"5", b"\r\n", b"\r\n\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Content-Type: application/json\r\n", b"Content-Encoding: gzip\r\n", b"Expect: 100-continue\r\n", b"{\"resourceSpans\":[", b"0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), b"Connection: close\r\n",
    ]
    with gateway([store]) as node:
        for _ in range(400):
            data = b"".join(rng.choice(pieces) if rng.random() < 0.9 else rng.randbytes(rng.randrange(1, 30)) for _ in range(rng.randrange(1, 30)))
            with RawHTTP1(node.http_port) as client:
                try:
                    client.send(data)
                    client.socket.shutdown(socket.SHUT_WR)
                    client.socket.settimeout(2)
                    while client.socket.recv(1 << 16):
                        pass
                except OSError:
                    pass
        until(lambda: node.metrics().value("tailgate_connections") == 0, 20, lambda: "all connections to be closed")
        with RawHTTP1(node.http_port) as client:
            assert client.post(small(rng).SerializeToString()).status == 200
        store.wait_for_spans(1)


def test_shutdown_answers_what_is_under_way(gateway, backend, rng):
    store = backend()
    body = small(rng, 4).SerializeToString()
    with gateway([store]) as node, RawHTTP1(node.http_port) as client:
        head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\nContent-Length: {len(body)}\r\n\r\n"
        client.send(head.encode() + body[:10])
        until(lambda: node.metrics().value("tailgate_streams") == 1, 10, lambda: "the request")
        node.signal()
        until(lambda: node.http("/readyz")[0] != 200, 10, lambda: "the shutdown")
        client.send(body[10:])
        reply = client.reply()
        assert reply.status in (200, 503), reply
        assert node.wait() == 0
        if reply.status == 200:
            assert len(store.spans()) == 4


# --- browsers ---


def test_cors(gateway, backend, rng):
    store = backend()
    cors = {"allowed_origins": ["https://*.shop.test", "http://localhost:*"], "allowed_headers": ["X-Token"], "max_age": 600}
    with gateway([store], changes={"receivers": {"otlp": {"protocols": {"http": {"cors": cors}}}}}) as node:
        with RawHTTP1(node.http_port) as client:

            def ask(origin, headers="content-type,x-token"):
                client.send(
                    f"OPTIONS /v1/traces HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n"
                    f"Access-Control-Request-Headers: {headers}\r\n\r\n".encode()
                )
                return client.reply()

            yes = ask("https://www.shop.test")
            assert yes.status == 204
            assert yes.fields["access-control-allow-origin"] == "https://www.shop.test"
            assert yes.fields["access-control-allow-methods"] == "POST"
            assert yes.fields["access-control-allow-headers"] == "content-type, x-token"
            assert yes.fields["access-control-max-age"] == "600"
            assert ask("http://localhost:3000").fields["access-control-allow-origin"] == "http://localhost:3000"
            for no in (ask("https://evil.test"), ask("https://www.shop.test", "x-other"), ask("https://shop.test.evil")):
                assert no.status == 204 and "access-control-allow-origin" not in no.fields or "access-control-allow-methods" not in no.fields
            sent = client.post(otlp_json.text(small(rng), rng), content_type=JSON, Origin="https://www.shop.test")
            assert sent.status == 200 and sent.fields["access-control-allow-origin"] == "https://www.shop.test"
            broken = client.post(b"{", content_type=JSON, Origin="https://www.shop.test")
            assert broken.status == 400 and broken.fields["access-control-allow-origin"] == "https://www.shop.test"
        store.wait_for_spans(1)


# --- where it listens ---


def test_unix_sockets(gateway, backend, rng, tmp_path):
    store = backend()
    http, rpc = tmp_path / "http.sock", tmp_path / "grpc.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(http))
    stale.close()
    changes = {
        "receivers": {
            "otlp/local": {
                "protocols": {
                    "grpc": {"transport": "unix", "endpoint": str(rpc)},
                    "http": {"transport": "unix", "endpoint": str(http)},
                }
            }
        },
        "service": {"pipelines": {"traces": {"receivers": ["otlp", "otlp/local"]}}},
    }
    with gateway([store], changes=changes) as node:
        status, _, _ = curl("http://x/v1/traces", otlp_json.text(small(rng), rng), "--unix-socket", str(http))
        assert status == 200
        with grpc.insecure_channel(f"unix:{rpc}") as channel:
            channel.unary_unary(EXPORT)(small(rng).SerializeToString(), timeout=10)
        store.wait_for_spans(2)
        metrics = node.metrics()
        assert metrics.value("otelcol_receiver_accepted_spans", receiver="otlp/local", transport="http") == 1
        assert metrics.value("otelcol_receiver_accepted_spans", receiver="otlp/local", transport="grpc") == 1
    assert not http.exists() and not rpc.exists()


def test_a_unix_socket_in_use_is_left_alone(gateway, backend, tmp_path):
    path = tmp_path / "live.sock"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        node = gateway([backend()], changes={"receivers": {"otlp": {"protocols": {"http": {"transport": "unix", "endpoint": str(path)}}}}})
        with pytest.raises(AssertionError, match="another process answers there"):
            node.start()
        assert path.exists()


@pytest.mark.skipif(not os.path.exists("/proc/net/if_inet6"), reason="this machine has no IPv6")
def test_ipv6_takes_both(gateway, backend, rng):
    store = backend()
    port = free_port()
    changes = {"receivers": {"otlp": {"protocols": {"http": {"endpoint": f"[::]:{port}"}}}}}
    with gateway([store], changes=changes):
        for host in ("127.0.0.1", "::1"):
            with RawHTTP1(port, host) as client:
                assert client.post(small(rng).SerializeToString()).status == 200
        store.wait_for_spans(2)
    release(port)


def test_several_receivers_have_settings_of_their_own(gateway, backend, rng):
    store = backend()
    port = free_port()
    changes = {
        "receivers": {
            "otlp/public": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}", "traces_url_path": "in", "max_request_body_size": 50}}}
        },
        "service": {"pipelines": {"traces": {"receivers": ["otlp", "otlp/public"]}}},
    }
    body = small(rng).SerializeToString()
    with gateway([store], changes=changes) as node:
        with RawHTTP1(port) as public, RawHTTP1(node.http_port) as internal:
            assert public.post(b"").status == 404
            assert public.post(b"", "/in").status == 200
            assert public.post(body, "/in").status == 413
            assert internal.post(body).status == 200
        store.wait_for_spans(1)
        metrics = node.metrics()
        assert metrics.value("otelcol_receiver_accepted_spans", receiver="otlp/public") == 0
        assert metrics.value("otelcol_receiver_accepted_spans", receiver="otlp") == 1
    release(port)


# --- metrics and logs ---


def metrics_request(rng):
    """Every kind of metric, with values that need all of their bits."""
    made = ExportMetricsServiceRequest()
    for _ in range(rng.randrange(1, 3)):
        resource = made.resource_metrics.add(schema_url="https://schema")
        resource.resource.attributes.append(spans.text("service.name", "shop \u20ac"))
        scope = resource.scope_metrics.add()
        scope.scope.name = "meter"
        for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
            metric = scope.metrics.add(name=kind, unit="1", description="d")
            metric.metadata.append(spans.text("k", "v"))
            data = getattr(metric, kind)
            if kind in ("sum", "histogram", "exponential_histogram"):
                data.aggregation_temporality = rng.randrange(3)
            if kind == "sum":
                data.is_monotonic = True
            point = data.data_points.add(start_time_unix_nano=rng.getrandbits(64), time_unix_nano=rng.getrandbits(64), flags=rng.getrandbits(32))
            point.attributes.append(spans.number("n", -rng.getrandbits(63)))
            if kind in ("gauge", "sum"):
                if rng.random() < 0.5:
                    point.as_int = rng.choice([0, -5, 2**63 - 1, -(2**63)])
                else:
                    point.as_double = rng.choice([0.0, 0.1, -1e300, float("inf"), rng.random()])
                point.exemplars.add(as_int=7, span_id=rng.randbytes(8), trace_id=rng.randbytes(16), time_unix_nano=5)
            else:
                point.count = rng.getrandbits(64)
                point.sum = rng.random()
            if kind == "histogram":
                point.bucket_counts.extend(rng.getrandbits(64) for _ in range(4))
                point.explicit_bounds.extend([0.0, 1.5, 1e9])
                point.min, point.max = 0.0, 2.0
            if kind == "exponential_histogram":
                point.scale = rng.randrange(-10, 20)
                point.positive.offset = -(2**31)
                point.positive.bucket_counts.extend(rng.getrandbits(60) for _ in range(3))
                point.zero_count, point.zero_threshold = 3, 0.25
            if kind == "summary":
                point.quantile_values.add(quantile=0.5, value=3.25)
    return made


def logs_request(rng):
    made = ExportLogsServiceRequest()
    scope = made.resource_logs.add().scope_logs.add()
    for severity in range(0, 25):
        record = scope.log_records.add(
            time_unix_nano=rng.getrandbits(64), observed_time_unix_nano=rng.getrandbits(64), severity_number=severity, severity_text="S",
            trace_id=rng.randbytes(16), span_id=rng.randbytes(8), flags=rng.getrandbits(32), dropped_attributes_count=rng.getrandbits(32), event_name="e",
        )
        record.body.CopyFrom(spans.any_value(rng))
        record.attributes.append(spans.key_value(rng))
    return made


def plain(message):
    """A message as text that is the same for equal messages."""
    return json_format.MessageToJson(message, sort_keys=True)


@pytest.mark.parametrize("signal, make", [("metrics", metrics_request), ("logs", logs_request)])
def test_metrics_and_logs_are_passed_on(gateway, backend, rng, signal, make):
    traces, others = backend(), backend()
    service = {"metrics": "metrics.v1.MetricsService", "logs": "logs.v1.LogsService"}[signal]
    changes = pass_through(others)
    requests = [make(rng) for _ in range(30)]
    with gateway([traces], changes=changes) as node, RawHTTP1(node.http_port) as http, RawClient(node.port) as client:
        for number, request in enumerate(requests):
            body = request.SerializeToString()
            match number % 4:
                case 0:
                    outcome = client.call(f"/opentelemetry.proto.collector.{service}/Export", body, gzip=number % 8 == 0)
                    assert outcome.ok and outcome.response == b""
                case 1:
                    assert http.post(body, f"/v1/{signal}").status == 200
                case 2:
                    assert http.post(gzip.compress(body), f"/v1/{signal}", Content_Encoding="gzip").status == 200
                case 3:
                    reply = http.post(otlp_json.text(request, rng), f"/v1/{signal}", JSON)
                    assert (reply.status, reply.body) == (200, b"{}")
        until(lambda: len(others.passed_on[signal]) == 30, 20, lambda: f"30 requests, has {len(others.passed_on[signal])}")
        # What came as protobuf goes out byte by byte; what came as JSON means the same. Two workers keep no common order.
        got = others.passed_on[signal]
        for number, sent in enumerate(requests):
            if number % 4 < 3:
                assert sent.SerializeToString() in got
        assert sorted(plain(type(requests[0]).FromString(one)) for one in got) == sorted(plain(one) for one in requests)
        assert http.post(b"\x0a\xff", f"/v1/{signal}").status == 400
        metrics = node.metrics()
        assert metrics.value("tailgate_passed_on_sent_requests", exporter="otlp/m", signal=signal) == 30
        assert node.ledger()["accepted"] == 0
    assert not traces.requests()


def test_metrics_and_logs_without_a_pipeline_are_refused(gateway, backend):
    with gateway([backend()]) as node, RawHTTP1(node.http_port) as http, RawClient(node.port) as client:
        assert http.post(b"", "/v1/metrics").status == 404
        assert http.post(b"", "/v1/logs").status == 404
        assert http.post(b"", "/v1development/profiles").status == 404
        for service in ("metrics.v1.MetricsService", "logs.v1.LogsService", "profiles.v1development.ProfilesService"):
            assert client.call(f"/opentelemetry.proto.collector.{service}/Export").code == grpc.StatusCode.UNIMPLEMENTED


def test_metrics_wait_for_their_backend(gateway, backend, rng):
    """The queue of metrics is its own: traces go on while metrics wait, and metrics arrive in the end."""
    traces, others = backend(), backend(started=False)
    changes = pass_through(others)
    with gateway([traces], changes=changes) as node, RawHTTP1(node.http_port) as http:
        for _ in range(10):
            assert http.post(metrics_request(rng).SerializeToString(), "/v1/metrics").status == 200
            assert http.post(small(rng).SerializeToString()).status == 200
        traces.wait_for_spans(10)
        others.start()
        until(lambda: len(others.passed_on["metrics"]) == 10, 30, lambda: "the metrics")
