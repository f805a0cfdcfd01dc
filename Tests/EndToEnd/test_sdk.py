"""Traces of the OpenTelemetry SDK, through the gateway, to two backends."""

import pytest
from opentelemetry.trace import Status, StatusCode

from harness.clients import SDK
from harness.gateway import ERRORS


@pytest.mark.parametrize("gzip", [False, True], ids=["identity", "gzip"])
def test_kept_traces_arrive_whole_at_both_backends(gateway, backend, gzip):
    one, two = backend(), backend()
    kept, others = set(), set()
    with gateway([one, two], policies=ERRORS) as node, SDK(node.port, gzip=gzip) as sdk:
        for index in range(60):
            with sdk.tracer.start_as_current_span("GET /cart") as root:
                root.set_attribute("user.id", f"u-{index}")
                for step in range(4):
                    with sdk.tracer.start_as_current_span(f"step {step}") as child:
                        child.add_event("tried", {"attempt": step})
                        if index % 5 == 0 and step == 3:
                            child.set_status(Status(StatusCode.ERROR, "no stock"))
            (kept if index % 5 == 0 else others).add(root.get_span_context().trace_id.to_bytes(16, "big"))
        sdk.flush()
        for store in (one, two):
            store.wait_for_spans(12 * 5)
        ledger = node.settle()
        assert ledger["accepted"] == 300
        assert ledger["sampled"] == 60
        assert ledger["not_sampled"] == 240
    for store in (one, two):
        traces = store.traces()
        assert set(traces) == kept
        assert all(len(t) == 5 for t in traces.values())
        for request in store.requests():
            for resource_spans in request.message.resource_spans:
                names = {a.key: a.value.string_value for a in resource_spans.resource.attributes}
                assert names["service.name"] == "checkout"
                assert names["telemetry.sdk.language"] == "python"
                assert {s.scope.name for s in resource_spans.scope_spans} == {"tailgate.tests"}


def test_equal_resources_are_merged(gateway, backend):
    store = backend()
    with gateway([store]) as node, SDK(node.port) as sdk:
        for _ in range(50):
            with sdk.tracer.start_as_current_span("only"):
                pass
        sdk.flush()
        store.wait_for_spans(50)
        node.settle()
    for request in store.requests():
        assert len(request.message.resource_spans) == 1, "fifty spans of one service need one ResourceSpans"
        assert len(request.message.resource_spans[0].scope_spans) == 1


@pytest.mark.parametrize("compression", ["gzip", "none", None], ids=["gzip", "none", "default"])
def test_compression_of_exports(gateway, backend, compression):
    """gzip is the default, as in the Collector. A real gRPC server takes both."""
    store = backend()
    settings = {
        "endpoint": store.endpoint,
        "tls": {"insecure": True},
        **({"compression": compression} if compression else {}),
    }
    with gateway({"otlp": settings}) as node, SDK(node.port) as sdk:
        for index in range(100):
            with sdk.tracer.start_as_current_span(f"operation {index}"):
                pass
        sdk.flush()
        assert len(store.wait_for_spans(100)) == 100
        ledger = node.settle()
        assert ledger["destinations"]["otlp"]["sent"] == 100
