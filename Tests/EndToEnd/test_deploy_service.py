"""Deploy/systemd and Deploy/debian: what a node tells its service manager, its unit, and the package that brings both."""

import configparser
import os
import re
import socket
import subprocess
import time

import pytest

from harness import spans
from harness.calm import calm_seconds
from harness.clients import RawClient
from harness.deploy import DEPLOY, must, optional_tool, run, tool, validate
from harness.gateway import ROOT, binary, otlp
from harness.notify import Manager
from harness.ports import free_port
from harness.program import tailgate
from harness.ptrace import Stopped, threads
from harness.wait import holds

UNIT = DEPLOY / "systemd/tailgate.service"


# --- sd_notify ---


@pytest.fixture(params=["path", "abstract"])
def place(request, tmp_path):
    return f"@tailgate-test-{os.getpid()}-{time.monotonic_ns()}" if request.param == "abstract" else tmp_path / "notify.sock"


def test_ready_and_stopping(gateway, backend, rng, place):
    """READY when spans are taken, not before; STOPPING at SIGTERM, with the time that it may take."""
    store = backend()
    changes = {"service": {"shutdown_timeout": "7s"}, "processors": {"tail_sampling": {"drain_timeout": "3s"}}}
    with Manager(place) as manager:
        with gateway([store], environment=manager.environment, changes=changes) as node:
            ((_, ready),) = manager.wait_for("READY")
            assert ready["READY"] == "1" and f":{node.port}" in ready["STATUS"]
            with RawClient(node.port) as client:
                client.must_export(spans.request(spans.trace(rng)))
            assert not manager.having("STOPPING")
        ((_, stopping),) = manager.wait_for("STOPPING")
        assert int(stopping["EXTEND_TIMEOUT_USEC"]) == (7 + 3 + 5) * 1_000_000
        assert not manager.having("WATCHDOG"), "nobody watches, so nobody is told"


def test_beats(gateway, backend, rng, tmp_path):
    """A sign of life in each half of the time, with a line on how the node is; while it drains too."""
    dead = f"127.0.0.1:{free_port()}"
    with Manager(tmp_path / "notify.sock", watchdog=0.6) as manager:
        changes = {"service": {"shutdown_timeout": "2s"}}
        with gateway({"otlp/a": otlp(dead)}, environment=manager.environment, changes=changes, balanced=False) as node:
            with RawClient(node.port) as client:
                client.must_export(spans.request(spans.trace(rng, 5)))
            manager.wait_for("WATCHDOG", 6)
            node.wait_for_ledger(lambda l: l["destinations"]["otlp/a"]["queued"] == 5)
            _, last = manager.wait_for("WATCHDOG", len(manager.having("WATCHDOG")) + 2)[-1]
            assert "5 spans accepted" in last["STATUS"] and "otlp/a 5" in last["STATUS"] and last["STATUS"].startswith("serving")
        ((begun, _),) = manager.having("STOPPING")
        draining = [f for at, f in manager.having("WATCHDOG") if at > begun]
        assert draining and all(f["STATUS"].startswith("draining") for f in draining[1:])
        times = [at for at, _ in manager.having("WATCHDOG")]
        assert max(calm_seconds(a, b) for a, b in zip(times, times[1:])) < 0.6


@pytest.mark.slow
def test_a_worker_that_hangs_ends_the_beats(gateway, backend, tmp_path):
    """One worker stands still while everything else goes on: no sign of life, until it answers again."""
    with Manager(tmp_path / "notify.sock", watchdog=0.4) as manager:
        with gateway([backend()], environment=manager.environment) as node:
            manager.wait_for("WATCHDOG", 3)
            # NIO numbers its groups of event loops; the workers' is the first.
            loops = threads(node.process.pid, "NIO-ELT-")
            with Stopped(loops[max(loops, key=lambda name: (-int(name.split("-")[2]), name))]):
                time.sleep(0.5)  # what was on its way arrives
                told = len(manager.having("WATCHDOG"))
                holds(lambda: len(manager.having("WATCHDOG")) == told, 1.5, "silence")
                assert node.http("/healthz")[0] == 200, "the process lives, and so do its other threads"
            manager.wait_for("WATCHDOG", told + 3)


