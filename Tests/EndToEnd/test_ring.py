"""`tailgate ring`: who the members of a cluster are, and who owns a trace."""

import json

import pytest

from harness.program import tailgate
from harness.wait import until

TRACE = "5b8efff798038103d269b633813fc60c"


def configuration(tmp_path, resolver, advertise="127.0.0.1:4319", **more):
    path = tmp_path / "gateway.yaml"
    cluster = {"listen": "127.0.0.1:4319", "advertise": advertise, "resolver": resolver} | more
    path.write_text(json.dumps({"extensions": {"cluster": cluster}, "service": {"extensions": ["cluster"]}}))
    return path


def test_file(tmp_path):
    members = tmp_path / "members.txt"
    members.write_text("# two nodes\n127.0.0.1:4319\n127.0.0.2:4319 # the other\n")
    path = configuration(tmp_path, {"file": {"path": str(members)}})
    result = tailgate("ring", "--config", path, TRACE)
    assert result.returncode == 0, result.output
    assert "2 members" in result.stdout and "(this configuration's node)" in result.stdout
    shown = json.loads(tailgate("ring", "--config", path, TRACE.upper(), "--json").stdout)
    assert [m["address"] for m in shown["members"]] == ["127.0.0.1:4319", "127.0.0.2:4319"]
    assert [m["self"] for m in shown["members"]] == [True, False] and shown["listed"]
    assert sum(m["share"] for m in shown["members"]) == pytest.approx(1)
    assert shown["imbalance"] <= 1.05
    assert shown["trace"]["trace_id"] == TRACE
    assert f"{TRACE} is owned by {shown['trace']['owner']}" in result.stdout
    # Every other order is the same ring; another list is not.
    members.write_text("127.0.0.2:4319\n127.0.0.1:4319\n")
    assert json.loads(tailgate("ring", "--config", path, "--json").stdout)["ring_version"] == shown["ring_version"]
    members.write_text("127.0.0.2:4319\n")
    alone = json.loads(tailgate("ring", "--config", path, TRACE, "--json").stdout)
    assert alone["ring_version"] != shown["ring_version"] and not alone["listed"]
    assert alone["trace"]["owner"] == "127.0.0.2:4319"
    members.write_text("127.0.0.2\n")
    broken = tailgate("ring", "--config", path)
    assert broken.returncode == 69 and 'line 1: "127.0.0.2" has no port' in broken.output


def test_weights(tmp_path):
    members = ["127.0.0.1:4319", "127.0.0.2:4319"]
    path = configuration(tmp_path, {"static": {"members": members}}, weights={members[0]: 3})
    shown = json.loads(tailgate("ring", "--config", path, "--json").stdout)
    assert shown["members"][0]["share"] == pytest.approx(0.75, rel=0.05)


def test_wrong_usage(tmp_path):
    path = configuration(tmp_path, {"static": {"members": ["a:1"]}})
    for trace in ("5b8e", "0" * 32, TRACE + "0"):
        assert tailgate("ring", "--config", path, trace).returncode == 64
    wrong = tailgate("ring", "--config", configuration(tmp_path, {"statik": {}}))
    assert wrong.returncode == 64 and "did you mean `static`?" in wrong.output


def test_dns(tmp_path, dnsmasq):
    addresses = [f"127.0.{n // 200}.{n % 200 + 1}" for n in range(60)]
    server = dnsmasq(
        *[f"host-record=nodes.example,{a}" for a in addresses[:3]],
        *[f"host-record=many.example,{a}" for a in addresses],
        "cname=alias.example,nodes.example",
        "srv-host=_peers._tcp.example,node-1.example,4319",
        "srv-host=_peers._tcp.example,node-2.example,4320",
        "txt-record=empty.example,nothing",
    )

    def ring(kind, hostname, advertise="127.0.0.1:4319"):
        path = configuration(tmp_path, {kind: {"hostname": hostname, "servers": [server], "timeout": "3s"}}, advertise)
        result = tailgate("ring", "--config", path, "--json")
        result.members = [m["address"] for m in json.loads(result.stdout)["members"]] if result.stdout else []
        return result

    until(lambda: ring("dns", "nodes.example.").returncode == 0, 15, "dnsmasq answers")
    assert ring("dns", "nodes.example.").members == sorted(f"{a}:4319" for a in addresses[:3])
    assert ring("dns", "alias.example.").members == sorted(f"{a}:4319" for a in addresses[:3])
    # More than a datagram holds: over TCP.
    assert ring("dns", "many.example.").members == sorted(f"{a}:4319" for a in addresses)
    services = ring("dns_srv", "_peers._tcp.example.", "node-1.example:4319")
    assert services.members == ["node-1.example:4319", "node-2.example:4320"]
    gone = ring("dns", "gone.example.")
    assert gone.returncode == 69 and "NXDOMAIN" in gone.output
    empty = ring("dns", "empty.example.")
    assert empty.returncode == 69 and "has no records" in empty.output
    refused = ring("dns", "elsewhere.test.")
    assert refused.returncode == 69 and "REFUSED" in refused.output
