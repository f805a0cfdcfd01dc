"""Pipelines: several of each signal, with and without sampling, sharing receivers and exporters; processors in them."""

import http.server
import json
import socketserver
import threading

import pytest
from harness import spans
from harness.clients import RawClient
from harness.gateway import ERRORS, merge, otlp
from harness.http1 import curl
from harness.spans import ERROR
from harness.wait import until
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

PROTOBUF = "application/x-protobuf"


def pipeline(exporters, processors=(), receivers=("otlp",)):
    return {"receivers": list(receivers), "processors": list(processors), "exporters": list(exporters)}


def send(node, requests):
    with RawClient(node.port) as client:
        for request in requests:
            client.must_export(request)


def test_an_agent_passes_everything_on(gateway, backend, rng):
    """No `tail_sampling`: spans go on at once, in batches, and the ledger says that they passed through."""
    store = backend()
    changes = {"service": {"pipelines": {"traces": {"processors": ["batch"]}}}}
    sent = [spans.trace(rng, 4) for _ in range(30)]
    with gateway([store], changes=changes) as node:
        send(node, [spans.request(one) for one in sent])
        store.wait_for_spans(120)
        ledger = node.settle()
        assert ledger["passed_through"] == 120 and ledger["sampled"] == 0 and ledger["accepted"] == 120
        assert node.http("/v1/policies")[0] == 200
    store.assert_exactly([one for trace in sent for one in trace])


def test_sampling_beside_a_pipeline_that_keeps_all(gateway, backend, rng):
    """Two traces pipelines of one receiver: one samples, one archives. A span is accepted once; each destination gets its own."""
    kept, archive = backend(), backend()
    exporters = {"otlp/kept": otlp(kept), "otlp/archive": otlp(archive)}
    changes = {
        "service": {
            "pipelines": {
                "traces": {"exporters": ["otlp/kept"]},
                "traces/archive": pipeline(["otlp/archive"], ["batch"]),
            }
        }
    }
    good = [spans.trace(rng, 3) for _ in range(20)]
    bad = [spans.trace(rng, 3, status=ERROR) for _ in range(5)]
    with gateway(exporters, policies=ERRORS, changes=changes) as node:
        send(node, [spans.request(one) for one in good + bad])
        kept.wait_for_spans(15)
        archive.wait_for_spans(75)
        ledger = node.settle()
        assert ledger["accepted"] == 75 and ledger["sampled"] == 15 and ledger["not_sampled"] == 60
        assert {name: d["offered"] for name, d in ledger["destinations"].items()} == {"otlp/kept": 15, "otlp/archive": 75}
    kept.assert_exactly([one for trace in bad for one in trace])
    archive.assert_exactly([one for trace in good + bad for one in trace])


def test_pipelines_share_an_exporter(gateway, backend, rng):
    """An exporter that two pipelines name has one queue: its spans are those of both."""
    store = backend()
    changes = {"service": {"pipelines": {"traces/all": pipeline(["otlp/a"], ["batch"])}}}
    bad = spans.trace(rng, 2, status=ERROR)
    with gateway({"otlp/a": otlp(store)}, policies=ERRORS, changes=changes) as node:
        send(node, [spans.request(bad)])
        store.wait_for_spans(4)
        ledger = node.settle()
        assert ledger["accepted"] == 2 and ledger["destinations"]["otlp/a"]["sent"] == 4
        assert len(node.metrics().matching("otelcol_exporter_queue_capacity", exporter="otlp/a")) == 1


def metrics_request(service, names):
    made = ExportMetricsServiceRequest()
    resource = made.resource_metrics.add()
    resource.resource.attributes.append(spans.text("service.name", service))
    for name in names:
        resource.scope_metrics.add().metrics.add(name=name).gauge.data_points.add(as_int=1)
    return made


