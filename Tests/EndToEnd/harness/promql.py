"""Which metrics and labels PromQL expressions name, and whether a node has them."""

import re
from dataclasses import dataclass, field

import promql_parser
from promql_parser import AggregateExpr, BinaryExpr, Call, MatrixSelector, ParenExpr, SubqueryExpr, UnaryExpr, VectorSelector

# What Prometheus and its service discovery add to every series.
TARGET_LABELS = {"job", "instance", "namespace", "pod"}
# Series that Prometheus makes itself, with their labels.
OWN_SERIES = {"up": TARGET_LABELS}


@dataclass
class Named:
    """What an expression names."""

    # metric -> labels that are matched on it
    metrics: dict = field(default_factory=dict)
    # labels of by, without, on, ignoring, group_left
    labels: set = field(default_factory=set)


def names(expression):
    """Parses, which is a check of its own, and walks."""
    found = Named()
    _walk(promql_parser.parse(expression), found)
    return found


def _walk(node, found):
    match node:
        case VectorSelector():
            found.metrics.setdefault(node.name, set()).update(m.name for m in node.matchers.matchers)
        case MatrixSelector():
            _walk(node.vector_selector, found)
        case AggregateExpr():
            _walk(node.expr, found)
            if node.modifier:
                found.labels.update(node.modifier.labels)
        case BinaryExpr():
            _walk(node.lhs, found)
            _walk(node.rhs, found)
            # on (a), ignoring (a), group_left (a): the modifier's own text says which.
            for group in re.findall(r"(?:on|ignoring|group_left|group_right)\s*\(([^)]*)\)", str(node.modifier or "")):
                found.labels.update(filter(None, (label.strip() for label in group.split(","))))
        case Call():
            for argument in node.args:
                _walk(argument, found)
            literals = [re.sub(r'^"|"$', "", str(a)) for a in node.args]
            if node.func.name in ("label_replace", "label_join"):
                found.labels.add(literals[1])
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            _walk(node.expr, found)


def series_labels(metrics):
    """{name of a series: its labels} of a scrape, with what Prometheus adds."""
    known = {name: set(labels) for name, labels in OWN_SERIES.items()}
    for sample in metrics.samples:
        known.setdefault(sample.name, set(TARGET_LABELS)).update(sample.labels)
    return known


def problems(expression, known):
    """What an expression names that `known` does not have."""
    found, wrong, made = names(expression), [], set()
    if "label_replace" in expression:
        made = set(re.findall(r'label_replace\([^"]*"(\w+)"', expression))
    everything = set().union(*(known.get(m, set()) for m in found.metrics)) | made
    for metric, labels in found.metrics.items():
        if metric not in known:
            wrong.append(f"there is no metric {metric}")
        elif labels - known[metric]:
            wrong.append(f"{metric} has no label {', '.join(sorted(labels - known[metric]))}")
    if found.labels - everything:
        wrong.append(f"no metric here has the label {', '.join(sorted(found.labels - everything))}")
    return [f"{w} in: {expression}" for w in wrong]
