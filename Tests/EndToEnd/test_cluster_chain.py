"""Gateways behind gateways: edges send to a cluster, the cluster to a central node."""

import contextlib

from harness import spans
from harness.clients import RawClient
from harness.gateway import otlp
from harness.traffic import Load, check_everything_whole, whole_trace_sink
from harness.wait import until


@contextlib.contextmanager
def chain(cluster, gateway, exporters, **edge):
    """Two edges, each with a node of a regional cluster behind it, and a central node behind that. Yields edges and others."""
    with gateway(exporters) as central, cluster({"otlp": otlp(central.endpoint)}, 2, decision_wait="1500ms") as regional:
        regional.start()
        regional.wait_for_ring(0, 1)
        one, two = ({"otlp": otlp(node.endpoint)} for node in regional.nodes)
        with gateway(one, **edge) as first, gateway(two, **edge) as second:
            yield [first, second], regional, central


def settle(edges, regional, central):
    """From the first to the last: what left one is in the next."""
    for node in [*edges, *regional.nodes, central]:
        ledger = node.settle()
        assert all(d["lost"] == 0 for d in ledger["destinations"].values()), ledger


def test_traces_stay_whole(cluster, gateway):
    """Each half of a trace comes through another edge; the cluster unites them, and nobody takes them apart again."""
    with whole_trace_sink() as one, whole_trace_sink() as two:
        exporters = {"otlp/one": otlp(one), "otlp/two": otlp(two)}
        with chain(cluster, gateway, exporters) as (edges, regional, central):
            load = Load([edge.endpoint for edge in edges], "--rate", 20_000, "--seconds", 3, "--spans-per-request", 256)
            report = load.finish()
            settle(edges, regional, central)
            taken = [edge.ledger()["accepted"] for edge in edges]
            assert min(taken) > 10_000 and sum(taken) == report["accepted"]["spans"]
            assert sum(n.ledger()["forwarded"] for n in regional.nodes) > report["accepted"]["spans"] / 4
        check_everything_whole(report, [one, two])


def test_what_was_decided_before_survives(cluster, gateway, backend, rng):
    """Thresholds in `tracestate`, and who kept a trace at the edge, come through three gateways as they were."""
    store = backend()
    changes = {"processors": {"tail_sampling": {"record_policy": True}}}
    policies = [{"name": "kept at the edge", "type": "always_sample"}]
    traces = [spans.trace(rng, 4) for _ in range(30)]
    states = {}
    for number, trace in enumerate(traces):
        for one in trace:
            one.trace_state = f"ot=th:{number:x}8;rv:{number:014x},vendor=v{number}"
            states[one.span_id] = one.trace_state
    with chain(cluster, gateway, [store], policies=policies, changes=changes) as (edges, regional, central):
        for edge, half in zip(edges, (slice(0, 2), slice(2, 4))):
            with RawClient(edge.port) as client:
                client.must_export(spans.request([one for trace in traces for one in trace[half]]))
        until(lambda: len(store.spans()) == len(states), 20, lambda: f"{len(store.spans())} of {len(states)} spans")
        settle(edges, regional, central)
    assert {one.span_id: one.trace_state for one in store.spans()} == states
    homes = {}
    for number, request in enumerate(store.requests()):
        for resource in request.message.resource_spans:
            for scope in resource.scope_spans:
                kept = {a.key: a.value.string_value for a in scope.scope.attributes}
                assert kept["tailsampling.policy"] == "kept at the edge"
                for one in scope.spans:
                    homes.setdefault(one.trace_id, set()).add(number)
    assert len(homes) == len(traces) and all(len(home) == 1 for home in homes.values())
