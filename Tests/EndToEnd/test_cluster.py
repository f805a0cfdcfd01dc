"""Nodes that form a cluster: every trace comes out whole, through every change."""

import json
import random
import signal
import threading
import time
import urllib.request

import grpc
import pytest
import yaml

from harness import spans
from harness.certificates import Authority
from harness.clients import RawClient
from harness.ports import free_port
from harness.traffic import Load, sink
from harness.wait import until


def totals(ledgers, column):
    return sum(ledger[column] for ledger in ledgers)


def check_whole(seen, reports, lost=0):
    """A sink saw every accepted span once, every trace whole and in one piece."""
    accepted = sum(report["accepted"]["spans"] for report in reports)
    assert accepted > 0
    assert seen["duplicate_spans"] == 0 and seen["split_traces"] == 0, seen
    assert seen["spans"] == accepted - lost, (seen, accepted)
    assert seen["whole_traces"] == seen["traces"], seen


TRAFFIC = ("--spans-per-request", "256", "--rate", "3000")


def test_three_nodes(cluster, backend, rng):
    """Spans of one trace come in at all nodes, and go out of one of them, together."""
    store = backend()
    with cluster([store]) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        traces = [spans.trace(rng, 6) for _ in range(60)]
        clients = [RawClient(node.port) for node in nodes.nodes]
        for number, client in enumerate(clients):
            third = [span for trace in traces for span in trace[number * 2 : number * 2 + 2]]
            client.must_export(spans.request(third))
        ledgers = nodes.settle()
        assert totals(ledgers, "from_peers") == totals(ledgers, "forwarded") > 0
        assert totals(ledgers, "accepted") - totals(ledgers, "from_peers") == 360
        assert all(ledger["sampled"] > 0 for ledger in ledgers)
        got = store.traces()
        assert len(got) == 60 and {len(t) for t in got.values()} == {6}
        assert len(store.ids()) == 360
        # Each trace came in one request: it was decided by one node.
        homes = {}
        for number, request in enumerate(store.requests()):
            for rs in request.message.resource_spans:
                for ss in rs.scope_spans:
                    for span in ss.spans:
                        homes.setdefault(span.trace_id, set()).add(number)
        assert all(len(h) == 1 for h in homes.values())
        # Every node knows who owned it, and the owner knows why it was kept.
        trace = traces[0][0].trace_id.hex()
        owners = {nodes.see(n, trace_id=trace)["trace"]["owner"] for n in range(3)}
        assert len(owners) == 1
        owner = nodes.addresses.index(owners.pop())
        status, body, _ = nodes.nodes[owner].http(f"/v1/traces/{trace}")
        assert status == 200 and json.loads(body)["state"] == "sampled"
        assert json.loads(body)["owner"] == nodes.addresses[owner]
        for client in clients:
            client.__exit__()


def test_under_load(cluster):
    with sink("--spans-per-trace", "8") as store, cluster([store]) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        loads = [Load(node.port, *TRAFFIC, "--seconds", "4") for node in nodes.nodes]
        while any(load.process.poll() is None for load in loads):
            for node in nodes.nodes:
                assert node.ledger()["difference"] == 0
        reports = [load.finish() for load in loads]
        ledgers = nodes.settle()
        accepted = sum(report["accepted"]["spans"] for report in reports)
        assert totals(ledgers, "accepted") - totals(ledgers, "from_peers") == accepted
        assert totals(ledgers, "forwarded") == totals(ledgers, "from_peers") > accepted / 2
        assert totals(ledgers, "handed_off") == 0
        check_whole(store.stop(), reports)


