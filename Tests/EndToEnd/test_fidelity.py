"""What leaves is what came in: field by field through a real protobuf library, and byte for byte."""

import pytest

from harness import spans, wire
from harness.clients import RawClient
from harness.wire import length_delimited


def by_id(wire_spans):
    """Spans as bytes, by (trace id, span id)."""
    found = {}
    for one in wire_spans:
        parts = {f.number: f.payload for f in wire.fields(one.span) if f.number in (1, 2)}
        key = parts[1], parts[2]
        assert key not in found, "a span arrived twice"
        found[key] = one
    return found


def messages(requests):
    """(resource, its schema url, scope, its schema url, span) of every span, by id, as parsed messages."""
    return {
        (s.trace_id, s.span_id): (r.resource, r.schema_url, c.scope, c.schema_url, s)
        for request in requests
        for r in request.resource_spans
        for c in r.scope_spans
        for s in c.spans
    }


def test_every_field_of_every_message(gateway, backend, rng):
    one, two = backend(), backend()
    sent = [spans.rich_request(rng) for _ in range(40)]
    wanted = messages(sent)
    with gateway([one, two]) as node, RawClient(node.port) as client:
        for index, request in enumerate(sent):
            client.must_export(request, gzip=index % 2 == 1)
        for store in (one, two):
            store.wait_for_spans(len(wanted))
        node.settle()
    raw = by_id(w for r in sent for w in wire.spans(r.SerializeToString()))
    for store in (one, two):
        got = messages(r.message for r in store.requests(ok=True))
        assert got.keys() == wanted.keys()
        for key, parts in wanted.items():
            for name, mine, theirs in zip(("resource", "schema url", "scope", "scope's schema url", "span"), parts, got[key]):
                assert mine == theirs, f"{name} of {key} differs"
        assert by_id(store.wire_spans()) == raw, "the bytes differ"


def test_unknown_fields_stay_byte_for_byte(gateway, backend, rng):
    """Unknown fields of every wire type, in every message on the way down to the span."""
    store = backend()

    def unknown(number):
        return (
            wire.encode_varint(number << 3 | 0)
            + wire.encode_varint(rng.getrandbits(60))
            + wire.encode_varint((number + 1) << 3 | 1)
            + rng.randbytes(8)
            + length_delimited(number + 2, rng.randbytes(rng.randrange(200)))
            + wire.encode_varint((number + 3) << 3 | 5)
            + rng.randbytes(4)
        )

    trace = spans.trace(rng, 4)
    inner = b"".join(
        length_delimited(2, s.SerializeToString() + unknown(500) + length_delimited(9, unknown(77))) for s in trace
    )
    scope = length_delimited(1, spans.InstrumentationScope(name="lib").SerializeToString() + unknown(50))
    scope_spans = length_delimited(2, unknown(40) + scope + inner + unknown(60))
    resource = length_delimited(1, unknown(90) + spans.Resource(attributes=[spans.text("service.name", "x")]).SerializeToString())
    request = unknown(20) + length_delimited(1, unknown(30) + scope_spans + resource + unknown(31)) + unknown(21)

    with gateway([store]) as node, RawClient(node.port) as client:
        client.must_export(request)
        store.wait_for_spans(4)
        node.settle()
    assert by_id(store.wire_spans()) == by_id(wire.spans(request))


def test_fields_in_reverse_order_and_twice(gateway, backend, rng):
    """Order is free in protobuf; of a singular field that comes twice, the last one counts."""
    store = backend()
    trace = spans.trace(rng, 2, status=spans.ERROR)
    reversed_spans = []
    for one in trace:
        parts = [f.raw for f in wire.fields(one.SerializeToString())]
        decoys = length_delimited(1, rng.randbytes(16)) + length_delimited(5, b"first name")
        reversed_spans.append(decoys + b"".join(reversed(parts)))
    scope_spans = b"".join(length_delimited(2, s) for s in reversed_spans) + length_delimited(
        1, spans.InstrumentationScope(name="last").SerializeToString()
    )
    resource = length_delimited(1, spans.Resource(attributes=[spans.text("service.name", "x")]).SerializeToString())
    request = length_delimited(1, length_delimited(2, scope_spans) + resource)
    with gateway([store]) as node, RawClient(node.port) as client:
        client.must_export(request)
        store.wait_for_spans(2)
        node.settle()
    assert store.ids() == spans.ids(trace)
    assert [s.name for s in store.spans()] == [s.name for s in trace]


