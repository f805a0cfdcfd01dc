"""Near the memory limit the gateway refuses, early and politely, and throws nothing away."""

import time

import grpc

from harness import spans
from harness.clients import SDK, RawClient
from harness.wait import until

LIMIT_MIB = 96


def limited(**changes):
    return {
        "processors": {"memory_limiter": {"check_interval": "100ms", "limit_mib": LIMIT_MIB, "spike_limit_mib": 16}},
        "service": {"pipelines": {"traces": {"processors": ["memory_limiter", "tail_sampling", "batch"]}}},
    } | changes


def heavy(rng, count=200):
    made = spans.trace(rng, count)
    for one in made:
        one.attributes.append(spans.text("payload", "x" * 4000))
    return made


def test_refuses_and_loses_nothing(gateway, backend, rng):
    store = backend()
    with gateway([store], decision_wait="4s", changes=limited()) as node, RawClient(node.port) as client:
        accepted, refusals = [], []
        deadline = time.monotonic() + 20
        while len(refusals) < 5:
            assert time.monotonic() < deadline, f"no refusal after {len(accepted) * 4 // 1024} MiB of spans"
            trace = heavy(rng)
            outcome = client.export(spans.request(trace), timeout=20)
            if outcome.ok:
                accepted += trace
            else:
                refusals.append(outcome)
        for outcome in refusals:
            assert outcome.code == grpc.StatusCode.UNAVAILABLE, outcome
            assert outcome.retry_delay() > 0, "RetryInfo in grpc-status-details-bin"
            assert outcome.bare_retry_delay() == outcome.retry_delay(), "RetryInfo in google.rpc.retryinfo-bin"
            assert outcome.message
        metrics = node.metrics()
        assert metrics.value("tailgate_refused_requests", reason="memory") >= 5
        # What is refused before it is read has no known number of spans; what came whole has.
        counted = metrics.value("otelcol_receiver_refused_spans", receiver="otlp", transport="grpc")
        assert counted == metrics.value("tailgate_refused_spans", reason="memory")
        assert counted % 200 == 0 and counted <= 5 * 200
        assert len(accepted) * 4096 > 8 << 20, "a limit of 96 MiB leaves room for some spans"
        # The windows pass, memory comes back, and the same client is welcome again.
        trace = heavy(rng)

        def again():
            return client.export(spans.request(trace), timeout=20).ok

        until(again, 40, "room for new spans", every=0.25)
        accepted += trace
        node.settle(60)
    store.assert_exactly(accepted)


def test_the_sdk_comes_through_a_refusal(gateway, backend, rng):
    """The Python exporter waits as long as it is told, and nothing is lost for good."""
    store = backend()
    with gateway([store], decision_wait="2s", changes=limited()) as node:
        with RawClient(node.port) as client:
            deadline = time.monotonic() + 20
            while client.export(spans.request(heavy(rng)), timeout=20).ok:
                assert time.monotonic() < deadline, "no refusal"
        with SDK(node.port, timeout=30) as sdk:
            with sdk.tracer.start_as_current_span("patient") as span:
                wanted = span.get_span_context().trace_id.to_bytes(16, "big")
            sdk.provider.force_flush(40_000)
        until(lambda: wanted in store.traces(), 20, "the span of the SDK", every=0.5)
        node.settle(60)
