"""Files that fail, and things that are no files: full disks, torn lines, pipes and devices where a file is expected."""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

import pytest
import yaml

from harness import spans
from harness.certificates import Authority
from harness.clients import RawClient
from harness.gateway import ALWAYS, NEVER, binary, check_ledger
from harness.program import tailgate
from harness.wait import until


def file_exporter(path, append=True):
    return {"file": {"path": str(path), "append": append}}


def spans_of(line):
    """Ids of the spans of a line that is whole."""
    found = json.loads(line)
    return [span["spanId"] for r in found["resourceSpans"] for s in r["scopeSpans"] for span in s["spans"]]


def check_file(path, sent, others=()):
    """Every line but `others` is whole, and all spans that count as sent are there, once."""
    lines = path.read_text().splitlines()
    for line in others:
        lines.remove(line)
    seen = sorted(one for line in lines for one in spans_of(line))
    assert seen == sorted(span.span_id.hex() for span in sent)


def send(client, rng, count=20, size=1000):
    """A request of `count` spans, of about `size` bytes each; returns them."""
    trace = spans.trace(rng, count)
    for span in trace:
        span.name = "x" * size
    client.must_export(spans.request(trace))
    return trace


def fill(node, client, rng, what):
    """Sends until the exporter fails; returns what was sent."""
    sent, deadline = [], time.monotonic() + 60
    while "export attempt failed" not in node.log():
        assert time.monotonic() < deadline, "nothing failed"
        sent += send(client, rng)
        time.sleep(0.05)
    assert what in node.log()
    return sent


def test_a_file_at_its_size_limit(gateway, rng, tmp_path):
    """What the limit of the process (`ulimit -f`) cuts off is taken back, tried again, and whole in the end."""
    path = tmp_path / "kept.jsonl"
    with gateway(file_exporter(path)) as node, RawClient(node.port) as client:
        _, hard = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (200_001, hard))
        sent = fill(node, client, rng, "File too large")
        waiting = node.ledger()
        assert waiting["destinations"]["file"]["queued"] > 0 and waiting["destinations"]["file"]["lost"] == 0
        sent_by_now = waiting["destinations"]["file"]["sent"]
        until(lambda: path.read_bytes().endswith(b"\n"), 5, "the torn part to be taken back")
        assert sum(len(spans_of(line)) for line in path.read_text().splitlines()) == sent_by_now
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        node.settle()
    check_file(path, sent)


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk(gateway, rng, tmp_path):
    """The disk is full, and is emptied: no line is broken, none is lost."""
    with small_disk(tmp_path / "disk", "512k") as disk:
        path, ballast = disk / "kept.jsonl", disk / "ballast"
        ballast.write_bytes(bytes(300_000))
        with gateway(file_exporter(path)) as node, RawClient(node.port) as client:
            sent = fill(node, client, rng, "No space left on device")
            ballast.unlink()
            node.settle()
        check_file(path, sent)


def test_a_node_that_was_killed_while_it_wrote(gateway, rng, tmp_path):
    """The torn line stays what it is; what comes after it begins on a line of its own, and `policy plan` reads all of that."""
    path, torn = tmp_path / "kept.jsonl", '{"resourceSpans":[{"resource":{"attributes":[{"key":"a'
    with gateway(file_exporter(path)) as node, RawClient(node.port) as client:
        sent = send(client, rng)
    with path.open("a") as file:
        file.write(torn)
    with gateway(file_exporter(path)) as node, RawClient(node.port) as client:
        assert "the file ends within a line" in node.log()
        sent += send(client, rng)
    check_file(path, sent, others=[torn])
    policies = tmp_path / "policies.yaml"
    policies.write_text(yaml.safe_dump({"policies": ALWAYS}))
    plan = tailgate("policy", "plan", "--candidate", policies, "--traces", path, "--format", "json")
    assert plan.returncode == 0, plan.output
    report = json.loads(plan.stdout)
    assert report["total"]["spans"] == len(sent), report
    assert "1 damaged line was passed over" in plan.output


