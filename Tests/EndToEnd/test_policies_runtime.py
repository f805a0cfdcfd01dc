"""Policies of a running node: reloads in every way, explanations, recordings, shadow policies, record_policy, overflow."""

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request

import pytest
import yaml
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness import spans
from harness.certificates import Authority
from harness.clients import RawClient
from harness.gateway import ALWAYS, ERRORS, NEVER, check_ledger
from harness.program import tailgate
from harness.wait import until

SAMPLING = "otelcol_processor_tail_sampling_"


def post(node, path="/-/reload", headers=None):
    """(status, body) of a POST to the admin endpoint."""
    url = f"http://127.0.0.1:{node.admin_port}{path}"
    request = urllib.request.Request(url, data=b"", method="POST", headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def get(node, path):
    status, body, _ = node.http(path)
    return status, json.loads(body)


def policies(node):
    status, body = get(node, "/v1/policies")
    assert status == 200
    return body


def write_config(node, policies=None, **changes):
    """The node's configuration with other policies, put in the place of the old file as editors do it."""
    sampling = node.config["processors"]["tail_sampling"]
    if policies is not None:
        sampling["policies"] = policies
    sampling.update(changes)
    replacement = node.config_path.with_suffix(".new")
    replacement.write_text(yaml.safe_dump(node.config, sort_keys=False))
    os.replace(replacement, node.config_path)


def wait_for_version(node, version, timeout=10):
    until(lambda: policies(node)["version"] == version, timeout, f"version {version}")


def percentage(value, name="share"):
    return [{"name": name, "type": "probabilistic", "probabilistic": {"sampling_percentage": value}}]


def test_reload_by_post(gateway, backend, rng):
    store = backend()
    with gateway([store], policies=NEVER) as node, RawClient(node.port) as client:
        client.must_export(spans.request(spans.trace(rng)))
        before = policies(node)
        assert before["version"] == 1 and before["policies"][0]["policy"]["name"] == "nothing"
        assert before["source"] == str(node.config_path)
        status, body = post(node)
        assert status == 200 and json.loads(body)["result"] == "unchanged"
        write_config(node, ALWAYS)
        status, body = post(node)
        answer = json.loads(body)
        assert status == 200 and answer["result"] == "reloaded" and answer["version"] == 2
        after = policies(node)
        assert after["hash"] == answer["hash"] != before["hash"] and after["policies"][0]["name"] == "everything"
        kept = spans.trace(rng)
        client.must_export(spans.request(kept))
        store.wait_for_spans(len(kept))
        node.settle()
        metrics = node.metrics()
        assert metrics.value("tailgate_policy_reloads", result="ok") == 1
        assert metrics.value("tailgate_policy_version") == 2
        assert metrics.value("tailgate_policy_info", version="2", hash=after["hash"]) == 1
        assert len(metrics.matching("tailgate_policy_info")) == 1
        assert metrics.value(SAMPLING + "count_traces_sampled", policy="nothing", decision="not_sampled") == 1
        assert metrics.value(SAMPLING + "count_traces_sampled", policy="everything", decision="sampled") == 1
        assert abs(metrics.value("tailgate_policy_reload_last_success_timestamp_seconds") - time.time()) < 60
    store.assert_exactly(kept)


def test_a_trace_is_judged_by_the_version_of_its_first_span(gateway, backend, rng):
    store = backend()
    with gateway([store], policies=ERRORS, decision_wait="3s") as node, RawClient(node.port) as client:
        old, new = spans.trace(rng, 4, status=spans.ERROR), spans.trace(rng, 4, status=spans.ERROR)
        client.must_export(spans.request(old[:2]))
        write_config(node, NEVER)
        assert post(node)[0] == 200
        state = policies(node)
        assert [v["version"] for v in state["older_versions"]] == [1]
        assert state["older_versions"][0]["undecided_traces"] == 1
        client.must_export(spans.request(old[2:] + new))
        store.wait_for_spans(4)
        node.settle()
        until(lambda: policies(node)["older_versions"] == [], 10, "the old version to go")
    store.assert_exactly(old)


@pytest.mark.parametrize("way", ["rename", "write", "symlink", "sighup"])
def test_ways_to_reload(gateway, backend, rng, way, tmp_path):
    """A policy file of its own: renamed over, written in place, behind a ConfigMap's links, or told by SIGHUP."""
    mount = tmp_path / "mount"
    mount.mkdir()

    def version(number, content):
        directory = mount / f"..{number}"
        directory.mkdir()
        (directory / "policies.yaml").write_text(yaml.safe_dump({"policies": content, "tests": []}))
        temporary = mount / "..data_tmp"
        temporary.symlink_to(directory.name)
        os.replace(temporary, mount / "..data")

    version(1, NEVER)
    (mount / "policies.yaml").symlink_to("..data/policies.yaml")
    policy_file = mount / "policies.yaml"
    store = backend()
    with gateway([store], policies=f"${{file:{policy_file}}}") as node, RawClient(node.port) as client:
        assert policies(node)["policies"][0]["name"] == "nothing"
        text = yaml.safe_dump({"policies": ALWAYS})
        if way == "symlink":
            version(2, ALWAYS)
        elif way == "rename":
            (mount / "new").write_text(text)
            os.replace(mount / "new", mount / "..data" / "policies.yaml")
        else:
            (mount / "..data" / "policies.yaml").write_text(text)
            if way == "sighup":
                node.signal(signal.SIGHUP)
        wait_for_version(node, 2)
        kept = spans.trace(rng)
        client.must_export(spans.request(kept))
        store.wait_for_spans(len(kept))
        node.settle()
    store.assert_exactly(kept)


def test_an_invalid_file_changes_nothing(gateway, backend, rng):
    store = backend()
    with gateway([store], policies=ALWAYS) as node, RawClient(node.port) as client:
        write_config(node, [{"name": "x", "type": "latencyy"}])
        status, body = post(node)
        answer = json.loads(body)
        assert status == 422 and answer["result"] == "failed"
        problem = answer["problems"][0]
        assert problem["file"].endswith("tailgate.yaml") and problem["line"] > 1 and "latency" in problem["message"]
        assert problem["message"] in answer["text"]
        status, text = post(node, headers={"Accept": "text/plain"})
        assert status == 422 and "tailgate.yaml:" in text and not text.startswith("{")
        node.config_path.write_text("processors: [")
        assert post(node)[0] == 422
        os.remove(node.config_path)
        assert post(node)[0] == 422
        state = policies(node)
        assert state["version"] == 1 and state["reloads"]["failed"] >= 4 and state["reloads"]["last_problems"]
        metrics = node.metrics()
        assert metrics.value("tailgate_policy_reloads", result="failed") >= 4
        assert metrics.value("tailgate_policy_reloads", result="ok") == 0
        assert metrics.value("tailgate_policy_reload_last_ok") == 0
        assert "not taken over" in node.log()
        kept = spans.trace(rng)
        client.must_export(spans.request(kept))
        store.wait_for_spans(len(kept))
        write_config(node, NEVER)
        wait_for_version(node, 2)
        assert node.metrics().value("tailgate_policy_reload_last_ok") == 1
        node.settle()


def test_what_needs_a_restart_is_said(gateway, backend):
    with gateway([backend()], policies=ALWAYS) as node:
        node.config["processors"]["batch"]["timeout"] = "70ms"
        write_config(node, decision_wait="2s", num_traces=5000)
        status, body = post(node)
        answer = json.loads(body)
        assert status == 200 and answer["result"] == "reloaded" and answer["version"] == 1
        assert set(answer["needs_restart"]) == {"processors.batch.timeout", "processors.tail_sampling.num_traces"}
        assert policies(node)["settings"]["decision_wait"] == "2s"
        assert "processors.batch.timeout" in node.log()
        assert post(node, "/v1/policies")[0] == 405 and node.http("/-/reload")[0] == 405


def test_changed_guards_are_said_to_need_a_restart(gateway, backend, rng, tmp_path):
    """TLS, credentials and bounds of listeners and exporters: named in the answer and in the log, without their values, and not in
    force."""
    ca = Authority(tmp_path / "certificates")
    one, two = ca.issue("one"), ca.issue("two")
    changes = {
        "receivers": {"otlp": {"protocols": {"grpc": {"tls": one.tls, "auth": {"authenticator": "bearertokenauth"}}}}},
        "extensions": {"bearertokenauth": {"token": "first-token"}},
        "service": {"extensions": ["bearertokenauth"]},
    }
    with gateway([backend()], policies=ALWAYS, changes=changes) as node, RawClient(node.port, ca) as client:
        grpc = node.config["receivers"]["otlp"]["protocols"]["grpc"]
        grpc["tls"] = {**two.tls, "client_ca_file": str(ca.file)}
        grpc["limits"] = {"max_connections": 7}
        node.config["receivers"]["otlp"]["protocols"]["http"]["max_request_body_size"] = 5
        node.config["extensions"]["bearertokenauth"]["token"] = "second-token"
        node.config["exporters"]["otlp/a"]["headers"] = {"x-key": "third-token"}
        write_config(node)
        status, body = post(node)
        below = "receivers.otlp.protocols"
        keys = {
            f"{below}.grpc.tls.cert_file", f"{below}.grpc.tls.key_file", f"{below}.grpc.tls.client_ca_file", f"{below}.grpc.limits",
            f"{below}.http.max_request_body_size", "extensions.bearertokenauth.token", "exporters.otlp/a.headers",
        }
        assert status == 200 and set(json.loads(body)["needs_restart"]) == keys
        lines = [line for line in node.log().splitlines() if "changed keys need a restart" in line]
        assert len(lines) == 1 and all(key in lines[0] for key in keys)
        assert set(policies(node)["reloads"]["needs_restart"]) == keys
        assert "-token" not in body and "-token" not in node.log() and "-token" not in json.dumps(policies(node))
        # What was in force still is.
        client.must_export(spans.request(spans.trace(rng)), metadata=[("authorization", "Bearer first-token")])
        assert not client.export(spans.request(spans.trace(rng)), metadata=[("authorization", "Bearer second-token")]).ok
        node.settle()


def test_reload_storm_under_load(gateway, backend, rng):
    """A thousand reloads while spans stream in: nothing is lost, nothing counted twice, and no column of the books moves but those
    of spans that were taken and decided."""
    store = backend()
    sent = []
    with gateway([store], policies=percentage(50), decision_wait="300ms") as node:
        stop = threading.Event()

        def load():
            with RawClient(node.port) as client:
                while not stop.is_set():
                    part = [s for _ in range(40) for s in spans.trace(rng, 3)]
                    shuffled = part[:]
                    rng.shuffle(shuffled)
                    for piece in spans.chunks(shuffled, 60):
                        client.must_export(spans.request(piece))
                    sent.extend(part)

        worker = threading.Thread(target=load)
        worker.start()
        try:
            done = 0
            sent_at = []
            for number in range(1000):
                write_config(node, percentage(100 if number % 2 else 0, name=f"p{number % 5}"))
                status, body = post(node)
                assert status == 200, body
                done += json.loads(body)["result"] == "reloaded"
                if number % 100 == 0:
                    check_ledger(node.ledger())
                    sent_at.append(len(sent))
        finally:
            stop.set()
            worker.join()
        assert done > 900
        # The load went on all the time: between any two looks, thousands of spans.
        assert all(later - earlier > 1000 for earlier, later in zip(sent_at, sent_at[1:])), sent_at
        ledger = node.settle()
        assert ledger["accepted"] == len(sent) > 1000
        assert ledger["sampled"] > 0 and ledger["not_sampled"] > 0
        assert ledger["sampled"] + ledger["not_sampled"] == len(sent)
        assert ledger["dropped"] == 0 and ledger["buffered"] == 0
        assert all(d["lost"] == 0 and d["sent"] == ledger["sampled"] for d in ledger["destinations"].values())
        metrics = node.metrics()
        assert metrics.value("tailgate_refused_spans") == 0
        # Now and then the watcher sees the file first.
        assert done <= metrics.value("tailgate_policy_reloads", result="ok") <= 1000
        assert metrics.value("tailgate_policy_reloads", result="failed") == 0
        assert policies(node)["older_versions"] == []
    whole = {len(t) for t in store.traces().values()}
    assert whole == {3}, "every trace was decided as a whole"
    assert len(store.spans()) == ledger["sampled"]


def test_explain(gateway, backend, rng):
    store = backend()
    rules = ERRORS + [
        {"name": "gold", "type": "string_attribute", "string_attribute": {"key": "tenant", "values": ["gold"]}}
    ]
    kept, dropped, undecided = spans.trace(rng, 3, status=spans.ERROR), spans.trace(rng, 2), spans.trace(rng, 2)
    undecided[1].attributes.append(spans.text("tenant", "gold"))
    with gateway([store], policies=rules, decision_wait="1500ms") as node, RawClient(node.port) as client:
        client.must_export(spans.request(kept + dropped, service="checkout"))
        store.wait_for_spans(3)
        node.wait_for_ledger(lambda l: l["buffered"] == 0)
        client.must_export(spans.request(undecided, service="shop"))
        client.must_export(spans.request([spans.span(kept[0].trace_id, rng)]))

        status, trace = get(node, f"/v1/traces/{kept[0].trace_id.hex()}")
        assert status == 200 and trace["state"] == "sampled" and trace["decided_by"] == "errors"
        assert trace["spans"] == 3 and trace["root_seen"] is True and trace["late_spans"] == 1
        assert trace["destinations"] == ["otlp/a"]
        assert trace["policy_version"] == 1 and trace["policy_hash"] == policies(node)["hash"]
        by_name = {p["name"]: p for p in trace["policies"]}
        assert by_name["errors"]["verdict"] == "sampled" and by_name["gold"]["verdict"] == "not_sampled"
        because = by_name["errors"]["because"][0]
        assert because["span_id"] == kept[-1].span_id.hex() and because["service"] == "checkout"
        assert because["value"] == "ERROR" and because["condition"]
        assert trace["first_seen"] <= trace["last_seen"] <= trace["decided_at"]

        status, trace = get(node, f"/v1/traces/{dropped[0].trace_id.hex().upper()}")
        assert status == 200 and trace["state"] == "not_sampled" and trace["decided_by"] is None
        assert trace["destinations"] == [] and all(not p["because"] for p in trace["policies"])

        status, trace = get(node, f"/v1/traces/{undecided[0].trace_id.hex()}")
        assert status == 200 and trace["state"] == "undecided" and trace["decided_by"] == "gold"
        because = {p["name"]: p for p in trace["policies"]}["gold"]["because"][0]
        assert because["value"] == "gold" and because["span_id"] == undecided[1].span_id.hex()

        status, trace = get(node, "/v1/traces/" + "ab" * 16)
        assert status == 404 and trace["state"] == "unknown"
        for bad in ("xyz", "ab" * 15, "ab" * 17, ""):
            assert get(node, "/v1/traces/" + bad)[0] == 400
        assert post(node, "/v1/traces/" + "ab" * 16)[0] == 405
        node.settle()


def lines_of(text):
    return [json_format.Parse(line, ExportTraceServiceRequest(), ignore_unknown_fields=True) for line in text.splitlines()]


def unhex(request):
    """OTLP JSON writes ids as hex, which a proto3 parser reads as base64: back to bytes."""
    import base64

    found = {}
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for one in scope.spans:
                trace_id = base64.b64encode(one.trace_id).decode()
                found.setdefault(trace_id, []).append(base64.b64encode(one.span_id).decode())
    return found


def test_record(gateway, backend, rng):
    """Whole traces, kept or not; one recording at a time; bounded."""
    store = backend()
    with gateway([store], policies=ERRORS, decision_wait="500ms") as node, RawClient(node.port) as client:
        # The head of the answer comes at once, the lines as traces are decided.
        url = f"http://127.0.0.1:{node.admin_port}/v1/record?seconds=4"
        answer = urllib.request.urlopen(url, timeout=20)
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/x-ndjson"
        assert node.http("/v1/record?seconds=1")[0] == 429, "one recording at a time"
        traces = [spans.trace(rng, 3, status=spans.ERROR if n % 4 == 0 else spans.UNSET) for n in range(20)]
        mixed = [s for t in traces for s in t]
        rng.shuffle(mixed)
        for piece in spans.chunks(mixed, 7):
            client.must_export(spans.request(piece))
        with answer:
            text = answer.read().decode()
        recorded = {}
        for request in lines_of(text):
            found = unhex(request)
            assert len(found) == 1, "one trace a line"
            recorded.update(found)
        assert recorded.keys() == {t[0].trace_id.hex() for t in traces}
        for trace in traces:
            assert sorted(recorded[trace[0].trace_id.hex()]) == sorted(s.span_id.hex() for s in trace)
        for bad in ("seconds=0", "seconds=x", "max_bytes=1", "seconds=99999"):
            assert node.http("/v1/record?" + bad)[0] == 400
        status, text, _ = node.http("/v1/record?seconds=1", timeout=10)
        assert status == 200 and text == ""
        ledger = node.settle()
        assert ledger["sampled"] == 15 and ledger["not_sampled"] == 45


def test_a_recording_is_bounded_and_ends_with_its_reader(gateway, backend, rng):
    with gateway([backend()], policies=NEVER, decision_wait="100ms") as node, RawClient(node.port) as client:
        url = f"http://127.0.0.1:{node.admin_port}/v1/record?seconds=3&max_bytes=20000"
        with urllib.request.urlopen(url, timeout=20) as answer:
            for _ in range(30):
                client.must_export(spans.request([s for _ in range(40) for s in spans.trace(rng, 3)]))
            text = answer.read().decode()
        assert 0 < len(text) <= 20000 and lines_of(text)
        answer = urllib.request.urlopen(f"http://127.0.0.1:{node.admin_port}/v1/record?seconds=3600", timeout=5)
        answer.close()
        client.must_export(spans.request(spans.trace(rng)))

        def is_free():
            client.must_export(spans.request(spans.trace(rng)))
            return node.http("/v1/record?seconds=1", timeout=10)[0] == 200

        until(is_free, 20, "the abandoned recording to end")
        node.settle()


def test_shadow_policies_change_nothing_but_counters(gateway, backend, rng, tmp_path):
    shadow = tmp_path / "shadow.yaml"
    shadow.write_text(yaml.safe_dump({"policies": ALWAYS}))
    store = backend()
    changes = {"processors": {"tail_sampling": {"shadow_policies": f"${{file:{shadow}}}"}}}
    kept, other = spans.trace(rng, 2, status=spans.ERROR), spans.trace(rng, 2)
    with gateway([store], policies=ERRORS, changes=changes) as node, RawClient(node.port) as client:
        client.must_export(spans.request(kept + other))
        store.wait_for_spans(2)
        node.settle()
        metrics = node.metrics()
        assert metrics.value("tailgate_shadow_traces", live="sampled", shadow="sampled") == 1
        assert metrics.value("tailgate_shadow_traces", live="not_sampled", shadow="sampled") == 1
        assert metrics.value("tailgate_shadow_policy_traces", policy="everything", decision="sampled") == 2
        assert not metrics.matching(SAMPLING + "count_traces_sampled", policy="everything")
        status, seen = get(node, "/v1/shadow")
        assert status == 200 and seen["active"] is True
        assert [t["trace_id"] for t in seen["differing_traces"]] == [other[0].trace_id.hex()]
        assert seen["differing_traces"][0]["shadow_policy"] == "everything"
        # A reload takes it away again.
        shadow.write_text(yaml.safe_dump({"policies": NEVER}))
        wait_for_version(node, 2)
        client.must_export(spans.request(spans.trace(rng)))
        until(lambda: node.metrics().value("tailgate_shadow_policy_traces", policy="nothing") == 1, 10)
        node.settle()
    store.assert_exactly(kept)


def test_record_policy(gateway, backend, rng):
    """A real protobuf parser reads who kept the trace; spans, resources and scopes are else what they were."""
    store = backend()
    changes = {"processors": {"tail_sampling": {"record_policy": True}}}
    rules = ERRORS + [{"name": "slow", "type": "latency", "latency": {"threshold_ms": 1000}}]
    error, slow = spans.trace(rng, 3, status=spans.ERROR), spans.trace(rng, 3, milliseconds=2000)
    rich = spans.rich_request(rng)
    rich_ids = set()
    for resource in rich.resource_spans:
        for scope in resource.scope_spans:
            for one in scope.spans:
                one.status.code = spans.ERROR
                rich_ids.add(one.span_id)
    with gateway([store], policies=rules, changes=changes) as node, RawClient(node.port) as client:
        client.must_export(spans.request(error + slow))
        client.must_export(rich)
        store.wait_for_spans(6 + len(rich_ids))
        node.wait_for_ledger(lambda l: l["buffered"] == 0)
        late = spans.span(slow[0].trace_id, rng)
        client.must_export(spans.request([late]))
        store.wait_for_spans(7 + len(rich_ids))
        node.settle()
    attributes = store.scope_attributes()
    for one in error:
        assert attributes[one.span_id]["tailsampling.policy"].string_value == "errors"
        assert "tailsampling.cached_decision" not in attributes[one.span_id]
    for one in slow:
        assert attributes[one.span_id]["tailsampling.policy"].string_value == "slow"
    assert attributes[late.span_id]["tailsampling.policy"].string_value == "slow"
    assert attributes[late.span_id]["tailsampling.cached_decision"].bool_value is True

    # Everything else of the rich request is as it was sent.
    def flat(request, without=()):
        found = []
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                header = type(scope.scope)()
                header.CopyFrom(scope.scope)
                kept = [a for a in header.attributes if a.key not in without]
                del header.attributes[:]
                header.attributes.extend(kept)
                for one in scope.spans:
                    found.append(
                        (
                            resource.resource.SerializeToString(deterministic=True), resource.schema_url,
                            header.SerializeToString(deterministic=True), scope.schema_url, one.SerializeToString(deterministic=True),
                        )
                    )
        return found

    got = [f for r in store.requests(ok=True) for f in flat(r.message, ("tailsampling.policy",))]
    for wanted in flat(rich):
        assert wanted in got


def test_span_ingest(gateway, backend, rng):
    store = backend()
    changes = {"processors": {"tail_sampling": {"sampling_strategy": "span-ingest"}}}
    trace, other = spans.trace(rng, 4), spans.trace(rng, 2)
    trace[2].status.code = spans.ERROR
    with gateway([store], policies=ERRORS, decision_wait="20s", changes=changes) as node, RawClient(node.port) as client:
        client.must_export(spans.request(trace[:2] + other))
        client.must_export(spans.request(trace[2:3]))
        # Long before decision_wait: what waited goes with what settled it.
        store.wait_for_spans(3, 10)
        client.must_export(spans.request(trace[3:]))
        store.wait_for_spans(4, 10)
        assert node.ledger()["buffered"] == 2
        node.stop()
        check = node.last_ledger
        assert check["difference"] == 0
    store.assert_exactly(trace)


def test_span_ingest_refuses_stateful_policies(gateway, backend):
    changes = {"processors": {"tail_sampling": {"sampling_strategy": "span-ingest"}}}
    limit = [{"name": "budget", "type": "rate_limiting", "rate_limiting": {"spans_per_second": 10}}]
    node = gateway([backend()], policies=limit, changes=changes)
    with pytest.raises(AssertionError, match='requires all policies to be stateless, but policy "budget" is stateful'):
        node.start()


def test_maximum_trace_size(gateway, backend, rng):
    store = backend()
    changes = {"processors": {"tail_sampling": {"maximum_trace_size_bytes": 2000}}}
    big, small = spans.trace(rng, 60), spans.trace(rng, 3)
    with gateway([store], policies=ALWAYS, changes=changes) as node, RawClient(node.port) as client:
        client.must_export(spans.request(big + small))
        store.wait_for_spans(3)
        client.must_export(spans.request(big[:5]))
        ledger = node.settle()
        assert ledger["sampled"] == 3 and ledger["not_sampled"] == 65
        assert node.metrics().value(SAMPLING + "traces_dropped_too_large") == 1
        assert get(node, f"/v1/traces/{big[0].trace_id.hex()}")[1]["too_large"] is True
    store.assert_exactly(small)


DECISIONS = {("true", "sampled"), ("false", "not_sampled"), ("false", "dropped")}
AGES = "0 5 10 25 50 75 100 250 500 750 1000 2500 5000 7500 10000 +Inf".split()
TIMES = "1 2 5 10 25 50 75 100 150 200 300 400 500 750 1000 2000 3000 4000 5000 10000 20000 30000 50000 +Inf".split()


def test_the_collectors_metrics_by_name(gateway, backend, rng):
    """Every metric of the Collector's processor under its name, with its labels and buckets, as its default reader shows them."""
    with gateway([backend()], policies=ERRORS) as node, RawClient(node.port) as client:
        client.must_export(spans.request(spans.trace(rng)))
        node.settle()
        metrics = node.metrics()

        def labels(name, *keys):
            found = [s for s in metrics.samples if s.name == SAMPLING + name]
            assert found, f"{name} is missing"
            assert all(s.labels.keys() == set(keys) for s in found), [s.labels for s in found]
            return {tuple(s.labels[k] for k in keys) for s in found}

        for name in ("count_traces_sampled", "count_spans_sampled", "count_bytes_sampled"):
            assert labels(name, "policy", "sampled", "decision") == {("errors", *d) for d in DECISIONS}
        assert labels("global_count_traces_sampled", "sampled", "decision") == DECISIONS
        assert labels("early_releases_from_cache_decision", "sampled") == {("true",), ("false",)}
        for name in ("sampling_policy_execution_count", "sampling_policy_execution_time_sum"):
            assert labels(name, "policy") == {("errors",)}
        for name in (
            "new_trace_id_received", "sampling_policy_evaluation_error", "sampling_trace_dropped_too_early",
            "sampling_traces_on_memory", "traces_dropped_too_large",
        ):
            assert labels(name) == {()}
        for name, bounds in (
            ("sampling_decision_timer_latency", TIMES), ("sampling_late_span_age", AGES), ("sampling_trace_removal_age", AGES),
        ):
            assert labels(name + "_sum") == labels(name + "_count") == {()}
            found = {le for (le,) in labels(name + "_bucket", "le")}
            assert {float(le) for le in found} == {float(b) for b in bounds}, name


def test_policy_metrics(gateway, backend, rng):
    """The Collector's names: executions, their time, results in traces, spans and bytes."""
    store = backend()
    with gateway([store], policies=ERRORS) as node, RawClient(node.port) as client:
        for _ in range(5):
            client.must_export(spans.request([s for n in range(40) for s in spans.trace(rng, 2, status=2 if n % 4 == 0 else 0)]))
        node.settle()
        metrics = node.metrics()
        labels = {"policy": "errors", "sampled": "true", "decision": "sampled"}
        assert metrics.value(SAMPLING + "count_traces_sampled", **labels) == 50
        assert metrics.value(SAMPLING + "count_spans_sampled", **labels) == 100
        assert metrics.value(SAMPLING + "count_bytes_sampled", **labels) > 100 * 50
        assert metrics.value(SAMPLING + "sampling_policy_execution_count", policy="errors") == 200
        assert metrics.matching(SAMPLING + "sampling_policy_execution_time_sum", policy="errors")
        assert metrics.value(SAMPLING + "sampling_policy_evaluation_error") == 0
        assert metrics.value("tailgate_decision_records_bytes") > 1 << 20


def test_failing_conditions_are_logged_once_and_counted(gateway, backend, rng):
    """`error_mode: ignore`: one line for each condition and kind of error, and a count; `silent` says nothing."""
    wrong = 'attributes["absent"] + 1 == 1'
    rules = [
        {"name": mode, "type": "ottl_condition", "ottl_condition": {"error_mode": mode, "span": [wrong, "1 / 0 == 1"]}}
        for mode in ("ignore", "silent", "propagate")
    ]
    with gateway([backend()], policies=rules) as node, RawClient(node.port) as client:
        for _ in range(4):
            client.must_export(spans.request([s for _ in range(20) for s in spans.trace(rng, 5)]))
        node.settle()
        until(lambda: node.log().count("could not be evaluated") == 2, 5, "a line for each kind of error")
        lines = [line for line in node.log().splitlines() if "could not be evaluated" in line]
        assert all("policy=ignore" in line and "shadow" not in line for line in lines)
        assert any("division by zero" in line for line in lines)
        assert any("column 22" in line and wrong in line for line in lines)
        metrics = node.metrics()
        counts = {p: metrics.value("tailgate_policy_condition_errors", policy=p) for p in ("ignore", "silent", "propagate")}
        assert counts == {"ignore": 800, "silent": 0, "propagate": 0}, "400 spans, two conditions"
        # The Collector's count is of policies that failed: those that propagate, once a trace.
        assert metrics.value(SAMPLING + "sampling_policy_evaluation_error") == 80
        row = policies(node)["policies"][0]
        assert row["name"] == "ignore" and row["condition_errors"] == 800
        write_config(node, rules[:1] + ERRORS)
        assert post(node)[0] == 200
        client.must_export(spans.request(spans.trace(rng, 5)))
        node.settle()
        assert node.metrics().value("tailgate_policy_condition_errors", policy="ignore") == 810
        assert node.log().count("could not be evaluated") == 2, "what has been said is not said again soon"


def test_what_policies_remember_survives_reloads(gateway, backend, rng):
    """Tokens and rates are those of before, however often another policy changes; and they are shown."""
    rules = [
        {"name": "budget", "type": "rate_limiting", "rate_limiting": {"spans_per_second": 1, "burst_capacity": 1000}},
        {
            "name": "kinds",
            "type": "dynamic",
            "dynamic": {"spans_per_second": 5, "keys": ["service.name", "span.name"], "adjustment_interval": "200ms", "rare_interval": "1h"},
        },
    ]

    def state(node):
        rows = {row["name"]: row for row in policies(node)["policies"]}
        assert "state" not in rows["other"]
        (budget,), (kinds,) = rows["budget"]["state"], rows["kinds"]["state"]
        return budget, kinds

    def other(number):
        return [{"name": "other", "type": "latency", "latency": {"threshold_ms": number}}]

    with gateway([backend()], policies=rules + other(100_000), decision_wait="50ms") as node, RawClient(node.port) as client:
        for _ in range(12):
            client.must_export(spans.request([s for _ in range(25) for s in spans.trace(rng, 2)], service="shop"))
            time.sleep(0.05)
        node.settle()
        budget, kinds = state(node)
        assert budget["path"] == "budget" and budget["consumed"] == 600 and 400 <= budget["tokens"] < 410
        assert budget["capacity"] == 1000
        key = kinds["most_frequent_keys"][0]
        assert key["key"].startswith("shop, ") and key["spans_per_second"] > 50 and key["kept_percent"] < 50, key
        consumed = kinds["consumed"]
        for number in range(50):
            write_config(node, rules + other(100_001 + number))
            assert json.loads(post(node)[1])["result"] == "reloaded"
        budget, kinds = state(node)
        assert budget["consumed"] == 600 and 400 <= budget["tokens"] < 430, "refilled by a token a second, and else as it was"
        assert kinds["consumed"] == consumed and kinds["most_frequent_keys"][0] == key


def test_a_large_trace_is_recorded_whole(gateway, backend, rng):
    """A trace of any size is in a recording, kept or not, if the bytes suffice: in several lines."""
    with gateway([backend()], policies=NEVER, decision_wait="500ms") as node, RawClient(node.port) as client:
        answer = urllib.request.urlopen(f"http://127.0.0.1:{node.admin_port}/v1/record?seconds=5&max_bytes=100000000", timeout=20)
        large, small = spans.trace(rng, 5000), spans.trace(rng, 3)
        for piece in spans.chunks(large + small, 1000):
            client.must_export(spans.request(piece))
        with answer:
            requests = [unhex(r) for r in lines_of(answer.read().decode())]
        assert all(len(r) == 1 for r in requests)
        found = {}
        for request in requests:
            for trace_id, ids in request.items():
                found.setdefault(trace_id, []).extend(ids)
        for trace in (large, small):
            assert sorted(found[trace[0].trace_id.hex()]) == sorted(s.span_id.hex() for s in trace)
        assert sum(large[0].trace_id.hex() in r for r in requests) > 1
        ledger = node.settle()
        assert ledger["not_sampled"] == 5003 and ledger["sampled"] == 0


TESTED = {
    "policies": ALWAYS,
    "tests": [
        {"name": "holds", "trace": [{"service": "shop"}], "expect": {"decision": "sampled"}},
        {"name": "does not hold", "trace": [{"service": "shop"}], "expect": {"decision": "not_sampled"}},
    ],
}


def test_failing_tests_of_a_policy_file(gateway, backend, rng, tmp_path):
    """`validate` refuses them; a node that starts with them says so and serves; a reload with them is refused."""
    file = tmp_path / "policies.yaml"
    file.write_text(yaml.safe_dump(TESTED, sort_keys=False))
    store = backend()
    with gateway([store], policies=f"${{file:{file}}}") as node, RawClient(node.port) as client:
        until(lambda: "fail a test of their own file" in node.log(), 10, "the failing test to be named")
        line = next(line for line in node.log().splitlines() if "fail a test" in line)
        assert "does not hold" in line and "policies.yaml:" in line and " error " in line
        kept = spans.trace(rng)
        client.must_export(spans.request(kept))
        store.wait_for_spans(len(kept))
        result = tailgate("validate", "--config", node.config_path)
        assert result.returncode == 64 and "the test `does not hold` fails" in result.stderr and "policies.yaml:" in result.stderr
        file.write_text(yaml.safe_dump({**TESTED, "policies": ALWAYS + ERRORS}, sort_keys=False))
        status, body = post(node)
        assert status == 422 and "does not hold" in body
        file.write_text(yaml.safe_dump({"policies": ALWAYS + ERRORS, "tests": TESTED["tests"][:1]}, sort_keys=False))
        assert post(node)[0] == 200
        result = tailgate("validate", "--config", node.config_path)
        assert result.returncode == 0 and "2 policies, 1 test(s) passed" in result.stdout
        node.settle()
