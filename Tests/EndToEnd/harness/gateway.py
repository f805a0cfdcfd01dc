"""A running `tailgate` process, its configuration, its metrics and its ledger."""

import json
import os
import pathlib
import signal
import subprocess
import urllib.error
import urllib.request

import yaml
from prometheus_client.parser import text_string_to_metric_families

from .ports import free_port, release
from .wait import until

ROOT = pathlib.Path(__file__).resolve().parents[3]


def binary():
    """The program under test: TAILGATE_BINARY, or the release build, or the debug build."""
    chosen = os.environ.get("TAILGATE_BINARY")
    candidates = [chosen] if chosen else [ROOT / ".build/release/tailgate", ROOT / ".build/debug/tailgate"]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return str(candidate)
    raise FileNotFoundError("there is no tailgate binary: run `swift build -c release` or set TAILGATE_BINARY")


def merge(base, changes):
    """`changes` into `base`, key by key. None as a value removes the key, a list replaces a list."""
    made = dict(base)
    for key, value in changes.items():
        if value is None:
            made.pop(key, None)
        elif isinstance(value, dict) and isinstance(made.get(key), dict):
            made[key] = merge(made[key], value)
        else:
            made[key] = value
    return made


ALWAYS = [{"name": "everything", "type": "always_sample"}]
NEVER = [{"name": "nothing", "type": "probabilistic", "probabilistic": {"sampling_percentage": 0}}]
ERRORS = [{"name": "errors", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}}]


def otlp(backend, **settings):
    """An `otlp` exporter to a backend, with retries as quick as tests need them. Its `timeout` is so long that a backend of the test's
    own, which has to wait for a processor, gets a request once; a test whose backend stays silent gives a shorter one."""
    return merge(
        {
            "endpoint": backend if isinstance(backend, str) else backend.endpoint,
            "tls": {"insecure": True},
            "compression": "none",
            "timeout": "15s",
            "retry_on_failure": {"initial_interval": "100ms", "max_interval": "500ms"},
        },
        settings,
    )


def pass_through(backend):
    """What gives a node pipelines for metrics and logs, which go to `backend`; traces go to the first backend alone."""
    pipeline = {"receivers": ["otlp"], "exporters": ["otlp/m"]}
    pipelines = {"traces": {"exporters": ["otlp/a"]}, "metrics": pipeline, "logs": dict(pipeline)}
    return {"exporters": {"otlp/m": otlp(backend)}, "service": {"pipelines": pipelines}}


def configuration(
    port, http_port, admin_port, exporters, *, policies=ALWAYS, decision_wait="300ms", changes=None, host="127.0.0.1"
):
    """A configuration as the Collector has it. `exporters` maps ids to settings; `changes` is merged over the result."""
    made = {
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"{host}:{port}"},
                    "http": {"endpoint": f"{host}:{http_port}"},
                }
            }
        },
        "processors": {
            "tail_sampling": {"decision_wait": decision_wait, "policies": policies},
            "batch": {"timeout": "50ms"},
        },
        "exporters": exporters,
        "service": {
            "telemetry": {"logs": {"level": "info"}, "metrics": {"address": f"{host}:{admin_port}"}},
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["tail_sampling", "batch"],
                    "exporters": list(exporters),
                }
            },
        },
    }
    return merge(made, changes or {})


class Metrics:
    """One scrape."""

    def __init__(self, text):
        self.text = text
        self.samples = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def names(self):
        return {s.name for s in self.samples}

    def matching(self, name, **labels):
        """Samples of this name (with or without `_total`) that carry the labels."""
        return [
            s
            for s in self.samples
            if s.name in (name, name + "_total") and all(s.labels.get(k) == v for k, v in labels.items())
        ]

    def value(self, name, **labels):
        """The sum over the matching series; 0 if there is none."""
        return sum(s.value for s in self.matching(name, **labels))


