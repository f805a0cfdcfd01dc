"""A cluster through every change: nodes leave, come, die, stand still, and traces come out whole.

Steady traffic of some ten thousand spans a second goes to all nodes, half of each trace to one node and half to another. Two
sinks look at every trace id: was it whole, in one piece, once?
"""

import signal
import time

import pytest

from harness.calm import calm_seconds
from harness.dns import Relay
from harness.ports import free_port
from harness.traffic import SteadyLoad, check_everything_whole, check_nothing_lost, whole_trace_sink
from harness.wait import holds, until


@pytest.fixture
def stores():
    with whole_trace_sink() as one, whole_trace_sink() as two:
        yield [one, two]


def endpoints(nodes):
    return [node.endpoint for node in nodes.nodes]


def taken(nodes):
    """Spans that clients have handed to the nodes that run now."""
    return sum(ledger["accepted"] - ledger["from_peers"] for ledger in nodes.ledgers())


def flows(nodes, spans=10_000):
    """Waits until so many more spans have come in."""
    before = taken(nodes)
    until(lambda: taken(nodes) >= before + spans, 30, "traffic")


def nothing_given_up(nodes):
    for ledger in nodes.settle():
        assert all(d["lost"] == 0 for d in ledger["destinations"].values()), ledger


def test_rolling_restart(cluster, stores):
    """Each of three nodes leaves and comes back."""
    with cluster(stores) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        load = SteadyLoad(endpoints(nodes))
        for number in range(3):
            flows(nodes, 20_000)
            leaving = nodes.nodes[number]
            leaving.signal()
            assert leaving.wait(40) == 0, leaving.log()[-3000:]
            assert "decided here" not in leaving.log()
            nodes.start(number)
            nodes.wait_for_ring(0, 1, 2)
        flows(nodes)
        report = load.stop()
        nothing_given_up(nodes)
        check_everything_whole(report, stores)


def test_from_three_to_five_to_two(cluster, stores):
    """Nodes join and leave the member list, a file. Those that were taken out of it are stopped later, all at once."""
    with cluster(stores, 5, resolver="file") as nodes:
        nodes.write_members(0, 1, 2)
        for number in (3, 4):
            nodes.make(number)
        nodes.start(0, 1, 2)
        nodes.wait_for_ring(0, 1, 2)
        load = SteadyLoad(endpoints(nodes))
        flows(nodes, 30_000)
        for number in (3, 4):
            nodes.nodes[number].launch()
        nodes.write_members(0, 1, 2, 3, 4)
        nodes.wait_for_ring(0, 1, 2, 3, 4)
        flows(nodes, 30_000)
        nodes.write_members(3, 4)
        nodes.wait_for_ring(3, 4)
        flows(nodes)
        figures = [node.metrics() for node in nodes.nodes]
        for name in ("handed_off", "adopted"):
            assert sum(f.value(f"tailgate_cluster_{name}_traces") for f in figures) > 100
        for number in (0, 1, 2):
            nodes.nodes[number].signal()
        for number in (0, 1, 2):
            assert nodes.nodes[number].wait(40) == 0, nodes.nodes[number].log()[-3000:]
        flows(nodes)
        report = load.stop()
        nothing_given_up(nodes)
        check_everything_whole(report, stores)


