"""`tailgate load` and `tailgate sink`: against each other, against real backends and clients, and around a gateway."""

import json

import grpc
import pytest

from harness import spans
from harness.backend import fail
from harness.certificates import Authority
from harness.clients import RawClient
from harness.gateway import ALWAYS, ERRORS, otlp
from harness.ports import free_port
from harness.program import tailgate
from harness.traffic import Load, load, sink


def test_load_against_a_real_backend(backend):
    """A strict protobuf library reads what the generator sends, and every trace is whole."""
    store = backend()
    report = load(store.port, "--rate", "4000", "--seconds", "2", "--spans-per-request", "256")
    got = store.spans()
    assert len(got) == report["accepted"]["spans"]
    assert 7000 < len(got) < 9500
    traces = store.traces()
    assert {len(t) for t in traces.values()} == {8}
    assert len(store.ids()) == len(got)
    services = {
        a.value.string_value
        for r in store.requests()
        for rs in r.message.resource_spans
        for a in rs.resource.attributes
        if a.key == "service.name"
    }
    assert len(services) == 8
    assert report["latency_ms"]["p99"] > 0
    errors = sum(any(s.status.code == spans.ERROR for s in t) for t in traces.values())
    assert 0 < errors < len(traces) * 0.1


@pytest.mark.parametrize("gzip", [(), ("--gzip",)], ids=["identity", "gzip"])
def test_load_against_sink(gzip):
    with sink("--spans-per-trace", "8") as receiver:
        report = load(receiver.port, "--max", "--seconds", "2", *gzip)
        seen = receiver.stop()
    assert seen["spans"] == report["accepted"]["spans"] > 10_000
    assert seen["malformed_requests"] == seen["duplicate_spans"] == 0
    assert seen["whole_traces"] == seen["traces"] and seen["incomplete_traces"] == 0


def test_sink_answers_real_clients(rng):
    with sink() as receiver, RawClient(receiver.port) as client:
        client.must_export(spans.request(spans.trace(rng, 5)))
        client.must_export(spans.request(spans.trace(rng, 5)), gzip=True)
        seen = receiver.stop()
    assert seen["spans"] == 10 and seen["traces"] == 2


def test_sink_fails_as_told(rng):
    with sink("--fail-with", "RESOURCE_EXHAUSTED", "--retry-after", "1500ms") as receiver:
        with RawClient(receiver.port) as client:
            outcome = client.export(spans.request(spans.trace(rng)))
        assert outcome.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert outcome.retry_delay() == 1.5
        seen = receiver.stop()
    assert seen["spans"] == 0 and seen["refused_requests"] == 1


def test_load_tries_again(backend):
    store = backend(fail(grpc.StatusCode.UNAVAILABLE, "busy", times=3, retry_delay=0.2))
    report = load(store.port, "--rate", "2000", "--seconds", "2", "--spans-per-request", "100")
    assert report["retried"] >= 3
    assert len(store.spans()) == report["accepted"]["spans"]


@pytest.mark.parametrize("how", ["refuse", "close"])
def test_load_to_several_endpoints(how):
    """By turns; what one does not take, the other gets at once."""
    closing = sink("--unavailable-after", "3s", "--unavailable-how", how)
    with sink() as three, sink() as four, sink() as two, closing as one:
        options = ["--rate", 5000, "--seconds", 5, "--spans-per-request", 64, "--connections", 4]
        # The same at the same time to two that stay: how quick this machine is.
        control = Load([three.endpoint, four.endpoint], *options)
        report = Load([one.endpoint, two.endpoint], *options).finish()
        undisturbed = control.finish()["latency_ms"]["p99"]
        seen = [one.stop(), two.stop()]
    assert report["given_up"]["requests"] == 0
    accepted, repeated = report["accepted"]["spans"], report["unanswered"]["spans"]
    assert accepted <= sum(s["spans"] for s in seen) <= accepted + repeated
    # The first was asked, too, however long the load took to begin on this machine.
    assert min(s["spans"] for s in seen) > accepted / 50
    assert report["latency_ms"]["p99"] < 900 + 2 * undisturbed, "it waited before it asked the other"
    if how == "refuse":
        assert report["refused"]["UNAVAILABLE"] == report["retried"] > 20 and repeated == 0
    else:
        assert report["connection_failures"] > 2