class Gateway:
    """One node. Use as a context manager: a clean exit settles, checks the ledger and stops by SIGTERM.

    It listens at `host`, and is started by `launcher`: a command that the program's own stands behind.
    """

    def __init__(
        self, directory, exporters, *, environment=None, balanced=True, arguments=(), host="127.0.0.1", launcher=(), **options
    ):
        self.host, self.launcher = host, launcher
        self.directory = pathlib.Path(directory)
        self.port, self.http_port, self.admin_port = free_port(), free_port(), free_port()
        self.balanced = balanced
        self.arguments = arguments
        self.environment = environment or {}
        self.config = configuration(self.port, self.http_port, self.admin_port, self._settings(exporters), host=host, **options)
        self.process = None
        self.last_ledger = None

    @staticmethod
    def _settings(exporters):
        """Backends given by name become `otlp/name` exporters."""
        if not isinstance(exporters, dict):
            exporters = {f"otlp/{name}": backend for name, backend in zip("abcdef", exporters)}
        return {name: value if isinstance(value, dict) else otlp(value) for name, value in exporters.items()}

    # --- the process ---

    def start(self):
        self.launch()
        return self.wait_until_ready()

    def launch(self):
        """Starts the process, and waits for nothing."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_path = self.directory / "tailgate.yaml"
        self.config_path.write_text(yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))
        self.log_path = self.directory / "tailgate.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.launcher, binary(), "run", "--config", str(self.config_path), *self.arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | self.environment,
            )
        return self

    def wait_until_ready(self, timeout=30):
        until(self._ready, timeout, lambda: f"readiness; the log says:\n{self.log()}")
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the gateway ended with {self.process.returncode} at start:\n{self.log()}")
        return self.http("/readyz")[0] == 200

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout=30):
        """The exit code."""
        until(
            lambda: self.process.poll() is not None, timeout,
            lambda: f"the end of a node that was told to stop:\n{self.log()[-4000:]}", every=0.01)
        return self.process.returncode

    def stop(self, timeout=30):
        """SIGTERM, and the promise that comes with it: exit code 0."""
        self.signal()
        code = self.wait(timeout)
        assert code == 0, f"exit code {code}:\n{self.log()[-4000:]}"

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, kind, *_):
        try:
            if kind is None and self.process.poll() is None:
                if self.balanced:
                    self.settle()
                self.stop()
        finally:
            self.kill()
            release(self.port, self.http_port, self.admin_port)

    @property
    def endpoint(self):
        """Where it takes OTLP/gRPC."""
        return f"{self.host}:{self.port}"

    # --- what it says about itself ---

    def http(self, path, headers=None, timeout=5):
        """(status, body, headers) of the admin endpoint; status 0 when nothing listens."""
        request = urllib.request.Request(f"http://{self.host}:{self.admin_port}{path}", headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace"), error.headers
        except OSError:
            return 0, "", {}

    def metrics(self):
        status, body, _ = self.http("/metrics")
        assert status == 200, f"/metrics answered {status}"
        return Metrics(body)

    def ledger(self):
        status, body, _ = self.http("/ledger")
        assert status == 200, f"/ledger answered {status}"
        self.last_ledger = json.loads(body)
        return self.last_ledger

    def wait_for_ledger(self, condition, timeout=20.0, what="a ledger"):
        """Waits for a ledger that fulfils the condition, and returns it."""
        until(lambda: condition(self.ledger()), timeout, lambda: f"{what}; the ledger is {json.dumps(self.last_ledger)}")
        return self.last_ledger

    def settle(self, timeout=40.0):
        """Waits until nothing is buffered or queued, then checks the books. Returns the ledger."""
        ledger = self.wait_for_ledger(
            lambda l: l["buffered"] == 0 and l["held"] == 0 and all(d["queued"] == 0 for d in l["destinations"].values()),
            timeout,
            "an empty gateway",
        )
        check_ledger(ledger)
        assert ledger["held"] == 0, ledger
        return ledger


def check_ledger(ledger):
    """The books balance, at any instant."""
    assert ledger["difference"] == 0, ledger
    decided = ledger["not_sampled"] + ledger["dropped"] + ledger["sampled"] + ledger["passed_through"] + ledger["filtered"]
    elsewhere = ledger["forwarded"] + ledger["handed_off"] + ledger["held"] + ledger["lost"]
    assert ledger["accepted"] == ledger["buffered"] + decided + elsewhere, ledger
    assert ledger["lost"] == sum(ledger["lost_by_reason"].values()), ledger
    for name, destination in ledger["destinations"].items():
        ended = destination["queued"] + destination["sent"] + destination["lost"]
        assert destination["offered"] == ended, f"{name}: {ledger}"
        assert destination["lost"] == sum(destination["lost_by_reason"].values()), f"{name}: {ledger}"