class Clients:
    """Clients that send traces, each in two halves through two nodes, and go to another node when one refuses or leaves."""

    def __init__(self, cluster, rng, count=3, size=8, through=None):
        self.cluster, self.size, self.through = cluster, size, through
        self.acknowledged, self.refused = [], 0
        # Sent again though a node that died may have had them.
        self.repeated = set()
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(rng.getrandbits(64),)) for _ in range(count)]

    def run(self, seed):
        rng = random.Random(seed)
        while not self.stopping.is_set():
            traces = [spans.trace(rng, self.size) for _ in range(20)]
            for half in (slice(0, self.size // 2), slice(self.size // 2, None)):
                self.send(rng, [span for trace in traces for span in trace[half]])

    def send(self, rng, part):
        """Until somebody takes it: a client that gives up would leave half a trace behind."""
        request = spans.request(part)
        for _ in range(300):
            node = rng.choice([self.cluster.nodes[n] for n in self.through] if self.through else self.cluster.running)
            with RawClient(node.port) as client:
                outcome = client.export(request, timeout=5)
            if outcome.ok:
                with self.lock:
                    self.acknowledged += part
                return
            with self.lock:
                self.refused += 1
                if "ocket closed" in (outcome.message or "") or "reset" in (outcome.message or ""):
                    self.repeated |= {(s.trace_id, s.span_id) for s in part}
            # Only what a node is sure not to have may be sent again without making doubles.
            assert outcome.code == grpc.StatusCode.UNAVAILABLE, outcome
            time.sleep(0.1)
        raise AssertionError("nobody takes spans")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def check_store(store, clients):
    """Every acknowledged span arrived once, and every trace in one request."""
    sent = {(s.trace_id, s.span_id) for s in clients.acknowledged}
    assert sent
    got = store.spans()
    assert {(s.trace_id, s.span_id) for s in got} == sent
    assert len(got) == len(sent), "spans came twice"
    homes = {}
    for number, request in enumerate(store.requests()):
        for rs in request.message.resource_spans:
            for ss in rs.scope_spans:
                for span in ss.spans:
                    homes.setdefault(span.trace_id, set()).add(number)
    split = [trace.hex() for trace, where in homes.items() if len(where) > 1]
    assert not split, f"{len(split)} of {len(homes)} traces are split"


def test_rolling_restart(cluster, backend, rng):
    """Each of three nodes leaves and comes back while clients send halves of traces to all of them."""
    store = backend()
    with cluster([store]) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        with Clients(nodes, rng) as clients:
            for number in range(3):
                time.sleep(1.5)
                leaving = nodes.nodes[number]
                leaving.signal()
                assert leaving.wait(40) == 0, leaving.log()[-3000:]
                assert "decided here" not in leaving.log()
                others = [n for n in range(3) if n != number]
                nodes.wait_for_ring(*others)
                nodes.start(number)
                nodes.wait_for_ring(0, 1, 2)
            time.sleep(1)
        ledgers = nodes.settle()
        assert all(d["lost"] == 0 for ledger in ledgers for d in ledger["destinations"].values())
        check_store(store, clients)


def test_from_three_to_five_to_two(cluster, backend, rng):
    """Nodes join and leave the member list, a file; those that are taken out of it go on and hand over what they have."""
    store = backend()
    with cluster([store], 5, resolver="file") as nodes:
        nodes.write_members(0, 1, 2)
        nodes.start(0, 1, 2)
        nodes.wait_for_ring(0, 1, 2)
        with Clients(nodes, rng) as clients:
            time.sleep(1.5)
            for number in (3, 4):
                nodes.make(number).launch()
            nodes.write_members(0, 1, 2, 3, 4)
            nodes.wait_for_ring(0, 1, 2, 3, 4)
            time.sleep(1.5)
            nodes.write_members(3, 4)
            nodes.wait_for_ring(3, 4)
            until(lambda: all(n.ledger()["held"] == 0 for n in nodes.running), 20, "all is handed over")
            time.sleep(1.5)
        ledgers = nodes.settle()
        assert totals(ledgers, "handed_off") > 0
        figures = [node.metrics() for node in nodes.running]
        for name in ("handed_off", "adopted"):
            assert sum(f.value(f"tailgate_cluster_{name}_traces") for f in figures) > 0
        check_store(store, clients)


def test_late_spans_say_which_policy_decided(cluster, backend, rng):
    """A decision moves to the new owner of its trace with the name of the policy that made it."""
    store = backend()
    everything = {"name": "everything", "type": "always_sample"}
    others = [{"name": f"slow {n}", "type": "latency", "latency": {"threshold_ms": 60_000}} for n in range(3)]
    changes = {"processors": {"tail_sampling": {"record_policy": True, "decision_records": 0}}}
    with cluster([store], 2, resolver="file", changes=changes, decision_wait="200ms") as nodes:
        nodes.write_members(0)
        nodes.make(0, policies=[everything]).launch()
        nodes.wait_for_ring(0)
        traces = [spans.trace(rng, 2) for _ in range(200)]
        with RawClient(nodes.nodes[0].port) as client:
            client.must_export(spans.request([root for root, _ in traces]))
            store.wait_for_spans(200)
            # The same policy has another number there.
            nodes.make(1, policies=[*others, everything]).launch()
            nodes.write_members(0, 1)
            nodes.wait_for_ring(0, 1)
            until(lambda: nodes.nodes[1].metrics().value("tailgate_cluster_adopted_decisions") > 50, 10, "the decisions")
            until(lambda: nodes.nodes[0].ledger()["held"] == 0, 10, "nothing under way")
            client.must_export(spans.request([late for _, late in traces]))
        nodes.settle()
        moved = [root for root, _ in traces if nodes.see(0, trace_id=root.trace_id.hex())["trace"]["owner"] == nodes.addresses[1]]
        assert len(moved) > 50
        status, body, _ = nodes.nodes[1].http(f"/v1/traces/{moved[0].trace_id.hex()}")
        assert status == 200 and json.loads(body)["decided_by"] == "everything"
        said = {}
        for request in store.requests(ok=True):
            for rs in request.message.resource_spans:
                for ss in rs.scope_spans:
                    for span in ss.spans:
                        said[span.span_id] = {a.key: a.value for a in ss.scope.attributes}
        for root, late in traces:
            assert said[late.span_id]["tailsampling.policy"].string_value == "everything"
            assert said[late.span_id]["tailsampling.cached_decision"].bool_value is True
            assert said[root.span_id]["tailsampling.policy"].string_value == "everything"


@pytest.mark.alone
def test_a_node_dies(cluster, backend, rng):
    """Peers route around it within seconds; nothing is lost but what it held, and it is taken back when it comes again."""
    store = backend()
    with cluster([store]) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        with Clients(nodes, rng) as clients:
            time.sleep(2)
            dying = nodes.nodes[2]
            dying.process.kill()
            dying.process.wait()
            killed = time.monotonic()
            nodes.wait_for_ring(0, 1)
            assert time.monotonic() - killed < 3
            time.sleep(1)
            nodes.start(2)
            nodes.wait_for_ring(0, 1, 2)
            time.sleep(0.5)
        nodes.settle()
        sent = {(s.trace_id, s.span_id) for s in clients.acknowledged}
        got = [i for s in store.spans() if (i := (s.trace_id, s.span_id)) not in clients.repeated]
        sent -= clients.repeated
        assert len(set(got)) == len(got), "spans came twice"
        assert set(got) <= sent
        # It held what came in its last two seconds and a bit, of which a third was its own.
        assert len(sent) - len(got) < 0.5 * len(sent)


def test_a_node_stands_still(cluster, backend, rng):
    """A stopped process is routed around; when it goes on, what it holds finds its owners, and nothing is lost."""
    store = backend()
    with cluster([store]) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        with Clients(nodes, rng, through=(0, 1)) as clients:
            time.sleep(2)
            nodes.nodes[2].signal(signal.SIGSTOP)
            nodes.wait_for_ring(0, 1)
            time.sleep(4)
            nodes.nodes[2].signal(signal.SIGCONT)
            nodes.wait_for_ring(0, 1, 2)
            time.sleep(1)
        nodes.settle()
        assert "this process was stopped" in nodes.nodes[2].log()
        sent = {(s.trace_id, s.span_id) for s in clients.acknowledged}
        got = [(s.trace_id, s.span_id) for s in store.spans()]
        assert set(got) == sent
        assert len(got) - len(sent) <= len(sent) // 1000


def test_dns(cluster, backend, rng, dnsmasq):
    """Members come from a real name server, which now and then knows nothing."""
    store = backend()
    port = free_port()
    addresses = [f"127.0.0.{n}:{port}" for n in (2, 3, 4)]
    records = [f"host-record=nodes.example,127.0.0.{n}" for n in (2, 3, 4)]
    server = dnsmasq(*records, "txt-record=empty.example,nothing")
    resolver = {"dns": {"hostname": "nodes.example.", "port": port, "servers": [server], "interval": "300ms"}}
    with cluster([store], 0, resolver=resolver) as nodes:
        nodes.addresses, nodes.nodes = addresses, [None] * 3
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        with Clients(nodes, rng) as clients:
            time.sleep(1)
            # Nobody answers, for longer than any interval: the last good list stays.
            dnsmasq.stop(server)
            time.sleep(3)
            assert all(len(nodes.members(n)) == 3 for n in range(3))
            # NXDOMAIN, then a name without addresses.
            dnsmasq(port=int(server.rsplit(":", 1)[1]))
            time.sleep(2)
            dnsmasq.stop(server)
            dnsmasq("txt-record=nodes.example,nothing", port=int(server.rsplit(":", 1)[1]))
            time.sleep(2)
            assert all(len(nodes.members(n)) == 3 for n in range(3))
            dnsmasq.stop(server)
            dnsmasq(*records, port=int(server.rsplit(":", 1)[1]))
            time.sleep(1)
        nodes.settle()
        check_store(store, clients)
        assert any("can't be found out" in n.log() for n in nodes.nodes)


def test_peers_prove_who_they_are(cluster, backend, rng, tmp_path):
    """With `tls` nodes check each other's certificates; with `auth` they show each other a token. Others get nowhere."""
    ca = Authority(tmp_path / "certificates")
    pair = ca.issue("node")
    tls = {"cert_file": str(pair.cert_file), "key_file": str(pair.key_file), "ca_file": str(ca.file)}
    changes = {
        "extensions": {"bearertokenauth": {"token": "between-nodes"}},
        "service": {"extensions": ["cluster", "bearertokenauth"]},
    }
    store = backend()
    secured = {"tls": tls, "auth": {"authenticator": "bearertokenauth"}}
    with cluster([store], 2, cluster=secured, changes=changes) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1)
        with RawClient(nodes.nodes[0].port) as client:
            client.must_export(spans.request([s for _ in range(20) for s in spans.trace(rng, 3)]))
        ledgers = nodes.settle()
        assert totals(ledgers, "forwarded") == totals(ledgers, "from_peers") > 0
        assert len(store.spans()) == 60
        # In plain text, and with a certificate but no token.
        port = int(nodes.addresses[0].rsplit(":", 1)[1])
        with RawClient(port) as client:
            assert client.call("/tailgate.v1.Peer/Exchange", b"").code == grpc.StatusCode.UNAVAILABLE
        with RawClient(port, authority=ca, certificate=pair, host="localhost") as client:
            assert client.call("/tailgate.v1.Peer/Exchange", b"").code == grpc.StatusCode.UNAUTHENTICATED
        assert totals(nodes.ledgers(), "from_peers") == totals(ledgers, "from_peers")


def test_the_port_for_peers(cluster, backend, rng):
    """What is no peer's message is refused with a reason, and counted."""
    store = backend()
    with cluster([store], 1) as nodes:
        nodes.start()
        (node,) = nodes.nodes
        trace = spans.request(spans.trace(rng))
        batch = [("tailgate-batch", "1-0-1"), ("tailgate-hop", "1"), ("tailgate-ring", "1")]
        with RawClient(int(nodes.addresses[0].rsplit(":", 1)[1])) as client:
            assert client.export(trace).code == grpc.StatusCode.INVALID_ARGUMENT
            for path in ("Exchange", "Handoff"):
                for body in (b"", b"\xff\xff\xff", b"\x08\x01", bytes(1000)):
                    outcome = client.call(f"/tailgate.v1.Peer/{path}", body)
                    assert outcome.code == grpc.StatusCode.INVALID_ARGUMENT, (path, body, outcome)
            # A batch is taken once, however often it comes.
            for _ in range(3):
                assert client.export(trace, metadata=batch).ok
        # Peers' calls do not exist where clients come.
        with RawClient(node.port) as client:
            assert client.call("/tailgate.v1.Peer/Exchange", b"").code == grpc.StatusCode.UNIMPLEMENTED
        ledger = node.settle()
        assert ledger["accepted"] == ledger["from_peers"] == 3
        assert len(store.spans()) == 3
        assert node.metrics().value("tailgate_refused_requests", reason="bad_peer_message") == 9


def test_a_node_is_not_ready_without_its_peers(cluster, backend):
    """It waits for those that are listed, for a while; then it goes on without them."""
    store = backend()
    with cluster([store], 2) as nodes:
        node = nodes.make(0)
        node.launch()
        until(lambda: node.http("/healthz")[0] == 200, 20, "the process lives")
        assert node.http("/readyz")[0] == 503
        with RawClient(node.port) as client:
            assert client.export(spans.request([])).code == grpc.StatusCode.UNAVAILABLE
        assert node.metrics().value("tailgate_ready") == 0
        node.wait_until_ready(20)
        assert nodes.members(0) == {nodes.addresses[0]}
        nodes.start(1)
        nodes.wait_for_ring(0, 1)
        metrics = nodes.nodes[1].metrics()
        assert metrics.value("tailgate_cluster_ring_members") == 2
        assert metrics.value("tailgate_cluster_peers", state="serving") == 1
        assert metrics.value("tailgate_cluster_peers_with_other_policies") == 0


def test_policies_of_all_nodes(cluster, backend):
    """Nodes see that a peer judges by other policies; one request has all of them read theirs again."""
    with cluster([backend()], 2) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1)

        def change(node, name):
            node.config["processors"]["tail_sampling"]["policies"] = [{"name": name, "type": "always_sample"}]
            node.config_path.write_text(yaml.safe_dump(node.config))

        def differing(number):
            return [m["address"] for m in nodes.see(number)["members"] if m["policies_differ"]]

        assert differing(0) == differing(1) == []
        change(nodes.nodes[0], "other")
        until(lambda: differing(0) == [nodes.addresses[1]] and differing(1) == [nodes.addresses[0]], 10, "the difference")
        until(lambda: nodes.nodes[0].metrics().value("tailgate_cluster_peers_with_other_policies") == 1, 10, "the metric")
        assert "peer judges by other policies" in nodes.nodes[0].log()
        change(nodes.nodes[1], "other")
        url = f"http://127.0.0.1:{nodes.nodes[0].admin_port}/-/reload?cluster=true"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=20) as answer:
            said = json.loads(answer.read())
        assert said["node"]["result"] == "unchanged"
        (peer,) = said["peers"]
        assert peer["address"] == nodes.addresses[1] and peer["result"] == "ok"
        assert json.loads(peer["says"])["result"] in ("reloaded", "unchanged")
        until(lambda: differing(0) == differing(1) == [], 10, "agreement")