def test_sink_names_traces(rng):
    """What is wrong with traces can be looked up."""
    trace, other = spans.trace(rng, 4), spans.trace(rng, 4)
    with sink("--spans-per-trace", "4") as receiver, RawClient(receiver.port) as client:
        client.must_export(spans.request(trace[:2]))
        client.must_export(spans.request(trace[2:]))
        client.must_export(spans.request(other[:1]))
        examples = receiver.stop()["examples"]
    assert examples["split"] == [trace[0].trace_id.hex()] and examples["incomplete"] == [other[0].trace_id.hex()]
    assert examples["late"] == examples["duplicated"] == []


def test_load_over_mutual_tls_against_sink(tmp_path):
    """Load and sink show each other certificates; gzip inside."""
    ca = Authority(tmp_path)
    mine, its = ca.issue("load"), ca.issue("sink")
    options = ["--cert-file", its.cert_file, "--key-file", its.key_file, "--client-ca-file", ca.file]
    with sink("--spans-per-trace", "8", *map(str, options)) as receiver:
        security = ["--ca-file", ca.file, "--cert-file", mine.cert_file, "--key-file", mine.key_file]
        report = load(receiver.port, "--max", "--seconds", "2", "--gzip", *map(str, security))
        assert report["settings"]["tls"] == "on" and report["connection_failures"] == 0
        # Without a certificate of its own the load gets nowhere, and says why.
        refused = tailgate(
            "load", "--endpoint", f"https://127.0.0.1:{receiver.port}", "--ca-file", ca.file, "--rate", "1000", "--seconds", "1",
            "--attempts", "2", timeout=60)
        assert refused.returncode == 1 and "demands a certificate" in refused.output, refused.output
        seen = receiver.stop()
    assert seen["spans"] == report["accepted"]["spans"] > 10_000
    assert seen["whole_traces"] == seen["traces"] and seen["incomplete_traces"] == 0


@pytest.mark.parametrize("protocol", ["grpc", "http", "http-json"])
def test_load_over_tls(gateway, backend, tmp_path, protocol):
    """Against a gateway's own TLS, by name, and with ALPN as each protocol has it."""
    ca = Authority(tmp_path / "certificates")
    tls = ca.issue("gateway", hosts=["gateway.example"]).tls
    changes = {"receivers": {"otlp": {"protocols": {"grpc": {"tls": tls}, "http": {"tls": tls}}}}}
    with gateway([backend()], changes=changes, policies=ERRORS) as node:
        port = node.port if protocol == "grpc" else node.http_port
        security = ["--ca-file", ca.file, "--server-name-override", "gateway.example"]
        report = load(port, "--protocol", protocol, "--rate", "5000", "--seconds", "2", *security)
        assert node.settle()["accepted"] == report["accepted"]["spans"] > 5000
        assert report["settings"]["protocol"] == protocol
        wrong = tailgate(
            "load", "--endpoint", f"127.0.0.1:{port}", "--protocol", protocol, "--ca-file", ca.file, "--rate", "1000", "--seconds", "1",
            "--attempts", "2", timeout=60)
        assert wrong.returncode == 1 and "certificate is for other names" in wrong.output, wrong.output
        anybody = load(port, "--protocol", protocol, "--insecure-skip-verify", "--rate", "1000", "--seconds", "1")
        assert anybody["accepted"]["spans"] > 0
        node.settle()


def test_tls_options_that_do_not_fit(tmp_path):
    ca = Authority(tmp_path)
    pair = ca.issue("one")
    table = [
        (["load", "--rate", "1", "--cert-file", pair.cert_file], "--cert-file and --key-file belong together"),
        (["load", "--rate", "1", "--ca-file", "/nowhere.pem"], "error: --ca-file: cannot read /nowhere.pem: there is no such file"),
        (["load", "--rate", "1", "--cert-file", pair.key_file, "--key-file", pair.key_file], "--cert-file: "),
        (["sink", "--client-ca-file", ca.file], "--client-ca-file needs --cert-file and --key-file"),
        (["sink", "--cert-file", pair.cert_file, "--key-file", ca.issue("two").key_file], "--key-file: the private key is not the one"),
    ]
    for arguments, words in table:
        ran = tailgate(*arguments)
        assert ran.returncode == 64 and words in ran.output, (arguments, ran.output)