def test_a_watchdog_for_another_process(gateway, backend, tmp_path):
    with Manager(tmp_path / "notify.sock", watchdog=0.2) as manager:
        environment = manager.environment | {"WATCHDOG_PID": "1"}
        with gateway([backend()], environment=environment):
            manager.wait_for("READY")
            holds(lambda: not manager.having("WATCHDOG"), 0.6)


@pytest.mark.parametrize("path", ["/nowhere/notify.sock", "vsock:2:1234", "", "@" + "x" * 200])
def test_a_manager_that_is_not_there(gateway, backend, rng, path):
    """The node serves all the same."""
    with gateway([backend()], environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "nonsense"}) as node:
        with RawClient(node.port) as client:
            client.must_export(spans.request(spans.trace(rng)))
        told = path.startswith(("/", "@"))
        assert ("the service manager can't be told" in node.log()) == told


# --- probe ---


def test_probe(gateway, backend):
    with gateway([backend()]) as node:
        url = f"http://127.0.0.1:{node.admin_port}"
        assert tailgate("probe", "--url", f"{url}/readyz").output == ""
        assert tailgate("probe", "--config", node.config_path).returncode == 0
        assert tailgate("probe", "--config", node.config_path, "--path", "/ledger").returncode == 0
        missing = tailgate("probe", "--url", f"{url}/nothing")
        assert missing.returncode == 1 and "404" in missing.output
    gone = tailgate("probe", "--url", f"{url}/readyz")
    assert gone.returncode == 1 and "no connection" in gone.output


def test_probe_waits_no_longer_than_it_may():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        result = tailgate("probe", "--url", f"http://127.0.0.1:{silent.getsockname()[1]}/", "--timeout", "300ms")
        assert result.returncode == 1 and "no answer in 300 ms" in result.output
        assert calm_seconds(begin) < 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "https://127.0.0.1/"),
        ("--url", "127.0.0.1:8888"),
        ("--url", "http://127.0.0.1:99999/"),
        ("--url", "http://127.0.0.1/", "--config", "x"),
        ("--path", "readyz"),
        ("--timeout", "0"),
    ],
)
def test_probe_usage(arguments):
    assert tailgate("probe", *arguments).returncode == 64


# --- the unit ---


def unit():
    """{section: {key: [values]}}."""
    found = {}
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            section.setdefault(key, []).append(value)
    return found


def test_unit_verifies(tmp_path):
    """systemd's own check; its only complaint may be that nothing is installed here."""
    result = run(optional_tool("systemd-analyze"), "verify", UNIT)
    wrong = [line for line in result.output.splitlines() if "tailgate" in line and "is not executable" not in line]
    assert not wrong, result.output


def test_unit_is_hardened():
    result = run(optional_tool("systemd-analyze"), "security", "--offline=true", "--threshold=20", UNIT)
    level = re.search(r"Overall exposure level for tailgate.service: ([\d.]+)", result.output)
    assert level and float(level[1]) <= 2.0, result.output[-400:]


def test_unit_and_program_agree():
    service = {key: values[-1] for key, values in unit()["Service"].items()}
    assert service["Type"] == "notify" and int(service["WatchdogSec"]) >= 10
    assert service["RestartPreventExitStatus"] == "64"
    check, hang_up = unit()["Service"]["ExecReload"]
    assert hang_up == "/bin/kill -HUP $MAINPID"
    # Not before the start: a file that fails its own tests must not keep a node from serving.
    assert "ExecStartPre" not in service
    for line in (service["ExecStart"], check):
        command = [word for word in line.split() if word != "$TAILGATE_OPTIONS"]
        assert command[0] == "/usr/bin/tailgate"
        assert tailgate(command[1], "--help").returncode == 0
        assert "--config" in tailgate(command[1], "--help").stdout
    # What the environment file offers, the configuration reads.
    config = (DEPLOY / "config/tailgate.yaml").read_text()
    for name in re.findall(r"^#(TAILGATE_\w+)=", (DEPLOY / "systemd/tailgate.default").read_text(), re.M):
        assert name == "TAILGATE_OPTIONS" or re.search(rf"\$\{{env:{name}(:-|\}})", config), name
    # A clean stop fits into the time that it is given, without an extension.
    stop = sum(int(v) for v in re.findall(r"^\s*(?:drain_timeout|shutdown_timeout): (\d+)s", config, re.M)) + 5
    assert stop < int(service["TimeoutStopSec"])


