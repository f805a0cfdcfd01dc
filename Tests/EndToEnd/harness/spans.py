"""Spans and requests of every shape."""

import string

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

START = 1_760_000_000_000_000_000
MILLISECOND = 1_000_000

UNSET, OK, ERROR = 0, 1, 2


def text(key, value):
    return KeyValue(key=key, value=AnyValue(string_value=value))


def number(key, value):
    return KeyValue(key=key, value=AnyValue(int_value=value))


def span(trace_id, rng, *, name="operation", parent=b"", start=START, milliseconds=5, status=UNSET, **fields):
    """One plausible span."""
    made = Span(
        trace_id=trace_id,
        span_id=rng.randbytes(8),
        parent_span_id=parent,
        name=name,
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + milliseconds * MILLISECOND,
        attributes=[text("http.route", "/cart/{id}"), number("http.response.status_code", 200)],
        **fields,
    )
    if status:
        made.status.code = status
    return made


def trace(rng, spans=3, *, trace_id=None, status=UNSET, milliseconds=5, **fields):
    """A root and its children; `status` and `milliseconds` are those of the last span."""
    trace_id = trace_id or rng.randbytes(16)
    made = [span(trace_id, rng, name="root")]
    for index in range(1, spans):
        made.append(span(trace_id, rng, name=f"child {index}", parent=made[0].span_id, **fields))
    made[-1].status.code = status
    made[-1].end_time_unix_nano = made[-1].start_time_unix_nano + milliseconds * MILLISECOND
    return made


def request(spans, service="shop", scope="shop.http"):
    """One request with one resource and one scope."""
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=[text("service.name", service)]),
                scope_spans=[ScopeSpans(scope=InstrumentationScope(name=scope, version="1.0"), spans=spans)],
            )
        ]
    )


def chunks(spans, size):
    """The spans in slices of `size`."""
    return [spans[at : at + size] for at in range(0, len(spans), size)]


def ids(spans):
    """(trace id, span id) of each span."""
    return {(s.trace_id, s.span_id) for s in spans}


# --- every kind of content -------------------------------------------------------------------------------------------


def any_value(rng, depth=3):
    """A value of a random kind; lists and maps nest down to `depth`."""
    kind = rng.randrange(9 if depth > 0 else 7)
    if kind == 0:
        return AnyValue()
    if kind == 1:
        return AnyValue(string_value=words(rng))
    if kind == 2:
        return AnyValue(string_value="")
    if kind == 3:
        return AnyValue(bool_value=rng.random() < 0.5)
    if kind == 4:
        return AnyValue(int_value=rng.choice([0, 1, -1, 2**63 - 1, -(2**63), rng.getrandbits(40)]))
    if kind == 5:
        return AnyValue(double_value=rng.choice([0.0, -0.0, 1.5, 1e308, 5e-324, float("inf"), rng.random()]))
    if kind == 6:
        return AnyValue(bytes_value=rng.randbytes(rng.randrange(20)))
    made = AnyValue()
    if kind == 7:
        made.array_value.SetInParent()
        made.array_value.values.extend(any_value(rng, depth - 1) for _ in range(rng.randrange(4)))
    else:
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(key_value(rng, depth - 1) for _ in range(rng.randrange(4)))
    return made


def words(rng):
    """Text with one-, two-, three- and four-byte characters."""
    return "".join(rng.choice(string.ascii_letters + " äß€漢😀\n\"\\\x01") for _ in range(rng.randrange(30)))


def key_value(rng, depth=3):
    return KeyValue(key=words(rng), value=any_value(rng, depth))


def rich_span(trace_id, rng):
    """A span that uses every field of the message."""
    start = rng.getrandbits(62)
    return Span(
        trace_id=trace_id,
        span_id=rng.randbytes(8),
        trace_state=rng.choice(["", "ot=th:8", "a=1,b=2", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"]),
        parent_span_id=rng.choice([b"", rng.randbytes(8)]),
        name=words(rng),
        kind=rng.randrange(6),
        start_time_unix_nano=start,
        end_time_unix_nano=start + rng.getrandbits(32),
        attributes=[key_value(rng) for _ in range(rng.randrange(12))],
        dropped_attributes_count=rng.choice([0, 1, 2**32 - 1]),
        events=[
            Span.Event(
                time_unix_nano=rng.getrandbits(63),
                name=words(rng),
                attributes=[key_value(rng) for _ in range(rng.randrange(3))],
                dropped_attributes_count=rng.randrange(3),
            )
            for _ in range(rng.randrange(4))
        ],
        dropped_events_count=rng.randrange(3),
        links=[
            Span.Link(
                trace_id=rng.randbytes(16),
                span_id=rng.randbytes(8),
                trace_state=rng.choice(["", "x=y"]),
                attributes=[key_value(rng) for _ in range(rng.randrange(3))],
                dropped_attributes_count=rng.randrange(3),
                flags=rng.choice([0, 1, 0x301, 2**32 - 1]),
            )
            for _ in range(rng.randrange(4))
        ],
        dropped_links_count=rng.randrange(3),
        status=rng.choice([None, Status(), Status(code=1), Status(code=2, message=words(rng))]),
        flags=rng.choice([0, 1, 0x301, 2**32 - 1]),
    )


def rich_request(rng, traces=6, resources=3):
    """A request whose traces are spread over several resources and scopes with every field of those."""
    trace_ids = [rng.randbytes(16) for _ in range(traces)]
    made = ExportTraceServiceRequest()
    for _ in range(resources):
        resource_spans = made.resource_spans.add(schema_url=rng.choice(["", "https://opentelemetry.io/schemas/1.44.0"]))
        resource_spans.resource.attributes.extend([text("service.name", f"service {rng.randrange(5)}")])
        resource_spans.resource.attributes.extend(key_value(rng) for _ in range(rng.randrange(5)))
        resource_spans.resource.dropped_attributes_count = rng.randrange(3)
        for _ in range(rng.randrange(1, 4)):
            scope_spans = resource_spans.scope_spans.add(schema_url=rng.choice(["", "https://example.org/scope/2"]))
            scope_spans.scope.name = words(rng)
            scope_spans.scope.version = rng.choice(["", "1.2.3"])
            scope_spans.scope.attributes.extend(key_value(rng) for _ in range(rng.randrange(3)))
            scope_spans.scope.dropped_attributes_count = rng.randrange(3)
            scope_spans.spans.extend(rich_span(rng.choice(trace_ids), rng) for _ in range(rng.randrange(1, 6)))
    return made
