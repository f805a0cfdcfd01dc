"""Deploy/SIZING.md and `tailgate size`: the document's table is what the command calculates."""

import json
import re

import pytest

from harness.deploy import DEPLOY
from harness.gateway import ROOT
from harness.program import tailgate

SIZING = (DEPLOY / "SIZING.md").read_text()
ROWS = re.findall(r"^\| ([\d,]+) \| (\d+) s \| ([\d,]+) MiB \| (\d+) \| ([\d,]+) MiB \| ([\d,]+) MiB \| ([\d.]+) \|$", SIZING, re.M)


def size(*arguments):
    result = tailgate("size", *arguments, "--json")
    return result.returncode, json.loads(result.stdout)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}s")
def test_table(row):
    rate, wait, window, nodes, held, memory, processors = (cell.replace(",", "") for cell in row)
    code, plan = size("--spans-per-second", rate, "--decision-wait", f"{wait}s")
    assert code == 0 and plan["fits"]
    mebibyte = 1 << 20
    assert f"{plan['window_bytes'] / mebibyte:.0f}" == window
    assert plan["nodes"] == int(nodes)
    assert f"{plan['node']['held_bytes'] / mebibyte:.0f}" == held
    assert f"{plan['node']['memory_bytes'] / mebibyte:.0f}" == memory
    assert abs(plan["node"]["processors"] - float(processors)) < 0.006


def test_there_is_a_table():
    assert len(ROWS) >= 8


def test_the_formulas_of_the_document():
    """As written there, with its figures."""
    rate, wait, size_, per_trace, kept, outage = 200_000, 20, 800, 5, 0.05, 120
    _, plan = size(
        *("--spans-per-second", rate, "--decision-wait", f"{wait}s", "--span-bytes", size_, "--spans-per-trace", per_trace),
        *("--kept", kept * 100, "--outage", f"{outage}s", "--nodes", 1, "--gzip"),
    )
    node = plan["node"]
    window = rate * wait * (size_ + 46 + 128 / per_trace)
    queue = rate * size_ * kept * outage * 1.25
    held = (56 + 64) * 1048576 + window + queue
    assert node["window_bytes"] == pytest.approx(window)
    assert node["queue_bytes"] == pytest.approx(queue)
    assert node["memory_bytes"] == pytest.approx(held / 0.6)
    assert node["processors"] == pytest.approx(rate / 1e6 * 1.69 / 0.6)
    for figure in ("+ 46 + 128 / spans per trace", "x 1.25", "56 MiB + 64 MiB", "held / 0.6", "1.06, with gzip in requests 1.69", "2.53 in a cluster"):
        assert figure in SIZING, figure


def cells_of(document, name):
    """The cells of the table row that begins with `name`."""
    rows = [line for line in document.splitlines() if line.startswith(f"| {name} |")]
    assert len(rows) == 1, f"{len(rows)} rows begin with {name!r}"
    return [cell.strip() for cell in rows[0].strip("|").split("|")]


def test_the_figures_are_those_of_the_benchmarks():
    """A figure that is measured anew is changed in one place and noticed in the others."""
    benchmarks = (ROOT / "Benchmarks/README.md").read_text()
    source = (ROOT / "Sources/LoadTools/Sizing/SizingFigures.swift").read_text()
    _, collector, *ours = cells_of(benchmarks, "CPU-seconds per million spans, 40,000/s")
    assert collector.startswith("15") and len(ours) == 2
    dearest = max(ours, key=lambda cell: float(cell.split()[0])).split()[0]
    assert f"cpuSecondsPerMillion = {dearest}" in source
    gzip = cells_of(benchmarks, "gRPC, gzip")[2]
    assert f"gzipSecondsPerMillion = {gzip.removeprefix('+ ')}" in source
    cluster = cells_of(benchmarks, "CPU-seconds per million spans, 100,000/s in all")[3]
    assert f"clusterFactor = {re.search(r'[(]([0-9.]+) times', cluster)[1]}" in source
    held = float(cells_of(benchmarks, "bytes held per byte of spans")[1])
    per_span, per_trace = (float(re.search(rf"{name} = ([\d.]+)", source)[1]) for name in ("bytesPerSpan", "bytesPerTrace"))
    assert 1 + (per_span + per_trace / 8) / 445 == pytest.approx(held, abs=0.005)


def test_what_does_not_fit():
    result = tailgate("size", "--spans-per-second", "1000000", "--decision-wait", "30s", "--nodes", "3")
    assert result.returncode == 1
    assert "does not hold this: take 9 nodes" in result.stdout


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--decision-wait", "10s"), "spans-per-second"),
        (("--spans-per-second", "0", "--decision-wait", "10s"), "--spans-per-second must be 1"),
        (("--spans-per-second", "nan", "--decision-wait", "10s"), "--spans-per-second"),
        (("--spans-per-second", "1", "--decision-wait", "10s", "--kept", "101"), "--kept must be 0 ... 100"),
        (("--spans-per-second", "1", "--decision-wait", "10s", "--nodes", "0"), "--nodes must be 1 ... 1000"),
    ],
)
def test_usage(arguments, message):
    result = tailgate("size", *arguments)
    assert result.returncode == 64 and message in result.output
