"""OTLP JSON from protobuf messages, by the protobuf library: what any correct sender could write."""

import base64
import json

from google.protobuf import json_format

IDENTIFIERS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}


def _convert(value, rng):
    """OTLP's exceptions to the mapping: identifiers as hex. And what senders may choose: numbers or texts."""
    if isinstance(value, list):
        return [_convert(one, rng) for one in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, one in value.items():
        if key in IDENTIFIERS:
            one = base64.b64decode(one).hex()
            if rng.random() < 0.2:
                one = one.upper()
        elif key in ("intValue", "int_value", "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano") and rng.random() < 0.3:
            one = int(one)
        elif isinstance(one, int) and not isinstance(one, bool) and rng.random() < 0.2:
            one = str(one)
        else:
            one = _convert(one, rng)
        made[key] = one
    if rng.random() < 0.1:
        made["somethingNew"] = [{"a": [1, 2.5e3, None, True, "x\\u00e9\""]}]
    items = list(made.items())
    if rng.random() < 0.5:
        rng.shuffle(items)
    return dict(items)


def text(message, rng):
    """The message as OTLP JSON, written in one of the ways that the mapping allows."""
    tree = json_format.MessageToDict(
        message,
        preserving_proto_field_name=rng.random() < 0.2,
        use_integers_for_enums=rng.random() < 0.7,
    )
    return json.dumps(_convert(tree, rng), ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, None, 1])).encode()
