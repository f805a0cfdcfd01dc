"""`Deploy/cluster-local`: a rolling restart in one command, what it says, what it finds, and that it cleans up."""

import copy
import importlib.machinery
import importlib.util
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from harness.deploy import DEPLOY, run
from harness.gateway import binary
from harness.wait import until

SCRIPT = DEPLOY / "cluster-local"


def marked(mark):
    """The commands of all processes with this text in their environment."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().decode(errors="replace").split("\0"))
        except OSError:
            continue
    return found


@pytest.fixture
def mark(tmp_path, monkeypatch):
    """Something that the environments of all processes of the test have in common, and of no others."""
    text = f"CLUSTER_LOCAL_TEST={tmp_path}-{os.getpid()}"
    monkeypatch.setenv(*text.split("=", 1))
    return text


@pytest.mark.slow
@pytest.mark.alone
def test_rolling_restart_in_one_command(tmp_path, mark):
    folder = tmp_path / "cluster"
    result = run(
        SCRIPT, "--binary", binary(), "--folder", folder, "--rate", "3000", "--seconds", "10", "--decision-wait", "4", timeout=120
    )
    assert result.returncode == 0, result.output + "".join(p.read_text()[-2000:] for p in folder.glob("*.log"))
    text = result.stdout
    assert "Nothing lost, nothing split, nothing twice." in text and "ledger difference 0" in text
    assert all(f"node{n} left in" in text and f"node{n}" in text for n in (1, 2, 3))
    assert text.count("2 lives") == 3 and text.count(" 0 incomplete, 0 split, 0 spans twice") == 2
    assert "\r" not in text and "\033" not in text, "plain lines where there is no terminal"
    assert str(folder) in text and (folder / "node3.log").stat().st_size > 0
    assert not marked(mark)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_cleans_up_when_it_is_told_to_stop(tmp_path, mark, number):
    folder = tmp_path / "cluster"
    with open(tmp_path / "output", "w") as output:
        process = subprocess.Popen(
            [SCRIPT, "--binary", binary(), "--folder", folder, "--rate", "500"], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        until(lambda: "the load begins" in (tmp_path / "output").read_text(), 60, "the beginning")
        commands = [words[1] for words in marked(mark) if "tailgate" in words[0]]
        assert sorted(commands) == ["load", "run", "run", "run", "sink", "sink"]
        process.send_signal(number)
        assert process.wait(20) == 130
        assert not marked(mark)
    finally:
        process.kill()
        process.wait()


def test_usage():
    assert run(SCRIPT, "--nodes", "1").returncode == 2
    gone = run(SCRIPT, "--binary", "/nowhere/tailgate")
    assert gone.returncode == 1 and "/nowhere/tailgate" in gone.output
    assert "--keep-running" in run(SCRIPT, "--help").stdout


# --- what is judged ---


@pytest.fixture(scope="module")
def script():
    loader = importlib.machinery.SourceFileLoader("cluster_local", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    # No compiled file beside the script.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


LOAD = {"accepted": {"spans": 800}, "given_up": {"spans": 0}, "rejected_spans": 0}
SINK = {"spans": 80, "duplicate_spans": 0, "split_traces": 0, "late_traces": 0, "incomplete_traces": 0}
# The first life took 500 of clients, gave 300 to the other at once and 50 later; the other took 300 of clients.
LIVES = [
    {"accepted": 500, "forwarded": 300, "handed_off": 50, "not_sampled": 120, "sampled": 30, "difference": 0, "lost": 0},
    {"accepted": 650, "from_peers": 350, "not_sampled": 590, "dropped": 10, "sampled": 50, "buffered": 0, "held": 0, "difference": 0},
]


def test_sound_books_are_sound(script):
    assert script.verdict(LOAD, LIVES, {"a": SINK, "b": SINK}) == []


@pytest.mark.parametrize(
    ("where", "change", "said"),
    [
        ("load", {"given_up": {"spans": 5}}, "never taken"),
        ("load", {"rejected_spans": 1}, "rejected"),
        ("load", {"accepted": {"spans": 801}}, "were decided"),
        ("life", {"difference": 2}, "off by 2"),
        ("life", {"lost": 3}, "lost 3"),
        ("life", {"held": 4}, "lost 4"),
        ("life", {"from_peers": 349}, "not what peers took"),
        ("sink", {"spans": 79}, "79 arrived at b"),
        ("sink", {"duplicate_spans": 1}, "1 spans twice"),
        ("sink", {"split_traces": 1}, "in pieces"),
        ("sink", {"late_traces": 1}, "late spans"),
        ("sink", {"incomplete_traces": 1}, "incomplete"),
    ],
)
def test_whatever_is_wrong_is_said(script, where, change, said):
    load, lives, sinks = copy.deepcopy(LOAD), copy.deepcopy(LIVES), {"a": dict(SINK), "b": dict(SINK)}
    {"load": load, "life": lives[1], "sink": sinks["b"]}[where].update(change)
    wrong = script.verdict(load, lives, sinks)
    assert wrong and said in " ".join(wrong)


def test_nothing_is_no_proof(script):
    nothing = SINK | {"spans": 0}
    assert script.verdict(LOAD | {"accepted": {"spans": 0}}, [], {"a": nothing}) == ["nothing was sent and kept, so nothing is proved"]