def test_load_without_a_receiver():
    result = tailgate("load", "--endpoint", f"127.0.0.1:{free_port()}", "--rate", "100", "--seconds", "1", timeout=60)
    assert result.returncode == 1, result.output


def test_the_whole_chain(gateway):
    """load -> gateway -> two sinks: whole traces only, and everybody's figures agree."""
    with sink("--spans-per-trace", "8") as one, sink("--spans-per-trace", "8") as two:
        exporters = {"otlp/one": otlp(one.endpoint), "otlp/two": otlp(two.endpoint)}
        with gateway(exporters, policies=ERRORS, decision_wait="1s") as node:
            report = load(node.port, "--rate", "20000", "--seconds", "4", "--errors", "10")
            ledger = node.settle()
            assert ledger["accepted"] == report["accepted"]["spans"]
            assert 0.05 < ledger["sampled"] / ledger["accepted"] < 0.2
        for receiver in (one, two):
            seen = receiver.stop()
            assert seen["spans"] == ledger["sampled"]
            assert seen["whole_traces"] == seen["traces"]
            assert seen["split_traces"] == seen["duplicate_spans"] == seen["malformed_requests"] == 0


@pytest.mark.slow
def test_a_backend_that_is_away_for_a_while(gateway):
    with sink("--unavailable-after", "1s", "--unavailable-for", "4s", "--unavailable-how", "close") as receiver:
        with gateway({"otlp": otlp(receiver.endpoint)}, policies=ALWAYS) as node:
            report = load(node.port, "--rate", "5000", "--seconds", "7")
            ledger = node.settle()
            assert ledger["destinations"]["otlp"]["sent"] == report["accepted"]["spans"]
            assert ledger["destinations"]["otlp"]["lost"] == 0
        seen = receiver.stop()
    assert seen["spans"] >= report["accepted"]["spans"]


@pytest.mark.parametrize(
    ("limit", "spike", "load_arguments"),
    [
        (256, 32, ()),
        # Half a gibibyte in flight, were it let in.
        (512, 64, ("--connections", "64", "--in-flight", "8", "--spans-per-request", "8192")),
    ],
    ids=["few connections", "many large requests"],
)
def test_full_speed_is_refused_rather_than_lost(gateway, limit, spike, load_arguments):
    """As fast as it goes into a small memory: what was accepted is accounted for, and the limit holds."""
    changes = {
        "processors": {
            "memory_limiter": {"check_interval": "100ms", "limit_mib": limit, "spike_limit_mib": spike}
        },
        "service": {"pipelines": {"traces": {"processors": ["memory_limiter", "tail_sampling", "batch"]}}},
    }
    with sink() as receiver:
        with gateway({"otlp": otlp(receiver.endpoint)}, policies=ERRORS, decision_wait="2s", changes=changes) as node:
            result = tailgate(
                "load", "--endpoint", f"127.0.0.1:{node.port}", "--json", "--max", "--seconds", "4", *load_arguments,
                timeout=120,
            )
            report = json.loads(result.stdout)
            ledger = node.settle(60)
            assert ledger["accepted"] >= report["accepted"]["spans"] > 10_000
            with open(f"/proc/{node.process.pid}/status") as status:
                peak = next(int(l.split()[1]) >> 10 for l in status if l.startswith("VmHWM"))
            assert peak < limit, f"resident memory reached {peak} MiB"
            assert report["refused"].get("UNAVAILABLE", 0) > 0, "the limit was never felt"
        seen = receiver.stop()
    assert seen["spans"] == ledger["sampled"]


@pytest.mark.parametrize("protocol", ["http", "http-json"])
@pytest.mark.parametrize("gzip", [(), ("--gzip",)], ids=["identity", "gzip"])
def test_load_over_http(gateway, backend, protocol, gzip):
    """The other protocols carry the same traffic: whole traces, counted under the HTTP transport."""
    store = backend()
    with gateway([store], policies=ALWAYS) as node:
        report = load(node.http_port, "--protocol", protocol, "--rate", "3000", "--seconds", "2", "--spans-per-request", "256", *gzip)
        ledger = node.settle()
        assert ledger["accepted"] == report["accepted"]["spans"] > 5000
        assert node.metrics().value("otelcol_receiver_accepted_spans", transport="http") == ledger["accepted"]
    assert {len(t) for t in store.traces().values()} == {8}
