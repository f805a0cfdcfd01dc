"""Nodes that form a cluster: what they are to clients and to each other while nothing changes."""

import json
import urllib.request

import grpc
import pytest
import yaml

from harness import spans
from harness.certificates import Authority
from harness.clients import RawClient
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


def test_compressed_between_nodes(cluster, backend, rng):
    """Large requests are compressed on other threads, small ones on the loop; spans come whole either way, and fewer bytes do."""
    store = backend()
    with cluster([store], cluster={"compression": "gzip"}) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        sent = []
        with RawClient(nodes.nodes[0].port) as client:
            for count in (1, 200, 1, 400):
                part = [span for _ in range(count) for span in spans.trace(rng, 4)]
                for span in part:
                    span.attributes.append(spans.text("payload", "x" * 500))
                client.must_export(spans.request(part))
                sent += part
        ledgers = nodes.settle()
        assert totals(ledgers, "from_peers") == totals(ledgers, "forwarded") > len(sent) // 2
        received = sum(node.metrics().value("tailgate_received_body_bytes", encoding="gzip") for node in nodes.nodes[1:])
        assert 0 < received < 500 * totals(ledgers, "forwarded") / 4
    store.assert_exactly(sent)


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
            owners = {root.trace_id: nodes.see(0, trace_id=root.trace_id.hex())["trace"]["owner"] for root, _ in traces}
            moved = [root for root, _ in traces if owners[root.trace_id] == nodes.addresses[1]]
            assert len(moved) > 50
            # All of them: a late span that comes before its trace's decision is judged anew.
            until(
                lambda: nodes.nodes[1].metrics().value("tailgate_cluster_adopted_decisions") >= len(moved), 10, "the decisions"
            )
            until(lambda: nodes.nodes[0].ledger()["held"] == 0, 10, "nothing under way")
            client.must_export(spans.request([late for _, late in traces]))
        nodes.settle()
        status, body, _ = nodes.nodes[1].http(f"/v1/traces/{moved[0].trace_id.hex()}")
        assert status == 200 and json.loads(body)["decided_by"] == "everything"
        said = store.scope_attributes()
        for root, late in traces:
            assert said[late.span_id]["tailsampling.policy"].string_value == "everything"
            assert said[late.span_id]["tailsampling.cached_decision"].bool_value is True
            assert said[root.span_id]["tailsampling.policy"].string_value == "everything"