def test_hundred_deep_attributes(gateway, backend, rng):
    """Deeper than protobuf libraries parse: refused or passed on, but never at the cost of other spans."""
    store = backend()
    deep = b"\x0a\x03end"  # AnyValue.string_value
    for _ in range(100):
        deep = length_delimited(5, length_delimited(1, deep))  # AnyValue.array_value.values
    attribute = length_delimited(9, length_delimited(1, b"deep") + length_delimited(2, deep))
    poison = spans.span(rng.randbytes(16), rng).SerializeToString() + attribute
    honest = spans.trace(rng, 3)
    body = length_delimited(1, length_delimited(2, length_delimited(2, poison)))
    with gateway([store]) as node, RawClient(node.port) as client:
        answer = client.export(body)
        client.must_export(spans.request(honest))
        assert answer.code.name in ("OK", "INVALID_ARGUMENT"), answer
        node.settle()
    arrived = {(s.trace_id, s.span_id) for r in store.requests(ok=True) for s in _tolerant_spans(r)}
    assert spans.ids(honest) <= arrived, "a span that nobody can parse took honest spans with it"


def _tolerant_spans(request):
    try:
        return request.spans()
    except Exception:  # the protobuf library refuses the depth
        return []


@pytest.mark.parametrize(
    "bad, repaired",
    [
        (b"caf\xe9", "caf\ufffd"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"ok\xf0\x9f\x98", None),
        (b"\xed\xa0\x80", None),
        (b"\xc0\xaf", None),
    ],
)
def test_invalid_utf8_is_repaired(gateway, backend, rng, bad, repaired):
    """A strict backend rejects a whole batch for one bad string: the gateway replaces what is not UTF-8 by U+FFFD."""
    store = backend()
    trace_id = rng.randbytes(16)
    attribute = length_delimited(9, length_delimited(1, b"key") + length_delimited(2, length_delimited(1, bad)))
    name = length_delimited(5, b"name " + bad)
    broken = spans.span(trace_id, rng).SerializeToString() + attribute + name
    honest = spans.trace(rng, 3)
    body = (
        length_delimited(1, length_delimited(2, length_delimited(2, broken)))
        + spans.request(honest).SerializeToString()
    )
    with gateway([store]) as node, RawClient(node.port) as client:
        client.must_export(body)
        store.wait_for_request()
        node.settle()
    arrived = store.traces()  # parses strictly
    assert set(arrived) == {trace_id, honest[0].trace_id}
    got = arrived[trace_id][0]
    values = {a.key: a.value.string_value for a in got.attributes}
    assert "\ufffd" in values["key"] and got.name.startswith("name ") and "\ufffd" in got.name
    if repaired:
        assert (values["key"], got.name) == (repaired, "name " + repaired)


def test_invalid_utf8_in_the_resource_is_repaired(gateway, backend, rng):
    store = backend()
    trace = spans.trace(rng, 2)
    bad = length_delimited(1, length_delimited(1, b"service.name") + length_delimited(2, length_delimited(1, b"sh\xffp")))
    inner = b"".join(length_delimited(2, s.SerializeToString()) for s in trace)
    with gateway([store]) as node, RawClient(node.port) as client:
        client.must_export(length_delimited(1, length_delimited(1, bad) + length_delimited(2, inner)))
        store.wait_for_request()
        node.settle()
    resource = store.requests()[0].message.resource_spans[0].resource
    assert resource.attributes[0].value.string_value == "sh\ufffdp"
    assert store.ids() == spans.ids(trace)


def test_requests_of_many_megabytes(gateway, backend, rng):
    """Spans of every size in one request: those over a MiB are rejected alone, all others arrive."""
    store = backend()
    small = [spans.trace(rng, 8) for _ in range(1000)]
    large = [spans.span(rng.randbytes(16), rng) for _ in range(12)]
    for one in large:
        # Text of which gzip leaves about half: what shrinks to a hundredth is taken for a bomb.
        one.attributes.append(spans.text("payload", rng.randbytes(450 << 10).hex()))
    huge = spans.span(rng.randbytes(16), rng)
    huge.attributes.append(spans.text("payload", rng.randbytes(5 << 19).hex()))
    taken = [s for t in small for s in t] + large
    with gateway([store], decision_wait="1s") as node, RawClient(node.port) as client:
        for gzip in (False, True):
            outcome = client.export(spans.request(taken + [huge]), gzip=gzip, timeout=30)
            assert outcome.ok and outcome.response.partial_success.rejected_spans == 1, outcome
            store.wait_for_spans(len(taken), timeout=30)
            if not gzip:
                node.settle()
                store.assert_exactly(taken)
        node.settle()
    assert max(len(r.raw) for r in store.requests()) <= 3.5 * 1024 * 1024


def test_resource_of_a_megabyte(gateway, backend, rng):
    """A resource too large to be kept beside every span: its spans are rejected, the others of the request are not."""
    store = backend()
    request = spans.request(spans.trace(rng, 3))
    request.resource_spans[0].resource.attributes.append(spans.text("environment", "x" * (1 << 20)))
    honest = spans.trace(rng, 3)
    request.resource_spans.extend(spans.request(honest).resource_spans)
    with gateway([store]) as node, RawClient(node.port) as client:
        outcome = client.export(request)
        assert outcome.ok, outcome
        node.settle()
    if outcome.response.partial_success.rejected_spans:
        assert outcome.response.partial_success.rejected_spans == 3
        store.assert_exactly(honest)
    else:
        assert len(store.spans()) == 6
