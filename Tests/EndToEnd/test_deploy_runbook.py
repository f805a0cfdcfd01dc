"""Deploy/RUNBOOK.md: its commands, typed against a cluster that runs, and its procedures, done under traffic."""

import re
import time

import pytest

from harness import spans
from harness.certificates import Authority
from harness.clients import RawClient
from harness.cluster import Cluster
from harness.deploy import DEPLOY, optional_tool, run
from harness.program import tailgate
from harness.traffic import Traffic
from harness.wait import until

RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text()
# Code in running text; a command may go over the end of a line.
CODE = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", re.sub(r"^    .*$", "", RUNBOOK, flags=re.M))]
TRACE = "5b8efff798038103d269b633813fc60c"


def test_links():
    anchors = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", RUNBOOK, re.M)}
    wanted = set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK))
    assert len(wanted) > 15 and wanted <= anchors, wanted - anchors
    for path in re.findall(r"`((?:compose|kubernetes|prometheus)/[\w./-]+)`", RUNBOOK):
        assert (DEPLOY / path).exists(), path


def test_commands_of_tailgate_exist():
    """Subcommands and options."""
    found = {c for c in CODE if re.match(r"tailgate [a-z]", c)}
    assert len(found) >= 8
    for command in found:
        words = command.split()[1:]
        name = [w for w in words if re.fullmatch(r"[a-z]+", w)][: 2 if words[0] == "policy" else 1]
        help_text = tailgate(*name, "--help").stdout
        assert help_text.startswith("OVERVIEW"), command
        for option in re.findall(r"--[a-z-]+", command):
            assert option in help_text, command


def test_commands_are_typed_against_a_cluster(tmp_path, backend):
    """Every `curl` of a node says something, and complains about nothing."""
    optional_tool("jq")
    commands = sorted({c for c in CODE if c.startswith("curl -s") and "NODE/" in c})
    assert len(commands) > 40
    wrong = []
    with Cluster(tmp_path, [backend()], workers=1) as nodes:
        nodes.start()
        nodes.wait_for_ring(0, 1, 2)
        for command in commands:
            text = command.replace("NODE", f"127.0.0.1:{nodes.nodes[0].admin_port}").replace("=ID", f"={TRACE}")
            result = run("bash", "-o", "pipefail", "-c", text, cwd=tmp_path)
            # Nothing but zeros, or nobody in that state, is good news. Only this node has not been silent.
            may_be_silent = "grep -v" in text or "select(" in text or ">" in text
            says = bool(re.sub(r'"silent_seconds": ?null', "", result.stdout).strip()) and result.returncode == 0
            missing = "null" in re.sub(r'"silent_seconds": ?null', "", result.stdout)
            if result.stderr or missing or not (says or may_be_silent):
                wrong.append(f"{command}\n  code {result.returncode}: {result.output[:300]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_certificates_and_tokens_are_rotated(tmp_path, backend, rng):
    """The steps of the runbook, on nodes that check each other: no batch fails meanwhile, and in the end the old is worth nothing."""
    old, new = Authority(tmp_path / "ca", "old"), Authority(tmp_path / "ca", "new")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(old.file.read_bytes())
    pairs = [old.issue(f"node{n}") for n in range(3)]
    tokens = tmp_path / "tokens"
    tokens.write_text("first\n")
    store = backend()
    changes = {
        "extensions": {"bearertokenauth": {"filename": str(tokens)}},
        "service": {"extensions": ["cluster", "bearertokenauth"]},
    }

    def secured(number):
        pair = pairs[number]
        tls = {"cert_file": str(pair.cert_file), "key_file": str(pair.key_file), "ca_file": str(trusted)}
        return {"tls": tls, "auth": {"authenticator": "bearertokenauth"}}

    with Cluster(tmp_path / "nodes", [store], workers=1, decision_wait="300ms", changes=changes) as nodes:
        for number in range(3):
            nodes.settings = secured(number)
            nodes.start(number) if number == 0 else nodes.make(number).launch()
        nodes.wait_for_ring(0, 1, 2)

        def reloads():
            return [n.metrics().value("tailgate_credential_reloads", outcome="taken") for n in nodes.running]

        def step(change):
            """Does it, and waits until all nodes have it. Files are looked at once a second."""
            before = reloads()
            change()
            until(lambda: all(now > then for now, then in zip(reloads(), before)), 15, "all nodes have it")
            time.sleep(1.2)

        def replace(path, data):
            fresh = path.with_suffix(".fresh")
            fresh.write_bytes(data)
            fresh.replace(path)

        with Traffic(nodes.running, lambda: spans.trace(rng, 4)) as traffic:
            step(lambda: replace(tokens, b"first\nsecond\n"))
            step(lambda: replace(tokens, b"second\nfirst\n"))
            step(lambda: replace(tokens, b"second\n"))
            step(lambda: replace(trusted, old.file.read_bytes() + new.file.read_bytes()))
            step(lambda: [pair.become(new.issue(f"renewed{n}")) for n, pair in enumerate(pairs)])
            step(lambda: replace(trusted, new.file.read_bytes()))
        # Who comes now meets the new alone.
        nodes.nodes[2].signal()
        assert nodes.nodes[2].wait(40) == 0
        nodes.settings = secured(2)
        nodes.start(2)
        nodes.wait_for_ring(0, 1, 2)
        nodes.settle()
        figures = [node.metrics() for node in nodes.running]
        for outcome in ("refused", "unknown"):
            assert sum(f.value("tailgate_cluster_forward_attempts", outcome=outcome) for f in figures) == 0
        assert not traffic.refusals
        assert len(traffic.sent) > 100 and len(store.spans()) == len(traffic.sent)
        port = int(nodes.addresses[0].rsplit(":", 1)[1])
        with RawClient(port, authority=new, certificate=pairs[0], host="localhost") as client:
            assert "UNAUTHENTICATED" in str(client.call("/tailgate.v1.Peer/Exchange", b"", metadata=[("authorization", "Bearer first")]).code)
        with RawClient(port, authority=new, certificate=old.issue("late"), host="localhost") as client:
            assert "UNAVAILABLE" in str(client.call("/tailgate.v1.Peer/Exchange", b"").code)