def test_metrics_and_logs_are_batched(gateway, backend):
    """`batch` and `memory_limiter` work for metrics and logs: requests become one, equal resources one entry, all items in it."""
    store, other = backend(), backend()
    batch = {"timeout": "300ms", "send_batch_size": 1000}
    changes = {
        "processors": {"batch/slow": batch, "memory_limiter": {"check_interval": "1s", "limit_mib": 2000}},
        "exporters": {"otlp/m": otlp(store), "otlp/n": otlp(other)},
        "service": {
            "pipelines": {
                "traces": {"exporters": ["otlp/a"]},
                "metrics": pipeline(["otlp/m"], ["memory_limiter", "batch/slow"]),
                "metrics/raw": pipeline(["otlp/n"]),
                "logs": pipeline(["otlp/m"], ["batch/slow"]),
            }
        },
    }
    with gateway({"otlp/a": otlp(backend())}, changes=changes) as node:
        for number in range(10):
            body = metrics_request("shop" if number % 2 else "cart", [f"m{number}"])
            status, _, _ = curl(
                f"http://127.0.0.1:{node.http_port}/v1/metrics", body.SerializeToString(), content_type=PROTOBUF)
            assert status == 200
        log = ExportLogsServiceRequest()
        log.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO")
        for _ in range(3):
            status, _, _ = curl(
                f"http://127.0.0.1:{node.http_port}/v1/logs", log.SerializeToString(), content_type=PROTOBUF)
            assert status == 200
        until(lambda: len(other.passed_on["metrics"]) == 10, 20, lambda: f"{len(other.passed_on['metrics'])} requests without a batch")

        def items(kind, message, inner, leaf):
            found = []
            for raw in store.passed_on[kind]:
                for entry in getattr(message.FromString(raw), f"resource_{kind}"):
                    for scope in getattr(entry, f"scope_{inner}"):
                        found += list(getattr(scope, leaf))
            return found

        until(lambda: len(items("metrics", ExportMetricsServiceRequest, "metrics", "metrics")) == 10, 20, lambda: "all metrics")
        until(lambda: len(items("logs", ExportLogsServiceRequest, "logs", "log_records")) == 3, 20, lambda: "all log records")
        names = sorted(m.name for m in items("metrics", ExportMetricsServiceRequest, "metrics", "metrics"))
        assert names == sorted(f"m{number}" for number in range(10))
        # Ten requests in ten milliseconds each at most: far fewer batches than requests, with one entry for each service.
        assert len(store.passed_on["metrics"]) < 10
        for raw in store.passed_on["metrics"]:
            services = [r.resource.attributes[0].value.string_value for r in ExportMetricsServiceRequest.FromString(raw).resource_metrics]
            assert len(services) == len(set(services))


def test_a_signal_without_a_pipeline_is_named(gateway, backend):
    """An SDK sends metrics by default: the answer names the cause, and has a counter of its own."""
    with gateway([backend()]) as node:
        body = metrics_request("shop", ["m"]).SerializeToString()
        for _ in range(3):
            status, text, _ = curl(
                f"http://127.0.0.1:{node.http_port}/v1/metrics", body, content_type=PROTOBUF)
            assert status == 404 and b"OTEL_METRICS_EXPORTER=none" in text
        metrics = node.metrics()
        assert metrics.value("tailgate_refused_requests", reason="no_pipeline") == 3
        assert metrics.value("tailgate_refused_requests", reason="unknown_method") == 0


def test_a_node_for_metrics_alone(gateway, backend):
    """A configuration without a traces pipeline runs, and says of traces that nothing takes them."""
    store = backend()
    changes = {
        "processors": {"tail_sampling": None},
        "exporters": {"otlp/a": None, "otlp/m": otlp(store)},
        "service": {"pipelines": {"traces": None, "metrics": pipeline(["otlp/m"], ["batch"])}},
    }
    with gateway({"otlp/a": otlp(store)}, changes=changes) as node:
        body = metrics_request("shop", ["m"]).SerializeToString()
        status, _, _ = curl(f"http://127.0.0.1:{node.http_port}/v1/metrics", body, content_type=PROTOBUF)
        assert status == 200
        until(lambda: len(store.passed_on["metrics"]) == 1, 20, lambda: "the request")
        status, _, _ = curl(f"http://127.0.0.1:{node.http_port}/v1/traces", b"", content_type=PROTOBUF)
        assert status == 404


