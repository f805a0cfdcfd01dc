"""Deploy/kubernetes and Deploy/helm: manifests that Kubernetes takes, that fit each other, and that run what `validate` takes."""

import re

import kubernetes_validate
import pytest
import yaml

from harness.deploy import DEPLOY, check_cluster_configuration, load, longest_drain, must, one, optional_tool, seconds, tool, validate
from harness.helm import Engine, TemplateError, documents, render_chart

CHART = DEPLOY / "helm/tailgate"
FOLDER = DEPLOY / "kubernetes"
VERSIONS = ("1.29", "1.31", "1.33", kubernetes_validate.latest_version())
# Kinds that are not Kubernetes' own: their schemas are elsewhere.
FOREIGN = ("kustomize.config.k8s.io/", "monitoring.coreos.com/")
MANIFESTS = sorted(
    p.relative_to(DEPLOY) for p in FOLDER.rglob("*.yaml") if p.name not in ("tailgate.yaml", "policies.yaml", "prometheus-adapter.yaml")
)


def check(document):
    if document["apiVersion"].startswith(FOREIGN):
        return
    for version in VERSIONS:
        kubernetes_validate.validate(document, version, strict=True)


def everything():
    return [d for path in MANIFESTS if path.parts[1] != "agents" for d in load(path) if d["kind"] not in ("Kustomization", "Component")]


def named(kind, name="tailgate"):
    (found,) = [d for d in everything() if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=str)
def test_schema(path):
    for document in load(path):
        check(document)


