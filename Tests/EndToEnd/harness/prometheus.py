"""A real Prometheus, scraping in fractions of a second."""

import json
import pathlib
import re
import subprocess
import urllib.parse
import urllib.request

import pytest
import yaml

from .deploy import load, seconds, tool
from .ports import free_port, release
from .wait import until


def quick(rules):
    """Rules of a file as they are, but quicker: same expressions, shorter ranges, half a second for each minute of `for`."""
    for group in rules["groups"]:
        group["interval"] = "500ms"
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[(\d+)[mh]\]", "[8s]", rule["expr"])
            if "for" in rule:
                rule["for"] = f"{max(500, int(seconds(rule['for']) / 60 * 500))}ms"
    return rules


class Prometheus:
    """Scrapes the given nodes under the job `tailgate`, with the rules of Deploy/prometheus."""

    def __init__(self, directory, ports):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.port = free_port()
        for name in ("recording.yaml", "alerts.yaml"):
            (rules,) = load(f"prometheus/{name}")
            (self.directory / name).write_text(yaml.safe_dump(quick(rules)))
        (self.directory / "prometheus.yaml").write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
                    "rule_files": ["recording.yaml", "alerts.yaml"],
                    "scrape_configs": [
                        {"job_name": "tailgate", "static_configs": [{"targets": [f"127.0.0.1:{p}" for p in ports]}]}
                    ],
                }
            )
        )
        program = tool("prometheus")
        if not program:
            pytest.skip("prometheus is not installed")
        self.log_path = self.directory / "prometheus.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={self.directory}/prometheus.yaml",
                    f"--storage.tsdb.path={self.directory}/data",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self):
        try:
            until(self._ready, 30, lambda: f"Prometheus; its log says:\n{self.log_path.read_text()}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        release(self.port)

    def _ready(self):
        assert self.process.poll() is None, self.log_path.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def api(self, path, **query):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def firing(self):
        """{name of an alert: labels of its firing instances}."""
        found = {}
        for alert in self.api("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    def value(self, expression):
        """The one value of an expression, or None."""
        result = self.api("query", query=expression)["result"]
        return float(result[0]["value"][1]) if len(result) == 1 else None

    def rule_errors(self):
        """Rules that could not be evaluated."""
        return [
            f"{rule['name']}: {rule['lastError']}"
            for group in self.api("rules")["groups"]
            for rule in group["rules"]
            if rule.get("lastError")
        ]


