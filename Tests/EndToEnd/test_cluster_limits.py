"""`scope: cluster`: the nodes of a cluster share a rate, as demand has it."""

import collections
import http.client
import json
import time

import grpc
import pytest

from harness import spans
from harness.gateway import merge
from harness.program import tailgate
from harness.traffic import Traffic
from harness.wait import until

GOAL = 300
SIZE = 10
LIMIT = [
    {"name": "cap", "type": "rate_limiting", "rate_limiting": {"spans_per_second": GOAL, "burst_capacity": GOAL, "scope": "cluster"}}
]


def owned(nodes, rng, counts):
    """So many trace ids of each node, by its address, as the nodes say."""
    found = collections.defaultdict(list)
    connection = http.client.HTTPConnection("127.0.0.1", nodes.nodes[0].admin_port)
    while any(len(found[address]) < count for address, count in counts.items()):
        trace = rng.randbytes(16)
        connection.request("GET", f"/v1/cluster?trace_id={trace.hex()}")
        found[json.loads(connection.getresponse().read())["trace"]["owner"]].append(trace)
    connection.close()
    return found


def demand(nodes, rng, ids, rates):
    """Clients that ask for so many traces per second of each owner, through whichever node is there."""
    ids = {address: iter(traces) for address, traces in ids.items()}
    began, sent = time.monotonic(), collections.Counter()

    def due():
        elapsed = time.monotonic() - began
        part = []
        for address, rate in rates.items():
            while sent[address] < elapsed * rate:
                sent[address] += 1
                part += spans.trace(rng, SIZE, trace_id=next(ids[address]))
        return part

    return Traffic(lambda: nodes.running, due, every=0.05)


def kept(store, since, until_):
    """Spans per second that a backend took in between."""
    return sum(len(r.spans()) for r in store.requests() if since <= r.at < until_) / (until_ - since)


def limits(nodes, number):
    return nodes.see(number)["limits"]


def series(nodes, figure, policy="cap"):
    """What the running nodes' metrics say of a policy's rate, by node."""
    name = f"tailgate_cluster_rate_{figure}_ratio"
    return [sample.value for node in nodes.running for sample in node.metrics().matching(name, policy=policy)]


@pytest.mark.alone
def test_the_total_is_the_goal(cluster, backend, rng):
    """Ten times as much is asked of one node as of the others: the sinks see the goal, also after that node dies."""
    store = backend()
    with cluster([store], decision_wait="500ms", policies=LIMIT) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        # Before anything is asked for, shares are even.
        for number in range(3):
            (limit,) = limits(nodes, number)
            assert limit["policy"] == "cap" and limit["goal_per_second"] == GOAL and limit["nodes"] == 3
            assert limit["share"] == pytest.approx(1 / 3, abs=0.001)
        rates = dict(zip(nodes.addresses, (100, 10, 10)))
        ids = owned(nodes, rng, {address: 25 * rate for address, rate in rates.items()})
        with demand(nodes, rng, ids, rates) as traffic:
            time.sleep(4)
            since = time.monotonic()
            time.sleep(6)
            total = kept(store, since, time.monotonic())
            assert total == pytest.approx(GOAL, rel=0.05)
            seen = [limits(nodes, number)[0] for number in range(3)]
            assert [limit["share"] for limit in seen] == pytest.approx([10 / 12, 1 / 12, 1 / 12], abs=0.03)
            for limit in seen:
                assert limit["cluster_offered_per_second"] == pytest.approx(1200, rel=0.1)
                assert limit["cluster_passed_per_second"] == pytest.approx(GOAL, rel=0.1)
            assert series(nodes, "share") == pytest.approx([10 / 12, 1 / 12, 1 / 12], abs=0.03)
            assert sum(series(nodes, "share")) == pytest.approx(1, abs=0.02)
            assert series(nodes, "demand") == pytest.approx([1000 / GOAL, 100 / GOAL, 100 / GOAL], rel=0.25)
            assert sum(series(nodes, "passed")) == pytest.approx(1, rel=0.1)
            (policy,) = json.loads(nodes.nodes[0].http("/v1/policies")[1])["policies"]
            (shared,) = policy["state"][0]["cluster"]
            assert shared["goal_per_second"] == GOAL and shared["share"] == pytest.approx(10 / 12, abs=0.03)
            assert shared["offered"] > 3 * shared["consumed"] > 0

            dead, nodes.nodes[0] = nodes.nodes[0], None
            dead.kill()
            nodes.wait_for_ring(1, 2)
            time.sleep(3)
            since = time.monotonic()
            time.sleep(5)
            total = kept(store, since, time.monotonic())
            assert total == pytest.approx(GOAL, rel=0.05)
            seen = [limits(nodes, number)[0] for number in (1, 2)]
            assert sum(limit["share"] for limit in seen) == pytest.approx(1, abs=0.03)
            assert all(limit["nodes"] == 2 for limit in seen)
            assert sum(series(nodes, "share")) == pytest.approx(1, abs=0.03)
        # While nobody had noticed that a node was dead.
        assert {refusal.code for refusal in traffic.refusals} <= {grpc.StatusCode.UNAVAILABLE}


def test_other_policies_are_other_limits(cluster, backend):
    """A node with another rate does not count, until it has the same; what is the same in both lists is shared throughout."""
    other = merge(LIMIT[0], {"rate_limiting": {"spans_per_second": 100}})
    same = merge(LIMIT[0], {"name": "same"})

    def shared(policy):
        """(goal, share, nodes that share) of each node, of the newest such limit."""
        found = [next(limit for limit in limits(nodes, number) if limit["policy"] == policy) for number in range(2)]
        return [(limit["goal_per_second"], limit["share"], limit["nodes"]) for limit in found]

    with cluster([backend()], 2, policies=[*LIMIT, same]) as nodes:
        nodes.make(0).launch()
        nodes.make(1, policies=[same, other]).launch()
        nodes.wait_for_ring(0, 1)
        until(lambda: shared("cap") == [(GOAL, 1, 1), (100, 1, 1)], 10, "each by itself")
        until(lambda: shared("same") == [(GOAL, 0.5, 2)] * 2, 10, "both together")
        assert series(nodes, "share") == [1, 1] and series(nodes, "share", "same") == [0.5, 0.5]
        node = nodes.nodes[1]
        node.config["processors"]["tail_sampling"]["policies"] = [*LIMIT, same]
        node.config_path.write_text(json.dumps(node.config))
        until(lambda: shared("cap") == shared("same") == [(GOAL, 0.5, 2)] * 2, 10, "both together")
        assert series(nodes, "share") == series(nodes, "share", "same") == [0.5, 0.5]


def test_without_a_cluster(gateway, backend, tmp_path):
    """A node that is alone has the whole rate, and says so."""
    with gateway([backend()], policies=LIMIT) as node:
        assert "rate_limiting.scope: warning: `extensions.cluster` is not in use: this node is alone" in node.log()
        (policy,) = json.loads(node.http("/v1/policies")[1])["policies"]
        (shared,) = policy["state"][0]["cluster"]
        assert shared["goal_per_second"] == GOAL and shared["share"] == 1
        checked = tailgate("validate", "--config", node.config_path)
        assert checked.returncode == 0 and "has the whole rate" in checked.output
        broken = tmp_path / "broken.yaml"
        broken.write_text(node.config_path.read_text().replace("scope: cluster", "scope: clustre"))
        checked = tailgate("validate", "--config", broken)
        assert checked.returncode == 64 and "did you mean `cluster`?" in checked.output
