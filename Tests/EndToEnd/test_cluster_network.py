"""A cluster whose network is cut: nodes lose each other, and clients do not notice."""

import time

import pytest

from harness.network import network_or_skip
from harness.ports import free_port
from harness.traffic import SteadyLoad, check_nothing_lost, whole_trace_sink
from harness.wait import until


@pytest.fixture
def network():
    with network_or_skip(3) as made:
        yield made


@pytest.fixture
def stores(network):
    with whole_trace_sink(host=network.host) as one, whole_trace_sink(host=network.host) as two:
        yield [one, two]


def nodes_on(network, cluster, stores, **options):
    port = free_port()
    return cluster(
        stores,
        addresses=[f"{network.peer_address(number)}:{port}" for number in range(network.count)],
        place=lambda number: {"host": network.client_address(number), "launcher": network.launcher(number)},
        **options,
    )


def accepted(nodes):
    return sum(ledger["accepted"] - ledger["from_peers"] for ledger in nodes.ledgers())


def flows(nodes, spans):
    before = accepted(nodes)
    until(lambda: accepted(nodes) >= before + spans, 30, "traffic")


def cut(network):
    network.cut(2)


def heal(network):
    network.heal(2)


def one_way(network):
    network.lose(2, 0)
    network.lose(2, 1)


def both_ways(network):
    network.find(2, 0)
    network.find(2, 1)


@pytest.mark.parametrize(("breaks", "mends"), [(cut, heal), (one_way, both_ways)], ids=["cut", "one way"])
def test_a_node_is_cut_off(network, cluster, stores, breaks, mends):
    """For some seconds a node has no peers, and as many clients as before.

    Both sides take spans and hold traces that are the other's, too. They find together before the time of these has come, or
    while decisions wait for the silent (`silencePatience`).
    """
    with nodes_on(network, cluster, stores, decision_wait="6s") as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        load = SteadyLoad([node.endpoint for node in nodes.nodes])
        flows(nodes, 30_000)
        breaks(network)
        broken = time.monotonic()
        nodes.wait_for_ring(0, 1)
        nodes.wait_for_ring(2)
        time.sleep(max(0, broken + 3 - time.monotonic()))
        mends(network)
        nodes.wait_for_ring(0, 1, 2)
        flows(nodes, 10_000)
        report = load.stop()
        for ledger in nodes.settle():
            assert all(d["lost"] == 0 for d in ledger["destinations"].values()), ledger
        check_nothing_lost(report, stores, nodes.nodes)
