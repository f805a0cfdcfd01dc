"""Which traces are kept: against an evaluation of our own. Late spans. Punctuality."""

import time

import pytest

from harness import spans
from harness.calm import calm_seconds
from harness.clients import RawClient
from harness.gateway import ALWAYS, ERRORS, NEVER
from harness.sampling import VECTORS, has_status, latency_ms, probabilistic
from harness.wait import holds, until


def send(client, rng, all_spans, size=200):
    """Spans in random order, so that every trace is spread over several requests."""
    shuffled = all_spans[:]
    rng.shuffle(shuffled)
    for part in spans.chunks(shuffled, size):
        client.must_export(spans.request(part))


def run(gateway, backend, rng, traces, policies, expected, **options):
    """Sends the traces, and asserts that exactly those of `expected` arrive, whole."""
    one, two = backend(), backend()
    sent = [s for trace in traces.values() for s in trace]
    kept = [s for trace_id in expected for s in traces[trace_id]]
    with gateway([one, two], policies=policies, **options) as node, RawClient(node.port) as client:
        send(client, rng, sent)
        ledger = node.settle()
        assert ledger["accepted"] == len(sent)
        assert ledger["sampled"] == len(kept)
    one.assert_exactly(kept)
    two.assert_exactly(kept)
    return ledger


