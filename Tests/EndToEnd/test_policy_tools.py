"""The `policy` commands and `explain`: what they print, their exit codes, and that a plan decides as a node does."""

import gzip
import http.server
import json
import random
import re
import threading

import jsonschema
import pytest
import yaml

from harness import spans
from harness.clients import RawClient
from harness.gateway import ROOT
from harness.program import tailgate
from harness.wait import until

POLICIES = ROOT / "Policies"
FILES = sorted(POLICIES.glob("*.yaml"))


def write(folder, name, text):
    path = folder / name
    path.write_text(text if isinstance(text, str) else yaml.safe_dump(text, sort_keys=False))
    return path


ERRORS = {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}}
SHARE = {"name": "share", "type": "probabilistic", "probabilistic": {"sampling_percentage": 30}}
TESTS = [
    {"name": "errors are kept", "trace": [{"status": "ERROR"}], "expect": {"decision": "sampled", "policy": "errors"}},
    {"name": "wrong", "trace": [{"status": "OK"}], "expect": {"decision": "sampled"}},
]


@pytest.mark.parametrize("command", ["test", "lint", "plan", "record", "import"])
def test_help(command):
    result = tailgate("policy", command, "--help")
    assert result.returncode == 0 and "USAGE" in result.stdout
    assert "schema" not in tailgate("policy", "--help").stdout.replace("schema.json", "")


