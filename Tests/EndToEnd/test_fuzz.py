"""Broken requests by the thousand, the same ones in every run. Whatever is taken must be readable by a strict backend."""

import pytest

from harness import spans, wire
from harness.clients import RawClient
from harness.http2 import RawHTTP2, frame_message

ROUNDS = 1500


def mutate(data, rng):
    """A few wrong bytes."""
    made = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(made) + 1)
        kind = rng.randrange(6)
        if kind == 0 and made:
            made[at % len(made)] ^= 1 << rng.randrange(8)
        elif kind == 1 and made:
            made[at % len(made)] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif kind == 2:
            made[at:at] = rng.randbytes(rng.randrange(1, 5))
        elif kind == 3:
            del made[at : at + rng.randrange(1, 9)]
        elif kind == 4:
            piece = made[at : at + rng.randrange(1, 40)]
            made[at:at] = piece
        else:
            del made[at:]
    return bytes(made)


def mutate_inside(data, rng):
    """Wrong bytes inside a span, under lengths that are right: the envelope stays whole."""
    request = b""
    for resource_spans in wire.fields(data):
        inner = b""
        for part in wire.fields(resource_spans.payload):
            if part.number == 2:
                scope = b""
                for field in wire.fields(part.payload):
                    broken = field.number == 2 and rng.random() < 0.5
                    scope += wire.length_delimited(2, mutate(field.payload, rng)) if broken else field.raw
                inner += wire.length_delimited(2, scope)
            else:
                inner += part.raw
        request += wire.length_delimited(1, inner)
    return request


@pytest.mark.parametrize("how", [mutate, mutate_inside], ids=["anywhere", "inside spans"])
def test_mutated_requests(gateway, backend, rng, how):
    store = backend()
    seeds = [spans.rich_request(rng, traces=2, resources=1).SerializeToString() for _ in range(20)]
    taken = 0
    with gateway([store]) as node, RawClient(node.port) as client:
        for _ in range(ROUNDS):
            outcome = client.export(how(rng.choice(seeds), rng), gzip=rng.random() < 0.1)
            assert outcome.code.name in ("OK", "INVALID_ARGUMENT"), outcome
            taken += outcome.ok
        honest = spans.trace(rng, 5)
        client.must_export(spans.request(honest))
        node.settle()
        assert node.process.poll() is None
    assert 0 < taken < ROUNDS
    for request in store.requests():
        request.spans()  # a strict parser reads every request that left
        for one in request.spans():
            assert len(one.trace_id) == 16 and any(one.trace_id)
            assert len(one.span_id) == 8 and any(one.span_id)
    assert spans.ids(honest) <= store.ids()


def test_mutated_http2(gateway, backend, rng):
    """The same one floor lower: wrong bytes in frames."""
    store = backend()
    message = frame_message(spans.request(spans.trace(rng, 2)).SerializeToString())
    with gateway([store]) as node:
        for _ in range(300):
            with RawHTTP2(node.port, preface=False) as raw:
                raw.connection.initiate_connection()
                stream = raw.connection.get_next_available_stream_id()
                raw.connection.send_headers(stream, raw.headers())
                raw.connection.send_data(stream, message, end_stream=True)
                raw.send_raw(mutate(raw.connection.data_to_send(), rng))
        honest = spans.trace(rng, 5)
        with RawClient(node.port) as client:
            client.must_export(spans.request(honest))
        node.settle()
    assert spans.ids(honest) <= store.ids()