def test_the_shipped_configuration_runs(tmp_path, backend, rng):
    """Exactly the file of the package and the image, with nothing but its environment."""
    result = validate(DEPLOY / "config/tailgate.yaml")
    assert result.returncode == 0, result.output
    assert "warning" not in result.output


def test_the_shipped_configuration_becomes_a_cluster(tmp_path):
    """With the marks taken away, as it says."""
    text = (DEPLOY / "config/tailgate.yaml").read_text()
    members = tmp_path / "members.txt"
    members.write_text("10.0.0.1:4319\n10.0.0.2:4319\n")
    switched = re.sub(r"^( *)#: ", r"\1", text, flags=re.M).replace("/etc/tailgate/members.txt", str(members))
    (tmp_path / "tailgate.yaml").write_text(switched)
    (tmp_path / "policies.yaml").write_text((DEPLOY / "config/policies.yaml").read_text())
    advertise = {"TAILGATE_ADVERTISE": "10.0.0.2:4319"}
    result = validate(tmp_path / "tailgate.yaml", **advertise)
    assert result.returncode == 0 and "warning" not in result.output, result.output
    ring = tailgate("ring", "--config", tmp_path / "tailgate.yaml", environment=advertise)
    assert "2 members" in ring.stdout and "10.0.0.2:4319" in ring.stdout and "(this configuration's node)" in ring.stdout


