"""What the tests of Deploy/ share: its files, and tools that a machine may or may not have."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from .gateway import ROOT
from .program import tailgate

DEPLOY = ROOT / "Deploy"


def load(path):
    """All documents of a YAML file under Deploy/."""
    return [d for d in yaml.safe_load_all((DEPLOY / path).read_text()) if d]


def one(path):
    (document,) = load(path)
    return document


def tool(name):
    """A program that comes with the tests' Python packages, or is installed."""
    beside = pathlib.Path(sys.executable).parent / name
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(name)


def optional_tool(name):
    """A program that tests can do without: where it is missing, so is this check."""
    found = tool(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command, timeout=120, **options):
    """Runs to the end; `output` is standard output and standard error together."""
    result = subprocess.run(
        [str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, **options
    )
    result.output = result.stdout + result.stderr
    return result


def must(*command, **options):
    result = run(*command, **options)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.output}"
    return result.stdout


def seconds(text):
    """Seconds of a duration in one unit: `90s`, `5m`, `30`."""
    value, unit = re.fullmatch(r"(\d+)(ms|s|m|h|)", str(text)).groups()
    return int(value) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}[unit]


def validate(path, **environment):
    """`tailgate validate` on a file."""
    return tailgate("validate", "--config", path, environment=environment)


def check_cluster_configuration(path, switched, how, **environment):
    """A configuration for clusters: valid, and what is deployed."""
    result = validate(path, **environment)
    assert result.returncode == 0, f"{path}:\n{result.output}"
    assert switched, how


def longest_drain(config):
    """Seconds: of windows, or of hand-off in a cluster."""
    cluster = config.get("extensions", {}).get("cluster")
    handing = seconds(cluster.get("drain_timeout", "30s")) if cluster else 0
    return max(seconds(config["processors"]["tail_sampling"]["drain_timeout"]), handing)