def test_dns(cluster, stores, dnsmasq):
    """The same through a real name server, which now and then knows nothing, tells half, is slow, or is away."""
    port = free_port()
    hosts = [f"127.0.0.{n}" for n in (2, 3, 4, 5, 6)]

    def records(*numbers):
        return [f"host-record=nodes.example,{hosts[n]}" for n in numbers]

    server = dnsmasq(*records(0, 1, 2))

    def serve(*records):
        dnsmasq.stop(server)
        dnsmasq(*records, port=int(server.rsplit(":", 1)[1]))

    with Relay(server) as relay:
        resolver = {
            "dns": {"hostname": "nodes.example.", "port": port, "servers": [relay.address], "interval": "200ms", "timeout": "1s"}
        }
        with cluster(stores, 5, resolver=resolver, addresses=[f"{host}:{port}" for host in hosts]) as nodes:
            for number in (3, 4):
                nodes.make(number)
            nodes.start(0, 1, 2)
            nodes.wait_for_ring(0, 1, 2)
            load = SteadyLoad(endpoints(nodes))
            flows(nodes)

            def disturb(members):
                """For a while each: no answer, an answer after the time-out, NXDOMAIN, a name without addresses, half the truth."""

                def unmoved():
                    return all(nodes.members(n) == {nodes.addresses[m] for m in members} for n in members)

                relay.is_silent = True
                holds(unmoved, 1.2, "the last good list")
                relay.is_silent, relay.delay = False, 1.1
                holds(unmoved, 1.3, "the last good list")
                relay.delay = 0
                for answers in ([], ["txt-record=nodes.example,nothing"], records(members[0])):
                    serve(*answers)
                    asked = relay.answers
                    until(lambda: relay.answers >= asked + 2 * len(members), 10, "answers")
                    assert unmoved()

            disturb((0, 1, 2))
            for number in (3, 4):
                nodes.nodes[number].launch()
            relay.delay = 0.4
            serve(*records(0, 1, 2, 3, 4))
            nodes.wait_for_ring(0, 1, 2, 3, 4)
            flows(nodes)
            serve(*records(3, 4))
            nodes.wait_for_ring(3, 4)
            flows(nodes)
            report = load.stop()
            nothing_given_up(nodes)
            check_everything_whole(report, stores)
            assert any("can't be found out" in node.log() for node in nodes.nodes)


@pytest.mark.alone
def test_a_node_dies(cluster, stores):
    """Peers route around it within seconds; nothing is lost but what it held, and it is taken back when it comes again."""
    with cluster(stores) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        load = SteadyLoad(endpoints(nodes))
        flows(nodes, 60_000)
        dying = nodes.nodes[2]
        begun = time.monotonic()
        held = dying.ledger()
        dying.process.kill()
        killed = time.monotonic()
        dying.process.wait()
        nodes.wait_for_ring(0, 1)
        noticed = time.monotonic()
        assert calm_seconds(killed, noticed) < 3
        flows(nodes)
        nodes.start(2)
        nodes.wait_for_ring(0, 1, 2)
        flows(nodes)
        report = load.stop()
        nothing_given_up(nodes)
        repeated = report["unanswered"]["spans"] + sum(
            node.metrics().value("tailgate_cluster_possibly_duplicated_spans") for node in nodes.nodes
        )
        # What it had when it was asked, and what came meanwhile.
        bound = held["buffered"] + held["held"] + max(d["queued"] for d in held["destinations"].values())
        assert bound > 0
        bound += (killed - begun) * load.rate
        assert report["given_up"]["requests"] == 0, report
        for seen in [store.stop() for store in stores]:
            lost = report["accepted"]["spans"] - (seen["spans"] - seen["duplicate_spans"])
            assert 0 <= lost <= bound, (lost, bound, seen)
            assert seen["duplicate_spans"] <= repeated, (repeated, seen)
            # What is left of traces of which it held a part; the longer its peers do not get to notice its death, the more.
            meanwhile = (noticed - begun) * load.rate / 8
            assert seen["split_traces"] + seen["late_traces"] <= 0.001 * seen["traces"] + 0.05 * meanwhile, (meanwhile, seen)


@pytest.mark.slow
def test_a_node_stands_still(cluster, stores):
    """A process that is stopped for ten seconds is routed around; when it goes on, what it holds finds its owners.

    What it has not answered, clients send to others. `decision_wait` is longer than they wait for an answer: what comes later
    than that is late for reasons of theirs.
    """
    with cluster(stores, decision_wait="6s") as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        load = SteadyLoad(endpoints(nodes), "--timeout", "2s", "--spans-per-request", "64")
        flows(nodes, 40_000)
        nodes.nodes[2].signal(signal.SIGSTOP)
        stopped = time.monotonic()
        nodes.wait_for_ring(0, 1)
        time.sleep(max(0, stopped + 10 - time.monotonic()))
        nodes.nodes[2].signal(signal.SIGCONT)
        nodes.wait_for_ring(0, 1, 2)
        flows(nodes)
        report = load.stop()
        nothing_given_up(nodes)
        assert "this process was stopped" in nodes.nodes[2].log()
        check_nothing_lost(report, stores, nodes.nodes)