class Docker:
    """Answers as Docker's daemon does to `GET /info`, on a socket file."""

    def __init__(self, path):
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({"Name": "docker-host", "OSType": "linux"}).encode()
                self.send_response(200 if self.path == "/info" else 404)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self):
                return "docker"

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

        self.server = Server(str(path), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


AGENT = {
    "processors": {
        "tail_sampling": None,
        "batch": {"timeout": "50ms", "send_batch_size": 1024, "send_batch_max_size": 2048},
        "resourcedetection": {"detectors": ["env", "system", "docker"], "timeout": "5s"},
        "memory_limiter": {"check_interval": "1s", "limit_mib": 512, "spike_limit_mib": 128},
    }
}


def attributes(span_or_resource):
    return {a.key: a.value.string_value for a in span_or_resource.attributes}


def test_an_agent_detects_resources(gateway, backend, rng, tmp_path):
    """The user's agent: resources get what the environment, the host and Docker say; spans stay what they were."""
    docker = Docker(tmp_path / "docker.sock")
    store = backend()
    order = ["memory_limiter", "resourcedetection", "batch"]
    changes = merge(AGENT, {"service": {"pipelines": {"traces": {"processors": order}}}})
    environment = {
        "DOCKER_HOST": f"unix://{tmp_path}/docker.sock",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test,service.name=never",
    }
    sent = [spans.trace(rng, 4) for _ in range(20)]
    try:
        with gateway({"otlp": otlp(store, compression="gzip")}, changes=changes, environment=environment) as node:
            send(node, [spans.request(one) for one in sent])
            store.wait_for_spans(80)
            assert node.settle()["passed_through"] == 80
    finally:
        docker.close()
    store.assert_exactly([one for trace in sent for one in trace])
    for request in store.requests():
        for resource in request.message.resource_spans:
            found = attributes(resource.resource)
            assert found["deployment.environment"] == "test" and found["os.type"] == "linux" and found["host.name"]
            # `override` is on by default, as in the Collector.
            assert found["service.name"] == "never"


def test_a_detector_that_fails_stops_the_start(gateway, backend, tmp_path):
    order = ["resourcedetection"]
    changes = merge(AGENT, {"service": {"pipelines": {"traces": {"processors": order}}}})
    node = gateway([backend()], changes=changes, environment={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    with pytest.raises(AssertionError, match="docker"):
        node.start()


def test_head_sampling_in_the_agent(gateway, backend, rng):
    """`probabilistic_sampler` drops whole traces, and the ledger says how many spans: `filtered`."""
    store = backend()
    changes = merge(
        AGENT,
        {
            "processors": {"resourcedetection": None, "probabilistic_sampler": {"sampling_percentage": 25, "hash_seed": 22}},
            "service": {"pipelines": {"traces": {"processors": ["memory_limiter", "probabilistic_sampler", "batch"]}}},
        },
    )
    sent = [spans.trace(rng, 3) for _ in range(400)]
    with gateway([store], changes=changes) as node:
        send(node, [spans.request([one for trace in part for one in trace]) for part in (sent[:200], sent[200:])])
        ledger = node.wait_for_ledger(lambda l: l["accepted"] == 1200)
        store.wait_for_spans(ledger["passed_through"])
        ledger = node.settle()
        assert ledger["passed_through"] + ledger["filtered"] == 1200 and ledger["passed_through"] % 3 == 0
        # 400 traces at 25 %: five standard deviations are 43.
        assert abs(ledger["passed_through"] / 3 - 100) < 44
    kept = {s.trace_id for s in store.spans()}
    store.assert_exactly([one for trace in sent for one in trace if one.trace_id in kept])


def test_processors_before_and_behind_sampling(gateway, backend, rng):
    """What is edited before sampling is seen by the policies; what is edited behind it is on kept spans alone."""
    store = backend()
    changes = {
        "processors": {
            "attributes/mark": {"actions": [{"key": "mark", "value": "keep", "action": "insert"}], "include": {"match_type": "strict", "span_names": ["marked"]}},
            "resource/region": {"attributes": [{"key": "region", "value": "eu", "action": "upsert"}]},
        },
        "service": {
            "pipelines": {"traces": {"processors": ["attributes/mark", "tail_sampling", "resource/region", "batch"]}},
        },
    }
    policies = [{"name": "marked", "type": "string_attribute", "string_attribute": {"key": "mark", "values": ["keep"]}}]
    yes, no = ([spans.trace(rng, 3) for _ in range(10)] for _ in range(2))
    for one in yes:
        one[1].name = "marked"
    with gateway([store], policies=policies, changes=changes) as node:
        send(node, [spans.request(one) for one in yes + no])
        store.wait_for_spans(30)
        ledger = node.settle()
        assert ledger["sampled"] == 30 and ledger["not_sampled"] == 30
    assert {s.trace_id for s in store.spans()} == {one.trace_id for trace in yes for one in trace}
    for request in store.requests():
        for resource in request.message.resource_spans:
            assert attributes(resource.resource)["region"] == "eu" and attributes(resource.resource)["service.name"] == "shop"
    assert all(attributes(s).get("mark") == ("keep" if s.name == "marked" else None) for s in store.spans())


def test_resources_of_metrics_are_edited(gateway, backend):
    store = backend()
    changes = {
        "processors": {"resource/region": {"attributes": [{"key": "region", "value": "eu", "action": "upsert"}]}},
        "exporters": {"otlp/m": otlp(store)},
        "service": {
            "pipelines": {"traces": {"exporters": ["otlp/a"]}, "metrics": pipeline(["otlp/m"], ["resource/region", "batch"])},
        },
    }
    with gateway({"otlp/a": otlp(backend())}, changes=changes) as node:
        body = metrics_request("shop", ["m"]).SerializeToString()
        status, _, _ = curl(f"http://127.0.0.1:{node.http_port}/v1/metrics", body, content_type=PROTOBUF)
        assert status == 200
        until(lambda: len(store.passed_on["metrics"]) == 1, 20, lambda: "the request")
    made = ExportMetricsServiceRequest.FromString(store.passed_on["metrics"][0])
    assert attributes(made.resource_metrics[0].resource) == {"service.name": "shop", "region": "eu"}
    assert made.resource_metrics[0].scope_metrics[0].metrics[0].name == "m"


@pytest.mark.parametrize(
    "processors, order, message",
    [
        ({"attributes/a": {"actions": [{"key": "k", "from_context": "metadata.x", "action": "insert"}]}}, ["attributes/a", "tail_sampling"], "from_context"),
        ({"probabilistic_sampler": {"sampling_percentage": 5}}, ["tail_sampling", "probabilistic_sampler"], "behind `tail_sampling`"),
        ({"attributes/a": {"actions": [{"key": "k", "action": "remove"}]}}, ["attributes/a", "tail_sampling"], "remove"),
        ({"attributes/a": {"actoins": []}}, ["attributes/a", "tail_sampling"], "did you mean `actions`"),
    ],
)
def test_what_a_processor_cannot_do_is_an_error(gateway, backend, processors, order, message):
    node = gateway([backend()], changes={"processors": processors, "service": {"pipelines": {"traces": {"processors": order}}}})
    with pytest.raises(AssertionError, match=message):
        node.start()
