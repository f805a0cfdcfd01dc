"""The commands: demo, load, sink, version; exporters that need no backend."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import spans
from harness.clients import RawClient
from harness.gateway import ERRORS, binary
from harness.program import tailgate
from harness.wait import until


def test_version():
    result = tailgate("--version")
    assert result.returncode == 0
    assert re.search(r"\d+\.\d+", result.stdout)


@pytest.mark.parametrize("command", [(), ("run",), ("validate",), ("config",), ("demo",), ("load",), ("sink",), ("probe",), ("size",), ("ring",)])
def test_help(command):
    result = tailgate(*command, "--help")
    assert result.returncode == 0
    assert "USAGE" in result.stdout and len(result.stdout.splitlines()) > 5


@pytest.mark.parametrize("arguments", [("runn",), ("run", "--no-such-option"), ("demo", "--seconds", "x")])
def test_wrong_usage(arguments):
    result = tailgate(*arguments)
    assert result.returncode == 64, result.output


@pytest.mark.slow
def test_demo():
    result = tailgate("demo", "--seconds", "5", timeout=60)
    assert result.returncode == 0, result.output
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://" in result.stdout
    last = "\n".join(result.stdout.rstrip().splitlines()[-12:]).lower()
    assert "accepted" in last and "difference" in last, last
    assert "\x1b" not in result.stdout, "no control characters when nobody looks"


def test_file_exporter_writes_otlp_json(gateway, rng, tmp_path):
    path = tmp_path / "out" / "kept.jsonl"
    path.parent.mkdir()
    kept, other = spans.trace(rng, 4, status=spans.ERROR), spans.trace(rng, 4)
    kept[1].attributes.extend(spans.key_value(rng) for _ in range(20))
    kept[2].events.add(time_unix_nano=spans.START, name="exception", attributes=[spans.text("exception.type", "E")])
    kept[2].links.add(trace_id=rng.randbytes(16), span_id=rng.randbytes(8), flags=1)
    with gateway({"file": {"path": str(path)}}, policies=ERRORS) as node, RawClient(node.port) as client:
        client.must_export(spans.request(kept + other))
        ledger = node.settle()
        assert ledger["destinations"]["file"]["sent"] == 4
    found = {}
    for line in path.read_text().splitlines():
        for resource_spans in json.loads(line)["resourceSpans"]:
            assert resource_spans["resource"]["attributes"][0]["value"]["stringValue"] == "shop"
            for scope_spans in resource_spans["scopeSpans"]:
                assert scope_spans["scope"]["name"] == "shop.http"
                for one in scope_spans["spans"]:
                    found[one["traceId"], one["spanId"]] = one
    assert found.keys() == {(s.trace_id.hex(), s.span_id.hex()) for s in kept}
    for made in kept:
        one = found[made.trace_id.hex(), made.span_id.hex()]
        assert one["name"] == made.name
        assert one.get("parentSpanId", "") == made.parent_span_id.hex()
        assert int(one["startTimeUnixNano"]) == made.start_time_unix_nano
        assert isinstance(one["startTimeUnixNano"], str), "64-bit numbers are text in protobuf's JSON"
        assert one["kind"] == 2
        assert one.get("status", {}).get("code", 0) == made.status.code
        assert len(one["attributes"]) == len(made.attributes)
        for mine, theirs in zip(made.attributes, one["attributes"]):
            assert theirs.get("key", "") == mine.key
            assert same_value(mine.value, theirs.get("value", {})), (mine, theirs)
        assert [e["name"] for e in one.get("events", [])] == [e.name for e in made.events]
        assert [l["traceId"] for l in one.get("links", [])] == [l.trace_id.hex() for l in made.links]


def same_value(value, found):
    """An AnyValue against its JSON."""
    import base64

    kind = value.WhichOneof("value")
    if kind is None:
        return found in ({}, None)
    if kind == "string_value":
        return found == {"stringValue": value.string_value}
    if kind == "bool_value":
        return found == {"boolValue": value.bool_value}
    if kind == "int_value":
        return found == {"intValue": str(value.int_value)}
    if kind == "double_value":
        return float(found["doubleValue"]) == value.double_value
    if kind == "bytes_value":
        return base64.b64decode(found["bytesValue"]) == value.bytes_value
    if kind == "array_value":
        theirs = found["arrayValue"].get("values", [])
        return len(theirs) == len(value.array_value.values) and all(map(same_value, value.array_value.values, theirs))
    theirs = found["kvlistValue"].get("values", [])
    return len(theirs) == len(value.kvlist_value.values) and all(
        m.key == t.get("key", "") and same_value(m.value, t.get("value", {}))
        for m, t in zip(value.kvlist_value.values, theirs)
    )


def test_file_exporter_without_a_folder(gateway, tmp_path):
    node = gateway({"file": {"path": str(tmp_path / "no" / "such" / "folder" / "x.jsonl")}})
    with pytest.raises(AssertionError, match="ended with"):
        node.start()
    assert node.process.returncode > 0
    assert "no/such/folder" in node.log()


def test_debug_exporter(gateway, rng):
    exporters = {"debug": {"verbosity": "detailed"}, "debug/lines": {"verbosity": "normal"}}
    with gateway(exporters) as node, RawClient(node.port) as client:
        client.must_export(spans.request(spans.trace(rng)))
        ledger = node.settle()
        assert ledger["destinations"]["debug"]["sent"] == 3
        until(lambda: '"name":"child 1"' in node.log(), 5, "the span in the log")
        until(lambda: re.search(r"child 1 [0-9a-f]{32} [0-9a-f]{16}( \S+=\S*)*", node.log()), 5, "its line")


def test_debug_exporter_writes_a_sample(gateway, rng):
    """The first message of a second, then none; all of them count as sent."""
    exporters = {"debug": {"sampling_initial": 1, "sampling_thereafter": 0}}
    changes = {"processors": {"batch": {"timeout": "1ms"}}}
    with gateway(exporters, changes=changes) as node, RawClient(node.port) as client:
        begin = time.monotonic()
        for _ in range(20):
            client.must_export(spans.request(spans.trace(rng)))
            node.wait_for_ledger(lambda l: l["buffered"] == 0)
        ledger = node.settle()
        seconds = int(time.monotonic() - begin) + 2
        assert ledger["destinations"]["debug"]["sent"] == 60
        written = sum("Traces" in line and "bytes=" in line for line in node.log().splitlines())
        assert 1 <= written <= seconds, node.log()


def test_run_without_a_configuration(tmp_path, rng):
    """The built-in default: port 4317, the default policies, what is kept in ./traces.jsonl."""
    import fcntl
    import socket

    # One test run at a time may use the well-known ports.
    lock = open(f"/tmp/tailgate-test-default-ports-{os.getuid()}", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    for port in (4317, 8888):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                pytest.skip(f"port {port} is taken on this machine")
    with open(tmp_path / "tailgate.log", "wb") as log:
        process = subprocess.Popen([binary(), "run"], cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        sent = spans.trace(rng, status=spans.ERROR)
        with RawClient(4317) as client:
            until(lambda: client.export(spans.request(sent)).ok, 20, "the gateway on 4317", every=0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    finally:
        process.kill()
        process.wait()
        lock.close()
    text = (tmp_path / "traces.jsonl").read_text()
    assert all(s.span_id.hex() in text for s in sent)
    for line in text.splitlines():
        json.loads(line)