# --- the package ---


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package of the program under test; needs no Swift."""
    folder = tmp_path_factory.mktemp("package")
    text = must(
        DEPLOY / "debian/build", "--binary", binary(), "--unportable", "--version", "1.2.3-4", "--output", folder, timeout=300
    )
    (path,) = folder.glob("*.deb")
    assert text.strip().endswith(path.name)
    assert path.name.startswith("tailgate_1.2.3-4_")
    return path


def fields(package):
    parser = configparser.ConfigParser()
    parser.read_string("[package]\n" + must("dpkg-deb", "--field", package))
    return parser["package"]


def test_package_contents(package, tmp_path):
    must("dpkg-deb", "-x", package, tmp_path)
    installed = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert {
        "usr/bin/tailgate",
        "lib/systemd/system/tailgate.service",
        "usr/lib/sysusers.d/tailgate.conf",
        "etc/default/tailgate",
        "etc/tailgate/tailgate.yaml",
        "etc/tailgate/policies.yaml",
        "usr/share/doc/tailgate/copyright",
        "usr/share/doc/tailgate/RUNBOOK.md",
        "usr/share/tailgate/prometheus/alerts.yaml",
    } <= installed
    # The installed files, in their places, make a configuration that runs.
    result = validate(tmp_path / "etc/tailgate/tailgate.yaml")
    assert result.returncode == 0, result.output
    assert (tmp_path / "lib/systemd/system/tailgate.service").read_text() == UNIT.read_text()
    assert (tmp_path / "etc/tailgate/policies.yaml").read_text() == (ROOT / "Policies/default.yaml").read_text()
    program = tmp_path / "usr/bin/tailgate"
    assert os.access(program, os.X_OK)
    assert program.stat().st_size < os.stat(binary()).st_size, "without symbols"
    assert must(program, "--version") == must(binary(), "--version")


def test_package_control(package, tmp_path):
    control = fields(package)
    assert control["Package"] == "tailgate" and control["Version"] == "1.2.3-4"
    assert control["Architecture"] == must("dpkg", "--print-architecture").strip()
    depends = {entry.split()[0] for entry in control["Depends"].split(", ")}
    assert {"libnghttp2-14", "libjemalloc2", "zlib1g"} <= depends
    must("dpkg-deb", "-e", package, tmp_path)
    assert (tmp_path / "conffiles").read_text().split() == [
        "/etc/default/tailgate",
        "/etc/tailgate/policies.yaml",
        "/etc/tailgate/tailgate.yaml",
    ]
    for script in ("postinst", "prerm", "postrm"):
        assert os.access(tmp_path / script, os.X_OK)
    listing = must("dpkg-deb", "-c", package)
    owners = {line.split()[1] for line in listing.splitlines()}
    assert owners == {"root/root"}
    # The unit's user is the one that the package makes.
    user = unit()["Service"]["User"][0]
    assert re.search(rf"^u {user} ", (DEPLOY / "systemd/tailgate.sysusers").read_text(), re.M)


def test_package_sums(package, tmp_path):
    must("dpkg-deb", "-R", package, tmp_path)
    must("md5sum", "--check", "--quiet", "DEBIAN/md5sums", cwd=tmp_path)


@pytest.mark.skipif(os.getuid() != 0, reason="dpkg needs root")
def test_package_installs_and_goes(package, tmp_path):
    """dpkg itself, in a root of its own: user, configuration that stays on removal, nothing left after a purge."""
    root = tmp_path / "root"
    (root / "var/lib/dpkg").mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "var/lib/tailgate").mkdir()
    dpkg = ("dpkg", f"--root={root}", "--force-depends", "--force-script-chrootless")
    must(*dpkg, "--install", package)
    if tool("systemd-sysusers"):
        user = re.search(r"^tailgate:.*$", (root / "etc/passwd").read_text(), re.M)
        assert user and user[0].split(":")[5] == "/var/lib/tailgate" and "nologin" in user[0]
    kept = root / "etc/tailgate/tailgate.yaml"
    kept.write_text("# ours\n" + kept.read_text())
    must(*dpkg, "--install", package)
    assert kept.read_text().startswith("# ours"), "an upgrade keeps what was changed"
    must(*dpkg, "--remove", "tailgate")
    assert kept.exists() and not (root / "usr/bin/tailgate").exists()
    must(*dpkg, "--purge", "tailgate")
    left = [p for p in root.rglob("*tailgate*") if "var/lib/dpkg" not in str(p) and p.name != ".pwd.lock"]
    assert not left, left


def test_package_scripts():
    scripts = [DEPLOY / "debian" / name for name in ("build", "postinst", "prerm", "postrm")]
    must(tool("shellcheck"), *scripts, DEPLOY / "quickstart")


def test_package_refuses_a_program_that_runs_here_only(tmp_path):
    """A program that needs Swift's libraries is not for others; one that does not needs no leave."""
    needs_swift = "libswift" in must("ldd", binary())
    result = run(DEPLOY / "debian/build", "--binary", binary(), "--output", tmp_path, timeout=300)
    assert (result.returncode == 65) == needs_swift, result.output
    assert bool(list(tmp_path.glob("*.deb"))) != needs_swift


def test_lintian(package):
    """Debian's own check, where it is installed. What we do on purpose is named."""
    on_purpose = {
        "no-manual-page",  # `tailgate --help` and the documents
        "initial-upload-closes-no-bugs",  # this is no upload to Debian
        "embedded-library",  # Yams brings libyaml along
        "undeclared-elf-prerequisites",  # of a program with Swift's libraries outside of it (--unportable)
    }
    result = run(optional_tool("lintian"), "--allow-root", package)
    tags = set(re.findall(r"^[EW]: tailgate: ([\w-]+)", result.stdout, re.M))
    assert tags <= on_purpose, result.stdout
