"""Who may come in, what exporters show, and that secrets are seen nowhere."""

import base64
import subprocess
import time
import urllib.error
import urllib.request

import grpc
import pytest
import yaml

from harness import spans
from harness.calm import calm_seconds
from harness.clients import SDK, RawClient
from harness.gateway import ALWAYS, binary, otlp
from harness.http1 import RawHTTP1
from harness.http2 import RawHTTP2
from harness.wait import until

TOKEN = "s3cr3t-t0ken-of-the-shop"
OTHER = "an0ther-t0ken"
#: bcrypt of "opensesame" with cost 5, as `htpasswd -B` writes it.
PASSWORD = "opensesame"


def bearer(token=TOKEN):
    return [("authorization", f"Bearer {token}")]


def basic(user, password):
    return [("authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())]


def guarded(extension, settings, **more):
    """Changes of a configuration: an authenticator for the gRPC receiver."""
    return {
        "extensions": {extension: settings},
        "receivers": {"otlp": {"protocols": {"grpc": {"auth": {"authenticator": extension}}}}},
        "service": {"extensions": [extension], **more},
    }


def refused(node):
    return node.metrics().value("tailgate_refused_requests", reason="unauthenticated")


def test_bearer_tokens(gateway, backend, rng):
    """Right, other right, missing, wrong, wrong scheme; a refused request leaves no span."""
    store = backend()
    changes = guarded("bearertokenauth", {"tokens": [TOKEN, OTHER]})
    sent = []
    with gateway([store], changes=changes) as node, RawClient(node.port) as client:
        for token in (TOKEN, OTHER):
            trace = spans.trace(rng)
            client.must_export(spans.request(trace), metadata=bearer(token))
            sent += trace
        attempts = [None, bearer("x"), bearer(TOKEN + "x"), bearer(TOKEN[:-1]), [("authorization", TOKEN)]]
        for metadata in attempts:
            outcome = client.export(spans.request(spans.trace(rng)), metadata=metadata)
            assert outcome.code == grpc.StatusCode.UNAUTHENTICATED, (metadata, outcome)
            assert "authorization" in outcome.message or "wrong credentials" in outcome.message
        assert refused(node) == len(attempts)
        assert node.ledger()["accepted"] == len(sent)
        assert node.log().count("request refused") == 1, "one line in ten seconds"
    store.assert_exactly(sent)


def test_sdk_with_a_token(gateway, backend):
    store = backend()
    changes = guarded("bearertokenauth/shop", {"token": TOKEN, "header": "x-shop-token", "scheme": ""})
    with gateway([store], changes=changes) as node, SDK(node.port, headers={"x-shop-token": TOKEN}) as sdk:
        with sdk.tracer.start_as_current_span("work"):
            pass
        sdk.flush()
        store.wait_for_spans(1)


def test_refused_before_the_body(gateway, backend):
    """The answer comes when the headers are there; a large body is not waited for."""
    with gateway([backend()], changes=guarded("bearertokenauth", {"token": TOKEN})) as node:
        with RawHTTP2(node.port) as raw:
            stream = raw.open()
            answer = raw.wait(stream)
            assert answer.grpc_status == 16 and answer.reset == 0, "answered, and no body wanted"
            assert raw.wait(raw.open(raw.headers("/grpc.health.v1.Health/Check"), end=True)).grpc_status != 16


def test_http_asks_for_credentials(gateway, backend, rng):
    """401 with WWW-Authenticate before the body; slow hashes hold up their own connection alone, pipelined requests in order."""
    store = backend()
    changes = {
        "extensions": {"basicauth": {"htpasswd": {"inline": f"anna:{bcrypt(PASSWORD, cost=10)}"}}},
        "receivers": {
            "otlp": {
                "protocols": {
                    "http": {"auth": {"authenticator": "basicauth"}, "cors": {"allowed_origins": ["https://shop.example"]}}
                }
            }
        },
        "service": {"extensions": ["basicauth"]},
    }
    right = dict(basic("anna", PASSWORD))["authorization"]
    sent = []
    with gateway([store], changes=changes) as node:
        with RawHTTP1(node.http_port) as raw:
            raw.send(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: 60000000\r\n\r\n")
            reply = raw.reply()
            assert reply.status == 401 and reply.fields["www-authenticate"].startswith("Basic realm="), reply
        with RawHTTP1(node.http_port) as raw:
            wanted = []
            for number in range(6):
                trace = spans.trace(rng)
                body = spans.request(trace).SerializeToString()
                password = right if number % 2 == 0 else dict(basic("anna", f"wrong {number}"))["authorization"]
                sent += trace if number % 2 == 0 else []
                wanted.append(200 if number % 2 == 0 else 401)
                raw.send(
                    f"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\nauthorization: {password}\r\n"
                    f"content-length: {len(body)}\r\n\r\n".encode() + body
                )
            assert [raw.reply().status for _ in wanted] == wanted
        with RawHTTP1(node.http_port) as raw:
            raw.send(
                b"OPTIONS /v1/traces HTTP/1.1\r\nhost: x\r\norigin: https://shop.example\r\naccess-control-request-method: POST\r\n\r\n"
            )
            assert raw.reply().status == 204, "a browser has no credentials for its question"
    store.assert_exactly(sent)


def test_tokens_from_a_file_that_changes(gateway, backend, rng, tmp_path):
    store = backend()
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{TOKEN}\n")
    sent = []
    with gateway([store], changes=guarded("bearertokenauth", {"filename": str(tokens)})) as node:
        with RawClient(node.port) as client:

            def accepts(token):
                trace = spans.trace(rng)
                outcome = client.export(spans.request(trace), metadata=bearer(token))
                if outcome.ok:
                    sent.extend(trace)
                return outcome.ok

            assert accepts(TOKEN) and not accepts(OTHER)
            tokens.write_text(f"{TOKEN}\n{OTHER}\n")
            until(lambda: accepts(OTHER), 10, "the second token")
            assert accepts(TOKEN)
            tokens.write_text(f"{OTHER}\n")
            until(lambda: not accepts(TOKEN), 10, "the first token's end")
            tokens.write_text("\n")
            until(lambda: "changed credentials can't be used" in node.log(), 10)
            assert accepts(OTHER), "a bad file changes nothing"
    store.assert_exactly(sent)


def bcrypt(password, cost=5):
    """By crypt(3), which is what the gateway asks too; the test knows the password, not the algorithm."""
    import ctypes
    import ctypes.util

    library = ctypes.CDLL(ctypes.util.find_library("crypt"))
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), f"$2y${cost:02}$abcdefghijklmnopqrstuu".encode()).decode()


def test_basic_auth(gateway, backend, rng, tmp_path):
    """bcrypt, SHA-512 and plain text; from the configuration and from a file; slow hashes are paid once."""
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text(f"# users\nanna:{bcrypt(PASSWORD, cost=12)}\n")
    store = backend()
    changes = guarded("basicauth", {"htpasswd": {"file": str(htpasswd), "inline": "bert:plain-and-simple\n"}})
    sent = []
    with gateway([store], changes=changes) as node, RawClient(node.port) as client:

        def export(metadata):
            trace = spans.trace(rng)
            outcome = client.export(spans.request(trace), metadata=metadata)
            if outcome.ok:
                sent.extend(trace)
            return outcome

        begin = time.monotonic()
        assert export(basic("anna", PASSWORD)).ok
        once = time.monotonic() - begin
        assert export(basic("bert", "plain-and-simple")).ok
        for wrong in (basic("anna", "x"), basic("bert", PASSWORD), basic("carla", PASSWORD), basic("", ""), bearer(), None):
            outcome = export(wrong)
            assert outcome.code == grpc.StatusCode.UNAUTHENTICATED, (wrong, outcome)
        begin = time.monotonic()
        for _ in range(200):
            assert export(basic("anna", PASSWORD)).ok
        took = calm_seconds(begin)
        assert took < 200 * once / 3, f"bcrypt takes {once:.2f} s: 200 of them would take {200 * once:.0f} s; it took {took:.1f}"
        htpasswd.write_text(f"anna:{bcrypt('other')}\n")
        until(lambda: not export(basic("anna", PASSWORD)).ok, 10, "the old password's end")
        assert export(basic("anna", "other")).ok
    store.assert_exactly(sent)


def test_guessing_passwords_stops_nobody(gateway, backend, rng, tmp_path):
    """Each guess costs a quarter of a second of one thread; known clients don't notice, and guesses beyond the limit are
    told to come back."""
    store = backend()
    changes = guarded("basicauth", {"htpasswd": {"inline": f"anna:{bcrypt(PASSWORD, cost=12)}"}})
    with gateway([store], policies=ALWAYS, changes=changes) as node, RawClient(node.port) as client:
        begin = time.monotonic()
        client.must_export(spans.request(spans.trace(rng)), metadata=basic("anna", PASSWORD))
        once = time.monotonic() - begin
        with RawHTTP2(node.port) as raw:
            streams = [
                raw.open(raw.headers(extra=basic("anna", f"guess {number}")), end=True) for number in range(150)
            ]
            slowest = 0.0
            for _ in range(30):
                begin = time.monotonic()
                client.must_export(spans.request(spans.trace(rng)), metadata=basic("anna", PASSWORD))
                slowest = max(slowest, calm_seconds(begin))
            # Behind the guesses it would wait for as many of them as are checked: 64 and more.
            assert slowest < 4 * once, (slowest, once)
            until(lambda: raw.pump(0.1) or node.metrics().value("tailgate_refused_requests", reason="authentication_busy") > 0, 10)
            assert streams


def test_outgoing_credentials(gateway, backend, rng, tmp_path):
    """A token from a file that is renewed, and basicauth; beside plain headers."""
    one, two = backend(), backend()
    token = tmp_path / "token"
    token.write_text("first\n")
    exporters = {
        "otlp/bearer": otlp(one, auth={"authenticator": "bearertokenauth/out"}, headers={"x-team": "shop"}),
        "otlp/basic": otlp(two, auth={"authenticator": "basicauth/out"}),
    }
    changes = {
        "extensions": {
            "bearertokenauth/out": {"filename": str(token)},
            "basicauth/out": {"client_auth": {"username": "anna", "password": PASSWORD}},
        },
        "service": {"extensions": ["bearertokenauth/out", "basicauth/out"]},
    }
    with gateway(exporters, changes=changes) as node, RawClient(node.port) as client:
        client.must_export(spans.request(spans.trace(rng)))
        first = one.wait_for_request()[0]
        assert first.metadata["authorization"] == "Bearer first" and first.metadata["x-team"] == "shop"
        assert two.wait_for_request()[0].metadata["authorization"] == dict(basic("anna", PASSWORD))["authorization"]
        token.write_text("second\n")
        until(lambda: "credentials renewed" in node.log(), 10)
        client.must_export(spans.request(spans.trace(rng)))
        assert one.wait_for_request(2)[1].metadata["authorization"] == "Bearer second"


def test_the_admin_endpoint_can_demand_a_token(gateway, backend):
    """Everything but what probes ask."""
    changes = {
        "extensions": {"bearertokenauth/admin": {"token": TOKEN}},
        "service": {
            "extensions": ["bearertokenauth/admin"],
            "telemetry": {"admin": {"auth": {"authenticator": "bearertokenauth/admin"}}},
        },
    }
    with gateway([backend()], changes=changes, balanced=False) as node:
        for path in ("/metrics", "/ledger", "/", "/nothing"):
            status, _, headers = node.http(path)
            assert status == 401 and headers["www-authenticate"] == "Bearer", path
            assert node.http(path, {"authorization": "Bearer x"})[0] == 401
        for path in ("/metrics", "/ledger", "/"):
            assert node.http(path, {"authorization": f"Bearer {TOKEN}"})[0] == 200, path
        assert node.http("/healthz")[0] == 200 and node.http("/readyz")[0] == 200


def reload(node):
    """(status, answer) of POST /-/reload."""
    request = urllib.request.Request(f"http://127.0.0.1:{node.admin_port}/-/reload", data=b"", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_secrets_are_seen_nowhere(gateway, backend, rng, tmp_path):
    """Every secret of a configuration, looked for in everything that a node says, at the most talkative level."""
    secrets = {
        "token": "tok-4711-visible-nowhere",
        "password": "pw-4712-visible-nowhere",
        "header": "hdr-4713-visible-nowhere",
        "inline": "inl-4714-visible-nowhere",
        "client": "cli-4715-visible-nowhere",
        "reloaded": "rel-4717-visible-nowhere",
    }
    store, broken = backend(), backend(started=False)
    exporters = {
        "otlp/a": otlp(store, headers={"x-api-key": secrets["header"]}, auth={"authenticator": "basicauth/out"}),
        "otlp/b": otlp(broken, headers={"authorization": secrets["header"]}),
        "debug": {"verbosity": "detailed"},
    }
    changes = guarded("bearertokenauth", {"token": "${env:SHOP_TOKEN}"}, telemetry={"logs": {"level": "debug"}}, shutdown_timeout="1s")
    changes["extensions"] |= {
        "basicauth": {"htpasswd": {"inline": f"anna:{secrets['inline']}"}},
        "basicauth/out": {"client_auth": {"username": "anna", "password": secrets["password"]}},
    }
    changes["service"]["extensions"] = ["bearertokenauth", "basicauth", "basicauth/out"]
    node = gateway(exporters, changes=changes, environment={"SHOP_TOKEN": secrets["token"]}, balanced=False)
    said = []
    with node, RawClient(node.port) as client:
        client.must_export(spans.request(spans.trace(rng)), metadata=bearer(secrets["token"]))
        said.append(client.export(b"rubbish", metadata=bearer(secrets["token"])).message)
        said.append(client.export(b"", metadata=bearer(secrets["client"])).message)
        until(lambda: "export attempt failed" in node.log(), 10)
        said += [node.http(path)[1] for path in ("/", "/metrics", "/ledger", "/v1/policies", "/readyz")]
        store.wait_for_request()
        # a reload that changes every secret, and one that is refused
        node.config["extensions"]["bearertokenauth"]["token"] = secrets["reloaded"]
        node.config["extensions"]["basicauth"]["htpasswd"]["inline"] = f"anna:{secrets['reloaded']}"
        node.config["extensions"]["basicauth/out"]["client_auth"]["password"] = secrets["reloaded"]
        node.config["exporters"]["otlp/a"]["headers"]["x-api-key"] = secrets["reloaded"]
        node.config["receivers"]["otlp"]["protocols"]["http"]["response_headers"] = {"x-secret": secrets["reloaded"]}
        node.config_path.write_text(yaml.safe_dump(node.config, sort_keys=False))
        status, answer = reload(node)
        assert status == 200 and "extensions.bearertokenauth.token" in answer, answer
        said.append(answer)
        node.config["exporters"]["otlp/a"]["headers"]["x-api-key"] = secrets["reloaded"] + "\n"
        node.config["extensions"]["bearertokenauth"]["tokens"] = secrets["reloaded"]
        node.config_path.write_text(yaml.safe_dump(node.config, sort_keys=False))
        status, answer = reload(node)
        assert status == 422, answer
        said += [answer, node.http("/metrics")[1], node.http("/v1/policies")[1]]
        said.append(node.log())
    said.append(node.log())
    # every mistake that a message might quote
    for block in (
        "{token: 4716}",
        "{tokens: {a: tok-4711-visible-nowhere}}",
        "{token: tok-4711-visible-nowhere, tokens: [tok-4711-visible-nowhere]}",
        '{token: "tok-4711-visible-nowhere \\n"}',
        "{token: [tok-4711-visible-nowhere]}",
        "{toke: tok-4711-visible-nowhere}",
    ):
        path = tmp_path / "broken.yaml"
        path.write_text(
            f"""receivers: {{otlp: {{protocols: {{grpc: {{auth: {{authenticator: bearertokenauth}}}}}}}}}}
extensions: {{bearertokenauth: {block}}}
processors: {{tail_sampling: {{policies: [{{name: a, type: always_sample}}]}}}}
exporters: {{otlp: {{endpoint: "x:1", tls: {{insecure: true}}, headers: {{a: "hdr-4713-visible-nowhere\\n", b: 4716}}}}}}
service: {{extensions: [bearertokenauth], pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [otlp]}}}}}}
"""
        )
        ran = subprocess.run([binary(), "validate", "--config", str(path)], capture_output=True, text=True)
        assert ran.returncode == 64, block
        said.append(ran.stdout + ran.stderr)
    everything = "\n".join(said)
    assert "otelcol_receiver_accepted_spans" in everything and "wrong credentials" in everything
    for what, secret in secrets.items():
        assert secret not in everything, f"the {what} was seen: ...{everything[max(0, everything.find(secret) - 200):][:300]}"
        assert base64.b64encode(f"anna:{secret}".encode()).decode() not in everything
    assert "4716" not in everything


def test_authenticators_that_do_not_fit(gateway, backend, tmp_path):
    """Clear errors for names that are wrong, not running, or of the wrong side."""
    path = tmp_path / "t.yaml"

    def problems(extensions, running, receiver, exporter="bearertokenauth"):
        path.write_text(
            f"""receivers: {{otlp: {{protocols: {{grpc: {{auth: {{authenticator: {receiver}}}}}}}}}}}
extensions: {{{extensions}}}
processors: {{tail_sampling: {{policies: [{{name: a, type: always_sample}}]}}}}
exporters: {{otlp: {{endpoint: "x:1", tls: {{insecure: true}}, auth: {{authenticator: {exporter}}}}}}}
service: {{extensions: [{running}], pipelines: {{traces: {{receivers: [otlp], processors: [tail_sampling], exporters: [otlp]}}}}}}
"""
        )
        return subprocess.run([binary(), "validate", "--config", str(path)], capture_output=True, text=True)

    good = "bearertokenauth: {token: a}"
    table = [
        (good, "bearertokenauth", "bearertokenauht", "`bearertokenauht` is not defined; did you mean `bearertokenauth`?"),
        (good, "", "bearertokenauth", "does not run; add it to `service.extensions`"),
        (good + ", health_check: ", "bearertokenauth, health_check", "health_check", "is no authenticator"),
        (good + ", basicauth: {client_auth: {username: a, password: b}}", "bearertokenauth, basicauth", "basicauth", "has no `htpasswd`: it is for exporters"),
        ("bearertokenauth: ", "bearertokenauth", "bearertokenauth", "there is no token"),
        ("bearertokenauth: {filename: /nowhere}", "bearertokenauth", "bearertokenauth", "cannot read /nowhere"),
        (good + ", basicauth: {htpasswd: {inline: \"a:$apr1$x$y\"}}", "bearertokenauth, basicauth", "basicauth", "make a bcrypt hash with `htpasswd -B`"),
        (good + ", basicauth: {htpasswd: {inline: \"a\"}}", "bearertokenauth, basicauth", "basicauth", "`user:password` is expected"),
        (good + ", basicauth: ", "bearertokenauth, basicauth", "basicauth", "`htpasswd` (for receivers) or `client_auth` (for exporters) is missing"),
    ]
    for extensions, running, receiver, words in table:
        ran = problems(extensions, running, receiver)
        assert ran.returncode == 64 and words in ran.stdout + ran.stderr, (extensions, receiver, ran.stdout + ran.stderr)