def test_a_pipe_that_nobody_empties(gateway, rng, tmp_path):
    """The node takes spans, ends in time, and says what it could not deliver."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        changes = {"service": {"shutdown_timeout": "2s"}}
        with gateway(file_exporter(path), changes=changes, balanced=False) as node, RawClient(node.port) as client:
            for _ in range(20):
                send(client, rng)
            until(lambda: "export attempt failed" in node.log(), 20, "a full pipe")
            ledger = node.ledger()
            check_ledger(ledger)
            assert ledger["accepted"] == 400
            node.stop(timeout=20)
            assert "lost" in node.log() and "difference=0" in node.log()
    finally:
        os.close(reader)


def test_a_pipe_that_nobody_reads_is_refused_at_start(gateway, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    node = gateway(file_exporter(path)).launch()
    assert node.wait(20) == 69
    assert f"exporter file: cannot open {path} for writing: it is a pipe or a socket that nobody reads" in node.log()


# --- what is read


def swap_for_pipe(path):
    """A pipe in the place of a file, as a whole; returns what puts the file back."""
    path = pathlib.Path(path)
    spare, pipe = path.with_name("spare"), path.with_name("pipe")
    shutil.copy(path, spare)
    os.mkfifo(pipe)
    os.replace(pipe, path)
    return lambda text=None: (spare.write_text(text) if text is not None else None, os.replace(spare, path))


@pytest.mark.parametrize("kind", ["pipe", "directory", "/dev/zero", "/dev/null", "circle"])
def test_what_is_no_configuration(tmp_path, kind):
    """An answer at once, with the path and the cause: for the configuration, for a file that it takes in, and for recordings."""
    wrong = pathlib.Path(kind) if kind.startswith("/") else tmp_path / "wrong"
    if kind == "pipe":
        os.mkfifo(wrong)
    elif kind == "directory":
        wrong.mkdir()
    elif kind == "circle":
        wrong.symlink_to("wrong")
    cause = {
        "pipe": "it is a pipe, and a regular file is expected",
        "directory": "it is a directory",
        "circle": "its symbolic links lead in a circle",
    }.get(kind, "it is a device, and a regular file is expected")
    for command in (["validate", "--config"], ["run", "--config"], ["policy", "lint"], ["policy", "test"]):
        found = tailgate(*command, wrong)
        assert found.returncode == 64 and f"can't read `{wrong}`: {cause}" in found.output, found.output
    outer = tmp_path / "outer.yaml"
    outer.write_text(f"policies: ${{file:{wrong}}}\n")
    found = tailgate("policy", "lint", outer)
    assert found.returncode == 64 and f"can't read `{wrong}`: {cause}" in found.output
    outer.write_text("policies: [{name: all, type: always_sample}]\n")
    found = tailgate("policy", "plan", "--candidate", outer, "--traces", wrong)
    assert found.returncode == 66 and f"can't read {wrong}: {cause}" in found.output
    ca = tailgate("load", "--rate", "1", "--ca-file", wrong)
    assert ca.returncode == 64 and f"cannot read {wrong}: {cause}" in ca.output


def test_standard_input_in_place_of_a_file(tmp_path):
    """`-`, for commands that read once; a node reads its files again."""
    policies = b"policies: [{name: all, type: always_sample}]\n"
    for command in (["policy", "lint", "-"], ["policy", "test", "-"]):
        found = subprocess.run([binary(), *command], input=policies, capture_output=True, timeout=30)
        assert found.returncode == 0, found
    config = subprocess.run([binary(), "config", "--default"], capture_output=True, timeout=30).stdout
    found = subprocess.run([binary(), "validate", "--config", "-"], input=config, capture_output=True, timeout=30, cwd=tmp_path)
    assert found.returncode == 0 and b"-: valid" in found.stdout, found
    found = subprocess.run([binary(), "validate", "--config", "-"], input=b"receivers: [", capture_output=True, timeout=30)
    assert found.returncode == 64 and b"-:2:1: this is not valid YAML" in found.stderr, found
    found = subprocess.run([binary(), "run", "--config", "-"], input=config, capture_output=True, timeout=30, cwd=tmp_path)
    assert found.returncode == 64 and b"can't read `-`: there is no such file" in found.stderr, found


@pytest.mark.parametrize("which", ["configuration", "policies"])
def test_a_pipe_does_not_end_reloads(gateway, backend, rng, tmp_path, which):
    """The watched file becomes a pipe: the node says so, goes on with what it had, and takes the file over when it is back."""
    policies = tmp_path / "policies.yaml"
    policies.write_text(yaml.safe_dump(NEVER))
    store = backend()
    with gateway([store], policies=f"${{file:{policies}}}") as node, RawClient(node.port) as client:
        watched = node.config_path if which == "configuration" else policies
        put_back = swap_for_pipe(watched)
        failed = lambda: node.metrics().value("tailgate_policy_reloads", result="failed")
        until(lambda: failed() == 1, 15, "a reload that fails")
        assert f"can't read `{watched}`: it is a pipe" in node.log()
        client.must_export(spans.request(spans.trace(rng)))
        if which == "configuration":
            node.config["processors"]["tail_sampling"]["policies"] = ALWAYS
            put_back(yaml.safe_dump(node.config, sort_keys=False))
        else:
            put_back(yaml.safe_dump(ALWAYS))
        until(lambda: "new policies are in force" in node.log(), 15, "the file that is back")
        kept = spans.trace(rng)
        client.must_export(spans.request(kept))
        store.wait_for_spans(len(kept))
    store.assert_exactly(kept)


def test_a_pipe_in_place_of_credentials(gateway, backend, rng, tmp_path):
    """Certificate, token and password file: the old ones stay in force, and new ones are taken when the files are back."""
    ca = Authority(tmp_path / "certificates")
    pair, token, users = ca.issue("gateway"), tmp_path / "t" / "tokens", tmp_path / "u" / "users"
    token.parent.mkdir()
    users.parent.mkdir()
    token.write_text("first\n")
    users.write_text("anna:one\n")
    tls = {"cert_file": str(pair.cert_file), "key_file": str(pair.key_file)}
    protocols = {"grpc": {"tls": tls, "auth": {"authenticator": "bearertokenauth"}}, "http": {"auth": {"authenticator": "basicauth"}}}
    changes = {
        "extensions": {"bearertokenauth": {"filename": str(token)}, "basicauth": {"htpasswd": {"file": str(users)}}},
        "receivers": {"otlp": {"protocols": protocols}},
        "service": {"extensions": ["bearertokenauth", "basicauth"]},
    }
    with gateway([backend()], changes=changes) as node:
        for file, content, taken in (
            (pair.cert_file, pathlib.Path(pair.cert_file).read_text() + "\n", None),
            (token, "second\n", "second"),
            (users, "anna:two\n", None),
        ):
            put_back = swap_for_pipe(file)
            message = f"cannot read {file}: it is a pipe, and a regular file is expected"
            until(lambda: message in node.log(), 15, message)
            with RawClient(node.port, ca) as client:
                old = [("authorization", "Bearer first")]
                assert client.export(spans.request(spans.trace(rng)), metadata=old).ok
            put_back(content)
            if taken:
                with RawClient(node.port, ca) as client:
                    new = [("authorization", f"Bearer {taken}")]
                    until(lambda: client.export(spans.request(spans.trace(rng)), metadata=new).ok, 15, "the new token")
                put_back = swap_for_pipe(file)
                put_back("first\n")
                with RawClient(node.port, ca) as client:
                    until(lambda: client.export(spans.request(spans.trace(rng)), metadata=old).ok, 15, "the old token again")


def test_a_pipe_in_place_of_the_members(cluster, backend, rng):
    """The last good list stays; the file is read again when it is back."""
    with cluster([backend()], 2, resolver="file", decision_wait="200ms") as nodes:
        nodes.write_members(0, 1)
        nodes.start()
        nodes.wait_for_ring(0, 1)
        put_back = swap_for_pipe(nodes.members_path)
        until(lambda: "it is a pipe, and a regular file is expected" in nodes.nodes[0].log(), 15, "the failure in the log")
        nodes.wait_for_ring(0, 1)
        put_back()
        third = nodes.add()
        nodes.write_members(0, 1, third)
        nodes.start(third)
        nodes.wait_for_ring(0, 1, third)


# --- what commands write


def test_what_is_printed_has_arrived():
    """A full disk behind standard output is an error, not a shorter file."""
    with open("/dev/full", "wb") as full:
        found = subprocess.run([binary(), "config", "--default"], stdout=full, stderr=subprocess.PIPE, timeout=30)
    assert found.returncode == 74 and b"can't write to standard output: No space left on device" in found.stderr


def test_commands_write_whole_files_or_none(gateway, backend, rng, tmp_path):
    """A page or recording that fails leaves the old file as it was, and nothing beside it."""
    traces, policies, page = tmp_path / "t.jsonl", tmp_path / "p.yaml", tmp_path / "out" / "plan.html"
    page.parent.mkdir()
    policies.write_text(yaml.safe_dump({"policies": ALWAYS}))
    with gateway(file_exporter(traces)) as node, RawClient(node.port) as client:
        send(client, rng)
        node.settle()
        page.write_text("old")
        plan = ["policy", "plan", "--candidate", policies, "--traces", traces, "--html"]
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        failed = subprocess.run(
            [binary(), *plan, page],
            capture_output=True,
            text=True,
            timeout=30,
            preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN), limit()),
        )
        assert failed.returncode == 69 and f"can't write {page}: File too large" in failed.stderr, failed
        assert page.read_text() == "old" and os.listdir(page.parent) == ["plan.html"]
        assert tailgate(*plan, page).returncode == 0
        assert page.read_text().startswith("<!") and os.listdir(page.parent) == ["plan.html"]
        sample = page.parent / "sample.jsonl"
        address = f"http://127.0.0.1:{node.admin_port}"
        found = tailgate("policy", "record", "--from", address, "--seconds", "1", "--output", sample)
        assert found.returncode == 0 and sorted(os.listdir(page.parent)) == ["plan.html", "sample.jsonl"], found.output
        sample.write_text("old")
        found = tailgate("policy", "record", "--from", "http://127.0.0.1:1", "--seconds", "1", "--output", sample)
        assert found.returncode == 69 and sample.read_text() == "old"
        assert sorted(os.listdir(page.parent)) == ["plan.html", "sample.jsonl"]
        found = tailgate("policy", "record", "--from", address, "--seconds", "1", "--output", tmp_path)
        assert found.returncode == 69 and f"can't write {tmp_path}: Is a directory" in found.output