def test_the_schema_check_can_fail():
    deployment = one("kubernetes/deployment.yaml")
    deployment["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        check(deployment)


def test_every_file_is_applied_and_every_name_exists():
    """What kustomization.yaml lists is there; what is there is listed, or in a component, or an example."""
    root = one("kubernetes/kustomization.yaml")
    listed = set(root["resources"])
    for component in ("standalone", "cluster"):
        listed |= {f"{component}/{name}" for name in one(f"kubernetes/{component}/kustomization.yaml")["resources"]}
        listed |= {f"{component}/kustomization.yaml"}
    listed |= {"kustomization.yaml", "agents/daemonset.yaml", "agents/sidecar.yaml"}
    assert {str(p.relative_to("kubernetes")) for p in MANIFESTS} == listed
    assert root["components"] in (["standalone"], ["cluster"])


def test_labels_selectors_and_ports():
    deployment = named("Deployment")["spec"]
    pod = deployment["template"]
    labels = pod["metadata"]["labels"]
    (container,) = pod["spec"]["containers"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    for document in everything():
        match document["kind"]:
            case "Service":
                assert document["spec"]["selector"].items() <= labels.items()
                for port in document["spec"]["ports"]:
                    assert ports[port["targetPort"]] == port["port"]
            case "PodDisruptionBudget" | "NetworkPolicy":
                selector = document["spec"].get("selector") or document["spec"]["podSelector"]
                assert selector["matchLabels"].items() <= labels.items()
    monitor = named("ServiceMonitor")["spec"]
    matching = [
        d
        for d in everything()
        if d["kind"] == "Service" and monitor["selector"]["matchLabels"].items() <= d["metadata"]["labels"].items()
    ]
    assert [s["metadata"]["name"] for s in matching] == ["tailgate-headless"], "each node is scraped once"
    assert monitor["endpoints"][0]["port"] in {p["name"] for p in matching[0]["spec"]["ports"]}
    assert named("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "tailgate"


@pytest.mark.parametrize("variant", ["standalone", "cluster"])
def test_configuration_and_manifests_agree(variant):
    """Ports, probes and times of the pods are those of the node's configuration."""
    config = one(f"kubernetes/{variant}/tailgate.yaml")
    pod = named("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    protocols = config["receivers"]["otlp"]["protocols"]
    assert protocols["grpc"]["endpoint"] == f"0.0.0.0:{ports['otlp-grpc']}"
    assert protocols["http"]["endpoint"] == f"0.0.0.0:{ports['otlp-http']}"
    admin = config["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    assert admin == {"host": "0.0.0.0", "port": ports["admin"]}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}

    sampling = config["processors"]["tail_sampling"]
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command[0] == "sleep"
    stop = int(command[1]) + longest_drain(config) + seconds(config["service"]["shutdown_timeout"]) + 5
    assert stop < pod["terminationGracePeriodSeconds"]
    # A node that leaves is gone before the next one does.
    assert named("Deployment")["spec"]["minReadySeconds"] >= pod["terminationGracePeriodSeconds"]
    assert seconds(sampling["drain_timeout"]) >= seconds(sampling["decision_wait"]), "windows end before a node does"

    resources = container["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == "4Gi"
    assert container["args"][-2:] == ["--workers", resources["requests"]["cpu"]]
    (volume,) = pod["volumes"]
    generated, watched = one(f"kubernetes/{variant}/kustomization.yaml")["configMapGenerator"]
    assert [s["configMap"]["name"] for s in volume["projected"]["sources"]] == [generated["name"], watched["name"]]
    assert f"{container['volumeMounts'][0]['mountPath']}/{generated['files'][0]}" == container["args"][2]
    # Beside the configuration, and under a name that stays: a change of the policies is no rollout.
    assert sampling["policies"] == f"${{file:{watched['files'][0]}}}"
    assert watched["options"] == {"disableNameSuffixHash": True} and "options" not in generated


def test_pods_are_confined():
    pod = named("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    user = re.search(r"^USER (\d+):(\d+)$", (DEPLOY / "Dockerfile").read_text(), re.M)
    assert [pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"]] == [int(user[1]), int(user[2])]


def test_what_is_applied_validates():
    """The configuration that kustomization.yaml puts into pods is one that today's program runs."""
    (component,) = one("kubernetes/kustomization.yaml")["components"]
    result = validate(FOLDER / component / "tailgate.yaml", POD_IP="10.0.0.1")
    assert result.returncode == 0, result.output


def test_cluster_configuration():
    check_cluster_configuration(
        FOLDER / "cluster/tailgate.yaml",
        one("kubernetes/kustomization.yaml")["components"] == ["cluster"],
        "write `cluster` for `standalone` in Deploy/kubernetes/kustomization.yaml",
        POD_IP="10.0.0.1",
    )


def test_variants_differ_by_the_cluster_alone():
    plain, cluster = one("kubernetes/standalone/tailgate.yaml"), one("kubernetes/cluster/tailgate.yaml")
    del cluster["extensions"], cluster["service"]["extensions"]
    assert plain == cluster
    assert one("kubernetes/standalone/policies.yaml") == one("kubernetes/cluster/policies.yaml")


def test_kustomize():
    """The whole of it, as kubectl puts it together."""
    text = must(optional_tool("kubectl"), "kustomize", FOLDER)
    found = list(yaml.safe_load_all(text))
    for document in found:
        check(document)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "tailgate"
    assert {"Deployment", "Service", "ConfigMap", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor"} <= {
        d["kind"] for d in found
    }
    (deployment,) = [d for d in found if d["kind"] == "Deployment"]
    (autoscaler,) = [d for d in found if d["kind"] == "HorizontalPodAutoscaler"]
    assert "replicas" not in deployment["spec"] and autoscaler["spec"]["minReplicas"] == 3
    made = {d["metadata"]["name"] for d in found if d["kind"] == "ConfigMap"}
    sources = deployment["spec"]["template"]["spec"]["volumes"][0]["projected"]["sources"]
    assert {s["configMap"]["name"] for s in sources} == made
    assert "tailgate-policies" in made and "tailgate-config" not in made, "one keeps its name, the other has a hash"


@pytest.mark.parametrize("path", ["kubernetes/agents/daemonset.yaml", "kubernetes/agents/sidecar.yaml"])
def test_agents_send_here(path):
    """Every address in an agent's configuration is a Service of ours, with that port."""
    services = {d["metadata"]["name"]: d["spec"] for d in everything() if d["kind"] == "Service"}
    (config,) = [yaml.safe_load(d["data"]["config.yaml"]) for d in load(path) if d["kind"] == "ConfigMap"]
    resolver = config["exporters"]["loadbalancing"]["resolver"]["dns"]
    targets = [f"{resolver['hostname']}:{resolver['port']}", config["exporters"]["otlp"]["endpoint"].removeprefix("dns:///")]
    for target in targets:
        name, port = re.fullmatch(r"([\w-]+)\.tailgate\.svc\.cluster\.local:(\d+)", target).groups()
        assert int(port) in {p["port"] for p in services[name]["ports"]}
    assert services["tailgate-nodes"]["clusterIP"] == "None", "each node has an address of its own"
    pipeline = config["service"]["pipelines"]["traces"]
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) <= set(config[kind])
    assert pipeline["processors"][0] == "memory_limiter"


# --- the chart ---

VARIANTS = {
    "defaults": {},
    "cluster": {"cluster": {"enabled": True}},
    "cluster of a fixed size": {"cluster": {"enabled": True}, "autoscaling": {"enabled": False}, "replicas": 5},
    "bare": {"networkPolicy": {"enabled": False}, "serviceMonitor": {"enabled": False}},
    "more": {
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "tracing"},
        "tolerations": [{"key": "tracing", "operator": "Exists"}],
        "podAnnotations": {"team": "observability"},
        "image": {"tag": "0.2.0"},
        "exporters": {"tempo": {"endpoint": "tempo:4317", "tls": {"insecure": True}, "tenant": "a"}},
    },
}


def chart_files(rendered):
    """{name: text} of all ConfigMaps."""
    return {name: text for d in rendered if d["kind"] == "ConfigMap" for name, text in d["data"].items()}


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_chart_schema(values, tmp_path):
    rendered = documents(render_chart(CHART, values))
    for document in rendered:
        check(document)
    for name, text in chart_files(rendered).items():
        (tmp_path / name).write_text(text)
    path = tmp_path / "tailgate.yaml"
    if "cluster" in values:
        check_cluster_configuration(
            path, documents(render_chart(CHART)) == documents(render_chart(CHART, {"cluster": {"enabled": True}})),
            "write `enabled: true` under `cluster` in Deploy/helm/tailgate/values.yaml", POD_IP="10.0.0.1",
        )
    else:
        result = validate(path, POD_IP="10.0.0.1")
        assert result.returncode == 0, result.output


def comparable(document):
    """Without what a chart adds: labels of the release, the checksum, the place of the configuration."""
    ours = {"app.kubernetes.io/name", "app.kubernetes.io/component"}

    def clean(value):
        if isinstance(value, dict):
            made = {k: clean(v) for k, v in value.items() if k not in ("annotations", "imagePullPolicy")}
            for key in ("labels", "matchLabels", "selector"):
                if isinstance(made.get(key), dict) and all(isinstance(v, str) for v in made[key].values()):
                    made[key] = {k: v for k, v in made[key].items() if k in ours}
            return made
        return [clean(v) for v in value] if isinstance(value, list) else value

    return clean(document)


@pytest.mark.parametrize("component", ["standalone", "cluster"])
def test_the_chart_is_the_manifests(component):
    """With its default values (and with cluster.enabled) the chart renders the plain manifests."""
    applied = [d for name in one("kubernetes/kustomization.yaml")["resources"] for d in load(f"kubernetes/{name}")]
    for name in one(f"kubernetes/{component}/kustomization.yaml")["resources"]:
        applied += load(f"kubernetes/{component}/{name}")
    plain = {(d["kind"], d["metadata"]["name"]): comparable(d) for d in applied if d["kind"] != "Namespace"}
    if component == "cluster":
        # The autoscaler owns the number of nodes: a chart must not set it back at each upgrade.
        del plain["Deployment", "tailgate"]["spec"]["replicas"]
    rendered = documents(render_chart(CHART, {"cluster": {"enabled": component == "cluster"}}))
    chart = {(d["kind"], d["metadata"]["name"]): comparable(d) for d in rendered}
    files = chart_files(rendered)
    del chart["ConfigMap", "tailgate-config"], chart["ConfigMap", "tailgate-policies"]
    assert chart.keys() == plain.keys()
    for key in plain:
        assert chart[key] == plain[key], key
    assert files.keys() == {"tailgate.yaml", "policies.yaml"}
    for name, text in files.items():
        assert yaml.safe_load(text) == one(f"kubernetes/{component}/{name}")


def test_only_the_configuration_is_a_rollout():
    """The pods' checksum follows the configuration, and not the policies."""

    def checksum(values):
        (deployment,) = [d for d in documents(render_chart(CHART, values)) if d["kind"] == "Deployment"]
        return deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum({"policies": [{"name": "all", "type": "always_sample"}]}) == checksum({})
    assert checksum({"decisionWait": "30s"}) != checksum({})


def test_releases_of_two_names_do_not_meet():
    """Selectors carry the release's name, so that two releases in a namespace keep apart."""
    one_, two = (documents(render_chart(CHART, release=name)) for name in ("a", "b"))
    assert not {(d["kind"], d["metadata"]["name"]) for d in one_} & {(d["kind"], d["metadata"]["name"]) for d in two}
    for document in one_:
        if document["kind"] == "Service":
            assert document["spec"]["selector"]["app.kubernetes.io/instance"] == "a"


def test_values_have_a_schema(tmp_path):
    schema = CHART / "values.schema.json"
    must(tool("check-jsonschema"), "--schemafile", schema, CHART / "values.yaml")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(yaml.safe_load((CHART / "values.yaml").read_text()) | {"replica": 3}))
    with pytest.raises(AssertionError, match="replica"):
        must(tool("check-jsonschema"), "--schemafile", schema, wrong)


def test_helm_itself():
    """Where helm is installed, it renders what our renderer renders."""
    helm = optional_tool("helm")
    must(helm, "lint", "--strict", CHART)
    for values in ({}, {"cluster": {"enabled": True}}):
        switch = str(bool(values)).lower()
        text = must(helm, "template", "tailgate", CHART, "--namespace", "tailgate", "--set", f"cluster.enabled={switch}")
        theirs = {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all(text) if d}
        ours = {(d["kind"], d["metadata"]["name"]): d for d in documents(render_chart(CHART, values))}
        for found in (theirs, ours):
            # The checksum is over text, and YAML may be written in more than one way.
            del found["Deployment", "tailgate"]["spec"]["template"]["metadata"]["annotations"]
            for name, file in (("tailgate-config", "tailgate.yaml"), ("tailgate-policies", "policies.yaml")):
                found["ConfigMap", name]["data"] = yaml.safe_load(found["ConfigMap", name]["data"][file])
        assert theirs == ours


@pytest.mark.parametrize(
    "template, expected",
    [
        ("a {{ .Values.b }} c", "a x c"),
        ("a\n{{- if .Values.no }}\nb\n{{- else if .Values.yes }}\nc\n{{- else }}\nd\n{{- end }}\ne", "a\nc\ne"),
        ("{{ range .Values.list }}[{{ . }}{{ $.Values.b }}]{{ end }}", "[1x][2x]"),
        ("{{ with .Values.no }}a{{ else }}b{{ end }}", "b"),
        ('{{ define "n" }}<{{ .b }}>{{ end }}{{ include "n" .Values | nindent 2 }}', "\n  <x>"),
        ('{{ printf "%s-%s" .Values.b (.Values.empty | default "y") | quote }}', '"x-y"'),
        ("{{ toYaml .Values.map }}", "k:\n- 1"),
        ("{{/* nothing */}}{{ not (and .Values.yes .Values.no) }}", "true"),
        ('{{ keys .Values.map | sortAlpha | join ", " }}', "k"),
    ],
)
def test_renderer(template, expected):
    values = {"b": "x", "no": False, "yes": True, "list": [1, 2], "map": {"k": [1]}, "empty": ""}
    engine = Engine({"Values": values})
    engine.add("t", template)
    assert engine.include("t", engine.root) == expected


@pytest.mark.parametrize(
    "template", ["{{ .Values.missing }}", "{{ if .Values }}a", "{{ end }}", "{{ nosuch 1 }}", '{{ include "none" . }}', "{{ .a b }}"]
)
def test_renderer_is_strict(template):
    engine = Engine({"Values": {}, "a": 1})
    with pytest.raises(TemplateError):
        engine.add("t", template)
        engine.include("t", engine.root)
