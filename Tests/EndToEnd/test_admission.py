"""Who gets in when there is not enough for all: memory that is only announced, file descriptors."""

import http.client
import resource
import socket
import time

import pytest
import yaml

from harness import spans
from harness.clients import RawClient
from harness.gateway import ALWAYS
from harness.http2 import RawHTTP2
from harness.wait import until


def limited(mebibytes=200):
    return {
        "processors": {"memory_limiter": {"check_interval": "1s", "limit_mib": mebibytes}},
        "service": {"pipelines": {"traces": {"processors": ["memory_limiter", "tail_sampling", "batch"]}}},
    }


# --- memory by announcement ---


def test_announced_messages_keep_nobody_out(gateway, backend, rng):
    """Each of a hundred streams announces 50 MiB and sends 5 bytes; somebody else's requests are taken all the same."""
    store = backend()
    sent = []
    with gateway([store], policies=ALWAYS, changes=limited()) as node, RawClient(node.port) as client:
        announcers = [RawHTTP2(node.port) for _ in range(4)]
        begin = time.monotonic()
        while time.monotonic() < begin + 4:
            for raw in announcers:
                if len(raw.answers) < 60:
                    for _ in range(15):
                        raw.data(raw.open(), b"\0" + (50 << 20).to_bytes(4, "big"))
            trace = spans.trace(rng)
            outcome = client.export(spans.request(trace))
            assert outcome.ok, outcome
            sent += trace
        assert len(sent) > 20
        assert node.metrics().value("tailgate_memory_used_bytes") < 100 << 20
        for raw in announcers:
            raw.socket.close()
    store.assert_exactly(sent)


def test_half_sent_bodies_over_http_keep_nobody_out(gateway, backend, rng):
    """The same for a Content-Length, and for a body of which a part came."""
    store = backend()
    sent = []
    with gateway([store], policies=ALWAYS, changes=limited()) as node, RawClient(node.port) as client:
        slow = []
        for _ in range(20):
            one = socket.create_connection(("127.0.0.1", node.http_port), timeout=10)
            head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: {40 << 20}\r\n\r\n"
            one.sendall(head.encode() + b"\n" * 70_000)
            slow.append(one)
        for _ in range(20):
            trace = spans.trace(rng)
            outcome = client.export(spans.request(trace))
            assert outcome.ok, outcome
            sent += trace
        for one in slow:
            one.close()
    store.assert_exactly(sent)


def test_what_can_never_fit_is_refused_for_good(gateway, backend, rng):
    """A client that is told to come back with it would do so for ever."""
    with gateway([backend()], policies=ALWAYS, changes=limited(100)) as node:
        with RawHTTP2(node.port) as raw:
            stream = raw.open()
            raw.data(stream, b"\0" + (60 << 20).to_bytes(4, "big"))
            answer = raw.wait(stream)
            assert answer.grpc_status == 8 and "when idle" in answer.grpc_message, answer
        connection = http.client.HTTPConnection("127.0.0.1", node.http_port, timeout=10)
        connection.putrequest("POST", "/v1/traces")
        connection.putheader("Content-Type", "application/x-protobuf")
        connection.putheader("Content-Length", str(60 << 20))
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()
        assert node.metrics().value("tailgate_refused_requests", reason="exceeds_memory") == 2


# --- file descriptors ---


@pytest.mark.slow
def test_few_file_descriptors(gateway, backend, rng):
    """With 256 descriptors, clients that want more than there are leave exporters, files and the admin endpoint theirs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    store = backend()
    sent, held = [], []
    with gateway([store], policies=ALWAYS, launcher=("prlimit", "--nofile=256:256", "--")) as node:
        assert "limit of 256 file descriptors" in node.log()
        try:
            with RawClient(node.port) as client:
                trace = spans.trace(rng)
                client.must_export(spans.request(trace))
                sent += trace
                for _ in range(400):
                    held.append(socket.create_connection(("127.0.0.1", node.port), timeout=10))
                    held.append(socket.create_connection(("127.0.0.1", node.admin_port), timeout=10))
                    held[-1].sendall(b"GET /metr")
                until(lambda: node.metrics().value("tailgate_connections_refused", reason="total") > 100, 10, "refusals")
                # The exporter's connection is made anew beside all that.
                store.stop()
                store.start()
                for _ in range(5):
                    trace = spans.trace(rng)
                    client.must_export(spans.request(trace))
                    sent += trace
                until(lambda: len(store.spans()) >= len(sent), 20, "what was exported meanwhile")
                until(lambda: node.metrics().value("process_open_fds") < 250, 5, "some descriptors left")
                node.config["processors"]["tail_sampling"]["decision_wait"] = "200ms"
                node.config_path.write_text(yaml.safe_dump(node.config))
                until(lambda: node.metrics().value("tailgate_policy_reloads", result="ok") >= 1, 15, "a reload")
        finally:
            for one in held:
                one.close()
    store.assert_exactly(sent)