def test_errors_latency_and_a_share_of_the_rest(gateway, backend, rng):
    policies = [
        {"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
        {"name": "slow", "type": "latency", "latency": {"threshold_ms": 1000}},
        {"name": "share", "type": "probabilistic", "probabilistic": {"sampling_percentage": 10}},
    ]
    traces = {}
    for _ in range(400):
        made = spans.trace(
            rng,
            rng.randrange(1, 8),
            status=rng.choices([spans.UNSET, spans.OK, spans.ERROR], [8, 8, 1])[0],
            milliseconds=rng.choices([5, 999, 1000, 4000], [20, 1, 1, 1])[0],
        )
        traces[made[0].trace_id] = made
    expected = {
        i
        for i, t in traces.items()
        if has_status(t, {spans.ERROR}) or latency_ms(t) >= 1000 or probabilistic(i, 10)
    }
    assert 30 < len(expected) < 250
    run(gateway, backend, rng, traces, policies, expected)


@pytest.mark.parametrize("percentage, column", [(1, 0), (10, 1), (25, 2), (50, 3), (75, 4), (90, 5)])
def test_probabilistic_vectors(gateway, backend, rng, percentage, column):
    """The reference's vectors for the default salt, and a thousand random ids."""
    traces = {
        bytes.fromhex(t): spans.trace(rng, 1, trace_id=bytes.fromhex(t))
        for salt, t, _ in VECTORS
        if not salt and set(t) != {"0"}
    }
    expected = {bytes.fromhex(t) for salt, t, kept in VECTORS if not salt and set(t) != {"0"} and kept[column] == "Y"}
    for _ in range(1000):
        trace_id = rng.randbytes(16)
        traces[trace_id] = spans.trace(rng, 1, trace_id=trace_id)
        if probabilistic(trace_id, percentage):
            expected.add(trace_id)
    policies = [{"name": "share", "type": "probabilistic", "probabilistic": {"sampling_percentage": percentage}}]
    run(gateway, backend, rng, traces, policies, expected)


def test_probabilistic_salt(gateway, backend, rng):
    traces = {bytes.fromhex(t): spans.trace(rng, 1, trace_id=bytes.fromhex(t)) for s, t, _ in VECTORS if s == "my-salt"}
    expected = {bytes.fromhex(t) for s, t, kept in VECTORS if s == "my-salt" and kept[1] == "Y"}
    for _ in range(300):
        trace_id = rng.randbytes(16)
        traces[trace_id] = spans.trace(rng, 1, trace_id=trace_id)
        if probabilistic(trace_id, 10, "my-salt"):
            expected.add(trace_id)
    block = {"sampling_percentage": 10, "hash_salt": "my-salt"}
    run(gateway, backend, rng, traces, [{"name": "salted", "type": "probabilistic", "probabilistic": block}], expected)


NEAR = [
    (1, "d9abc3c5016183540fe4c783d991d87f", "f940fff6952038193848657dd38f5c0f"),
    (10, "d8708f1ddd91c74626e5c01ef15334d3", "f9686b08a9f7db56866bd980eeca7d8e"),
    (50, "d4f38dd68cea7c720f9fb72ea1651687", "0b335518bab6f129db5d267791164408"),
]


@pytest.mark.parametrize("percentage, inside, outside", NEAR)
def test_probabilistic_next_to_the_threshold(gateway, backend, rng, percentage, inside, outside):
    inside, outside = bytes.fromhex(inside), bytes.fromhex(outside)
    traces = {i: spans.trace(rng, 2, trace_id=i) for i in (inside, outside)}
    policies = [{"name": "share", "type": "probabilistic", "probabilistic": {"sampling_percentage": percentage}}]
    run(gateway, backend, rng, traces, policies, {inside})


@pytest.mark.parametrize(
    "codes", [["ERROR"], ["OK"], ["UNSET"], ["ERROR", "OK"], ["OK", "UNSET"]], ids=lambda c: "+".join(c)
)
def test_status_code(gateway, backend, rng, codes):
    numbers = {"UNSET": 0, "OK": 1, "ERROR": 2}
    wanted = {numbers[c] for c in codes}
    traces = {}
    for _ in range(60):
        made = spans.trace(rng, rng.randrange(1, 5))
        for one in made:
            one.status.code = rng.choices([0, 1, 2], [1, 1, 1])[0]
        traces[made[0].trace_id] = made
    expected = {i for i, t in traces.items() if has_status(t, wanted)}
    policies = [{"name": "codes", "type": "status_code", "status_code": {"status_codes": codes}}]
    run(gateway, backend, rng, traces, policies, expected)


def test_latency_bounds(gateway, backend, rng):
    """Without an upper bound the threshold is inclusive; with one the lower bound is exclusive, the upper one inclusive."""
    traces = {}
    for milliseconds in (0, 1, 99, 100, 101, 499, 500, 501, 3000):
        made = spans.trace(rng, 1, milliseconds=milliseconds)
        traces[made[0].trace_id] = made
    open_ended = {i for i, t in traces.items() if latency_ms(t) >= 500}
    run(gateway, backend, rng, traces, [{"name": "slow", "type": "latency", "latency": {"threshold_ms": 500}}], open_ended)
    window = {i for i, t in traces.items() if 100 < latency_ms(t) <= 500}
    block = {"threshold_ms": 100, "upper_threshold_ms": 500}
    run(gateway, backend, rng, traces, [{"name": "window", "type": "latency", "latency": block}], window)


def test_latency_counts_from_first_start_to_last_end(gateway, backend, rng):
    """A trace of short spans is slow when they are far apart, whatever the order they come in."""
    apart, together = rng.randbytes(16), rng.randbytes(16)
    traces = {
        apart: [
            spans.span(apart, rng, start=spans.START + 2_000 * spans.MILLISECOND),
            spans.span(apart, rng, start=spans.START),
        ],
        together: [spans.span(together, rng, start=spans.START + i * spans.MILLISECOND) for i in range(3)],
    }
    run(gateway, backend, rng, traces, [{"name": "slow", "type": "latency", "latency": {"threshold_ms": 2000}}], {apart})


def test_a_trace_over_many_connections(gateway, backend, rng):
    """Whatever connection a span comes in on, one shard decides the whole trace."""
    store = backend()
    trace = spans.trace(rng, 32, status=spans.ERROR)
    with gateway([store], policies=ERRORS, decision_wait="1s") as node:
        for one in trace:
            with RawClient(node.port) as client:
                client.must_export(spans.request([one]))
        store.wait_for_spans(32)
        node.settle()
    store.assert_exactly(trace)


def test_late_spans_follow_the_decision(gateway, backend, rng):
    one, two = backend(), backend()
    kept, dropped = spans.trace(rng, 3, status=spans.ERROR), spans.trace(rng, 3)
    with gateway([one, two], policies=ERRORS) as node, RawClient(node.port) as client:
        client.must_export(spans.request(kept + dropped))
        one.wait_for_spans(3)
        ledger = node.wait_for_ledger(lambda l: l["buffered"] == 0)
        assert ledger["not_sampled"] == 3
        late_kept = spans.span(kept[0].trace_id, rng, name="late")
        late_dropped = spans.span(dropped[0].trace_id, rng, name="late", status=spans.ERROR)
        client.must_export(spans.request([late_kept, late_dropped]))
        for store in (one, two):
            store.wait_for_spans(4)
        ledger = node.settle()
        assert ledger["sampled"] == 4
        assert ledger["not_sampled"] == 4
    for store in (one, two):
        store.assert_exactly(kept + [late_kept])


def test_decision_is_punctual(gateway, backend, rng):
    """Nothing is decided before decision_wait, and the decision comes soon after."""
    store = backend()
    with gateway([store], decision_wait="2s", changes={"processors": {"batch": {"timeout": "10ms"}}}) as node:
        with RawClient(node.port) as client:
            begin = time.monotonic()
            client.must_export(spans.request(spans.trace(rng)))
            after = time.monotonic()
            holds(lambda: not store.requests(), 2.0 - (time.monotonic() - begin) - 0.1, "silence at the backend")
            received = store.wait_for_request()[0]
            assert received.at - begin >= 1.99
            # The promise is 100 ms; the rest is for a busy test machine.
            assert calm_seconds(after, received.at) < 3.0
        node.settle()


def test_the_window_counts_from_the_first_span(gateway, backend, rng):
    store = backend()
    trace = spans.trace(rng, 3)
    with gateway([store], decision_wait="1500ms") as node, RawClient(node.port) as client:
        begin = time.monotonic()
        for one in trace:
            client.must_export(spans.request([one]))
            until(lambda: time.monotonic() - begin > 0.4 * (trace.index(one) + 1))
        store.wait_for_spans(3)
        decided = store.requests()[0].at
        assert 1.49 <= decided - begin and calm_seconds(begin, decided) < 2.6
        node.settle()
    store.assert_exactly(trace)


def test_nothing_kept(gateway, backend, rng):
    store = backend()
    traces = [spans.trace(rng) for _ in range(50)]
    with gateway([store], policies=NEVER) as node, RawClient(node.port) as client:
        client.must_export(spans.request([s for t in traces for s in t]))
        ledger = node.settle()
        assert ledger["not_sampled"] == 150
    assert not store.requests()


def test_everything_kept_in_bulk(gateway, backend, rng):
    """Forty thousand spans over two connections; requests to the backends stay under their size limits."""
    one, two = backend(max_message_bytes=4 << 20), backend(max_message_bytes=4 << 20)
    all_spans = []
    with gateway([one, two], policies=ALWAYS, decision_wait="1s") as node:
        with RawClient(node.port) as a, RawClient(node.port) as b:
            for index in range(40):
                part = [s for _ in range(125) for s in spans.trace(rng, 8)]
                all_spans += part
                (a if index % 2 else b).must_export(spans.request(part), gzip=index % 4 == 0)
        ledger = node.settle(60)
        assert ledger["accepted"] == ledger["sampled"] == len(all_spans) == 40_000
    for store in (one, two):
        store.assert_exactly(all_spans)
        assert max(len(r.raw) for r in store.requests()) <= 3.5 * 1024 * 1024
        whole = [len(t) for t in store.traces().values()]
        assert set(whole) == {8}
