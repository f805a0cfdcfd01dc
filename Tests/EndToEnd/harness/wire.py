"""A protobuf walker of our own: the tests compare bytes, not only parsed messages."""

from collections import namedtuple

Field = namedtuple("Field", "number wire_type raw payload")

# One span as it was on the wire. The headers are the raw fields of ResourceSpans and ScopeSpans other than their field 2.
WireSpan = namedtuple("WireSpan", "resource_header scope_header span")


def varint(data, at):
    """(value, next index) of the varint at `at`."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def encode_varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def length_delimited(number, payload):
    """A field of wire type 2."""
    return encode_varint(number << 3 | 2) + encode_varint(len(payload)) + payload


def fields(data):
    """The fields of one message, in order, unmerged."""
    at = 0
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            payload, at = varint(data, at)
        elif wire_type == 1:
            payload, at = data[at : at + 8], at + 8
        elif wire_type == 2:
            length, at = varint(data, at)
            payload, at = data[at : at + length], at + length
        elif wire_type == 5:
            payload, at = data[at : at + 4], at + 4
        else:
            raise ValueError(f"wire type {wire_type} at {start}")
        if at > len(data):
            raise ValueError(f"field {number} at {start} is cut off")
        yield Field(number, wire_type, data[start:at], payload)


def spans(request):
    """Every span of an ExportTraceServiceRequest, with its surroundings, as bytes."""
    for resource_spans in (f.payload for f in fields(request) if f.number == 1):
        parts = list(fields(resource_spans))
        resource_header = b"".join(f.raw for f in parts if f.number != 2)
        for scope_spans in (f.payload for f in parts if f.number == 2):
            inner = list(fields(scope_spans))
            scope_header = b"".join(f.raw for f in inner if f.number != 2)
            for span in (f.payload for f in inner if f.number == 2):
                yield WireSpan(resource_header, scope_header, span)