# --- files ---


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_policy_files_follow_the_schema(path):
    schema = json.loads((POLICIES / "policy.schema.json").read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text()), schema, cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize(
    "text",
    [
        "{policies: [{name: a, type: latancy}]}",
        "{policies: [{name: a, type: latency, latency: {threshold: 5}}]}",
        "{policies: [{type: always_sample}]}",
        "{policies: [], tsets: []}",
        "{policies: [], tests: [{name: a, trace: [{statsu: OK}], expect: {kept: 1}}]}",
        "{policies: [], tests: [{name: a, trace: [{}]}]}",
    ],
)
def test_the_schema_finds_mistakes(text):
    schema = json.loads((POLICIES / "policy.schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema, cls=jsonschema.Draft7Validator)


def test_the_schema_is_current():
    assert tailgate("policy", "schema").stdout == (POLICIES / "policy.schema.json").read_text()
    assert tailgate("policy", "schema", "--format", "markdown").stdout in (POLICIES / "README.md").read_text()


# --- test ---


def test_the_policy_files_pass_their_tests():
    result = tailgate("policy", "test", *FILES, timeout=120)
    assert result.returncode == 0, result.output
    assert "✗" not in result.stdout and "\x1b" not in result.stdout


def test_failing_tests(tmp_path):
    path = write(tmp_path, "p.yaml", {"policies": [ERRORS], "tests": TESTS})
    result = tailgate("policy", "test", path)
    assert result.returncode == 1, result.output
    assert "✓ errors are kept" in result.stdout and "✗ wrong" in result.stdout
    assert "expected  sampled" in result.stdout and "actual    not sampled" in result.stdout
    assert re.search(r"errors\s+status_code\s+not sampled", result.stdout)
    assert "2 tests: 1 passed, 1 failed" in result.stdout
    quiet = tailgate("policy", "test", "--quiet", path).stdout
    assert "✓" not in quiet and "✗ wrong" in quiet


def test_formats(tmp_path):
    import xml.etree.ElementTree as tree

    path = write(tmp_path, "p.yaml", {"policies": [ERRORS], "tests": TESTS})
    result = tailgate("policy", "test", path, "--format", "junit")
    assert result.returncode == 1
    cases = list(tree.fromstring(result.stdout).iter("testcase"))
    assert [c.get("name") for c in cases] == ["errors are kept", "wrong"]
    assert [c.find("failure") is not None for c in cases] == [False, True]
    found = json.loads(tailgate("policy", "test", path, "--format", "json").stdout)
    assert (found["passed"], found["failed"]) == (1, 1)
    assert found["files"][0]["tests"][1]["failures"][0]["actual"] == "not sampled"


@pytest.mark.parametrize(
    "text, message",
    [
        ("policies: [", "this is not valid YAML"),
        ("policies: [{name: a, type: latancy}]", "did you mean `latency`?"),
        ("receivers: {}", "no policies are to be found here"),
        ("{policies: [], tests: [{name: a, trace: [{dration_ms: 5}], expect: {kept: 0}}]}", "did you mean `duration_ms`?"),
        ("", "the file is empty"),
    ],
)
def test_files_that_can_not_be_used(tmp_path, text, message):
    path = write(tmp_path, "p.yaml", text)
    for command in ["test", "lint"]:
        result = tailgate("policy", command, path)
        if command == "lint" and "tests" in text:
            continue  # the tests are read by `test` only
        assert result.returncode == 64, result.output
        assert message in result.output and re.search(r"p.yaml:[12]:\d+: ", result.output)
    missing = tailgate("policy", "test", tmp_path / "none.yaml")
    assert missing.returncode == 64 and "there is no such file" in missing.output


# --- lint ---


def test_lint(tmp_path):
    path = write(tmp_path, "p.yaml", {"policies": [{"name": "slow", "type": "latency", "latency": {}}, ERRORS]})
    result = tailgate("policy", "lint", path)
    assert result.returncode == 0, result.output
    assert "[keeps-everything]" in result.stdout and "[shadowed]" in result.stdout and "status is ERROR" in result.stdout
    assert tailgate("policy", "lint", "--strict", path).returncode == 1
    assert tailgate("policy", "lint", "--strict", "--ignore", "keeps-everything,shadowed", path).returncode == 0
    assert "[no-tests]" not in tailgate("policy", "lint", "--quiet", path).stdout
    found = json.loads(tailgate("policy", "lint", "--format", "json", path).stdout)
    assert {f["rule"] for f in found["findings"]} >= {"keeps-everything", "shadowed", "no-tests"}
    unknown = tailgate("policy", "lint", "--ignore", "shadwed", path)
    assert unknown.returncode == 64 and "did you mean shadowed?" in unknown.output
    dropping = write(tmp_path, "d.yaml", {"policies": [{"name": "d", "type": "drop", "drop": {"drop_sub_policy": []}}]})
    assert tailgate("policy", "lint", dropping).returncode == 1
    assert "shadowed" in tailgate("policy", "lint", "--rules").stdout


def test_the_policy_files_have_no_warnings_but_known_ones():
    found = json.loads(tailgate("policy", "lint", "--format", "json", *FILES).stdout)
    assert found["errors"] == 0
    assert {f["rule"] for f in found["findings"] if f["level"] == "warning"} <= {"configuration"}


# --- import ---


def test_import(tmp_path):
    collector = {
        "processors": {
            "tail_sampling": {"decision_wait": "10s", "num_traces": 5, "policies": [ERRORS, SHARE]},
            "probabilistic_sampler": {"sampling_percentage": 5},
        }
    }
    result = tailgate("policy", "import", write(tmp_path, "otel.yaml", collector))
    assert result.returncode == 0, result.output
    assert "probabilistic_sampler" in result.stderr and "# " in result.stdout
    made = write(tmp_path, "made.yaml", result.stdout)
    assert tailgate("policy", "test", made).returncode == 0
    assert [p["name"] for p in yaml.safe_load(result.stdout)["policies"]] == ["errors", "share"]
    unknown = tailgate("policy", "import", write(tmp_path, "x.yaml", "a: 1"))
    assert unknown.returncode == 64 and "neither a Collector configuration" in unknown.stderr
    collector["processors"]["tail_sampling"]["policies"].append({"name": "x", "type": "odd_extension"})
    partial = tailgate("policy", "import", write(tmp_path, "otel2.yaml", collector))
    assert partial.returncode == 1 and "missing" in partial.stderr


# --- plan ---


def make_traces(rng, count):
    return [
        spans.trace(rng, rng.randrange(1, 6), status=spans.ERROR if rng.random() < 0.1 else 0) for _ in range(count)
    ]


def recording(path, traces):
    """OTLP JSON lines as the `file` exporter writes them."""
    from google.protobuf.json_format import MessageToDict

    lines = []
    for trace in traces:
        request = MessageToDict(spans.request(trace))
        for resource in request["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for made, one in zip(trace, scope["spans"]):
                    one["traceId"], one["spanId"] = made.trace_id.hex(), made.span_id.hex()
                    one["parentSpanId"] = made.parent_span_id.hex()
        lines.append(json.dumps(request))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_plan(tmp_path, rng):
    traces = make_traces(rng, 300)
    lines = recording(tmp_path / "sample.jsonl", traces)
    current = write(tmp_path, "current.yaml", {"policies": [ERRORS]})
    candidate = write(tmp_path, "candidate.yaml", {"policies": [ERRORS, SHARE]})
    page = tmp_path / "plan.html"
    result = tailgate("policy", "plan", "--current", current, "--candidate", candidate, "--traces", lines, "--html", page)
    assert result.returncode == 0, result.output
    assert "300 traces" in result.stdout and "newly kept" in result.stdout and "\x1b" not in result.output
    text = page.read_text()
    assert "<svg" in text or "class=\"stack\"" in text
    assert "http://" not in text and "https://" not in text
    arguments = ["policy", "plan", "--current", current, "--candidate", candidate, "--format", "json", "--traces"]
    found = json.loads(tailgate(*arguments, lines).stdout)
    errors = [t for t in traces if any(s.status.code == spans.ERROR for s in t)]
    assert found["current"]["kept"]["traces"] == len(errors)
    assert found["current"]["kept"]["spans"] == sum(map(len, errors))
    assert found["traces"]["newly_dropped"]["traces"] == 0
    assert 40 <= found["candidate"]["kept"]["traces"] <= 170
    # Other formats, the same figures.
    zipped = tmp_path / "sample.jsonl.gz"
    zipped.write_bytes(gzip.compress(lines.read_bytes()))
    requests = [spans.request(t).SerializeToString() for t in traces]
    delimited, bare = tmp_path / "delimited.pb", tmp_path / "bare.pb"
    delimited.write_bytes(b"".join(varint(len(r)) + r for r in requests))
    bare.write_bytes(b"".join(requests))
    for path in [zipped, delimited, bare]:
        other = json.loads(tailgate(*arguments, path).stdout)
        for key in ["total", "current", "candidate", "traces", "services"]:
            assert without_bytes(other[key]) == without_bytes(found[key]), f"{path.name}: {key}"


def without_bytes(value):
    """JSON may spell defaults that protobuf leaves out, so bytes may differ."""
    if isinstance(value, dict):
        return {k: without_bytes(v) for k, v in value.items() if k != "bytes"}
    return [without_bytes(v) for v in value] if isinstance(value, list) else value


def varint(value):
    made = b""
    while value > 127:
        made, value = made + bytes([value & 127 | 128]), value >> 7
    return made + bytes([value])


def test_plan_without_current(tmp_path, rng):
    lines = recording(tmp_path / "sample.jsonl", make_traces(rng, 50))
    found = json.loads(
        tailgate("policy", "plan", "--candidate", POLICIES / "default.yaml", "--traces", lines, "--format", "json").stdout
    )
    assert found["current"]["kept"] == found["total"]


@pytest.mark.parametrize(
    "content, message",
    [(b"", "there are no spans"), (b"hello", "neither OTLP JSON nor OTLP protobuf"), (b'{"resourceSpans":[\n', "has no end"), (None, "no such file")],
)
def test_recordings_that_can_not_be_read(tmp_path, content, message):
    path = tmp_path / "x.jsonl"
    if content is not None:
        path.write_bytes(content)
    result = tailgate("policy", "plan", "--candidate", POLICIES / "default.yaml", "--traces", path)
    assert result.returncode == 66, result.output
    assert message in result.stderr and "x.jsonl" in result.stderr


def test_plan_decides_as_a_node_does(gateway, tmp_path):
    """Recorded traffic through a node, and through a plan: the same traces are kept."""
    rng = random.Random(7)
    policies = [
        {"name": "probes", "type": "drop", "drop": {"drop_sub_policy": [{"type": "span_count", "span_count": {"min_spans": 5}}]}},
        ERRORS,
        SHARE,
        {"name": "big", "type": "span_count", "span_count": {"min_spans": 4, "max_spans": 4}},
    ]
    traces = make_traces(rng, 400)
    everything, kept = tmp_path / "all.jsonl", tmp_path / "kept.jsonl"
    always = [{"name": "all", "type": "always_sample"}]
    with gateway({"file": {"path": str(everything)}}, policies=always) as node, RawClient(node.port) as client:
        for trace in traces:
            client.must_export(spans.request(trace))
        node.settle()
    with gateway({"file": {"path": str(kept)}}, policies=policies) as node, RawClient(node.port) as client:
        for trace in traces:
            client.must_export(spans.request(trace))
        node.settle()
    live = set()
    count = 0
    for line in kept.read_text().splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                live |= {s["traceId"] for s in scope["spans"]}
                count += len(scope["spans"])
    candidate = write(tmp_path, "p.yaml", {"policies": policies})
    found = json.loads(
        tailgate(
            "policy", "plan", "--candidate", candidate, "--traces", everything, "--format", "json", "--examples", "1000"
        ).stdout
    )
    assert found["total"]["traces"] == len(traces)
    assert found["candidate"]["kept"]["traces"] == len(live)
    assert found["candidate"]["kept"]["spans"] == count
    # What the plan says is newly dropped is what the node did not keep.
    dropped = {e["trace_id"] for e in found["newly_dropped_examples"]}
    assert dropped == {t[0].trace_id.hex() for t in traces} - live


# --- a node's admin endpoint ---


class Node(http.server.BaseHTTPRequestHandler):
    answers = {}
    seen = []

    def do_GET(self):
        type(self).seen.append((self.path, dict(self.headers)))
        status, body = self.answers.get(self.path, (404, b'{"error":"no such page"}'))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def node():
    handler = type("Handler", (Node,), {"answers": {}, "seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.url = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    server.server_close()


ID = "0af7651916cd43dd8448eb211c80319c"


def test_explain(node):
    answer = {
        "trace_id": ID, "state": "sampled", "spans": 2, "bytes": 900, "root_seen": True, "policy_version": 3,
        "decided_by": "errors",
        "policies": [{"name": "errors", "verdict": "sampled", "because": [{"condition": "status is ERROR", "span_id": "00f067aa0ba902b7"}]}],
    }  # fmt: skip
    node.answers[f"/v1/traces/{ID}"] = (200, json.dumps(answer).encode())
    for written in [ID, ID.upper(), f"00-{ID}-00f067aa0ba902b7-01"]:
        result = tailgate("explain", written, "--admin", node.url, "--token", "secret")
        assert result.returncode == 0, result.output
        assert "kept by errors" in result.stdout and "status is ERROR" in result.stdout
    assert node.seen[-1][1]["Authorization"] == "Bearer secret"
    assert json.loads(tailgate("explain", ID, "--admin", node.url, "--json").stdout) == answer
    unknown = "1" * 32
    node.answers[f"/v1/traces/{unknown}"] = (404, json.dumps({"trace_id": unknown, "state": "unknown"}).encode())
    result = tailgate("explain", unknown, "--admin", node.url)
    assert result.returncode == 1 and "unknown" in result.stdout


def test_explain_fails(node, tmp_path):
    refused = tailgate("explain", ID, "--admin", "127.0.0.1:1")
    assert refused.returncode == 69 and "connection refused" in refused.stderr
    missing = tailgate("explain", ID, "--admin", node.url)
    assert missing.returncode == 69 and "404: no such page" in missing.stderr
    node.answers[f"/v1/traces/{ID}"] = (200, b"<html>")
    assert "no explanation of a trace" in tailgate("explain", ID, "--admin", node.url).stderr
    assert tailgate("explain", "xyz", "--admin", node.url).returncode == 64
    assert tailgate("explain", ID, "--admin", "ftp://x").returncode == 64


def test_record(node, tmp_path, rng):
    lines = recording(tmp_path / "lines", make_traces(rng, 500)).read_bytes()
    node.answers["/v1/record?seconds=2"] = (200, lines)
    result = tailgate("policy", "record", "--from", node.url, "--seconds", "2")
    assert result.returncode == 0, result.stderr
    assert result.stdout.encode() == lines
    assert "500 lines" in result.stderr
    path = tmp_path / "sample.jsonl"
    assert tailgate("policy", "record", "--from", node.url, "--seconds", "2", "--output", path).returncode == 0
    assert path.read_bytes() == lines
    refused = tailgate("policy", "record", "--from", node.url, "--seconds", "3")
    assert refused.returncode == 69 and "404" in refused.stderr and refused.stdout == ""
    assert tailgate("policy", "record", "--seconds", "0").returncode == 64
    assert tailgate("policy", "record", "--max-bytes", "5").returncode == 64
    node.answers["/v1/record?seconds=2&max_bytes=4096"] = (200, b"{}\n")
    assert tailgate("policy", "record", "--from", node.url, "--seconds", "2", "--max-bytes", "4096").stdout == "{}\n"


def test_a_running_node_is_recorded_and_explains(gateway, tmp_path, rng):
    """`record` takes what the node decides on, kept or not; `plan` reads it; `explain` says why, for both."""
    traces = make_traces(rng, 60)
    failed = next(t for t in traces if any(s.status.code == spans.ERROR for s in t))
    fine = next(t for t in traces if not any(s.status.code == spans.ERROR for s in t))
    sample = tmp_path / "sample.jsonl"
    with gateway({"debug": {}}, policies=[ERRORS], decision_wait="2s") as node, RawClient(node.port) as client:
        url = f"http://127.0.0.1:{node.admin_port}"
        recorded = {}

        def record():
            recorded["result"] = tailgate("policy", "record", "--from", url, "--seconds", "5", "--output", sample, timeout=60)

        thread = threading.Thread(target=record)
        thread.start()
        # It is beside its place until it is whole.
        until(lambda: list(tmp_path.glob("sample.jsonl.*.partial")), 10, "the recording to begin")
        for trace in traces:
            client.must_export(spans.request(trace))
        waiting = tailgate("explain", failed[0].trace_id.hex(), "--admin", url)
        node.settle()
        thread.join()
        kept = tailgate("explain", failed[0].trace_id.hex(), "--admin", url)
        other = tailgate("explain", fine[0].trace_id.hex(), "--admin", url)
        unknown = tailgate("explain", "1" * 32, "--admin", url)
    assert recorded["result"].returncode == 0, recorded["result"].output
    assert waiting.returncode == 0 and "undecided" in waiting.stdout, waiting.output
    assert kept.returncode == 0 and "kept by errors" in kept.stdout and "status is ERROR" in kept.stdout, kept.output
    assert other.returncode == 0 and "not kept" in other.stdout, other.output
    assert unknown.returncode == 1, unknown.output
    candidate = write(tmp_path, "p.yaml", {"policies": [ERRORS]})
    found = json.loads(tailgate("policy", "plan", "--candidate", candidate, "--traces", sample, "--format", "json").stdout)
    assert found["total"]["traces"] > 0
    assert found["candidate"]["kept"]["traces"] <= found["total"]["traces"]
    if found["total"]["traces"] == len(traces):
        errors = [t for t in traces if any(s.status.code == spans.ERROR for s in t)]
        assert found["candidate"]["kept"]["traces"] == len(errors)


def test_a_reload_whose_tests_fail_is_refused(gateway, tmp_path, rng):
    policy_file = write(tmp_path, "policies.yaml", {"policies": [ERRORS], "tests": TESTS[:1]})
    node = gateway({"debug": {}}, policies="${file:" + str(policy_file) + "}")
    with node:
        before = json.loads(node.http("/v1/policies")[1])["hash"]
        write(tmp_path, "policies.yaml", {"policies": [dict(ERRORS, name="renamed")], "tests": TESTS})

        def refused():
            policies = json.loads(node.http("/v1/policies")[1])
            return policies["reloads"]["failed"] > 0 and policies

        state = until(refused, 20, "the new file to be refused")
        assert state["hash"] == before
        write(tmp_path, "policies.yaml", {"policies": [ERRORS, SHARE], "tests": TESTS[:1]})
        until(lambda: json.loads(node.http("/v1/policies")[1])["hash"] != before, 20, "the good file to be taken over")
