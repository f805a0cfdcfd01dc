import Cluster
import ConfigTree
import NIOPosix
import Testing
import Transport

@testable import Gateway

private func cluster(_ settings: String, _ variables: [String: String] = [:]) -> (config: ClusterConfig?, problems: [String]) {
    let (config, problems) = ConfigurationLoader.loadCluster(
        text: "extensions:\n  cluster: {\(settings)}\n", file: "t.yaml", environment: environment(variables))
    return (config, ProblemReport.sorted(problems.all).map(\.description))
}

private let base = "listen: 0.0.0.0:4319, advertise: 10.0.0.1:4319, "

@Suite struct ClusterConfigurationTests {
    @Test func defaults() throws {
        let (config, problems) = cluster(base + "resolver: {dns: {hostname: tailgate-headless}}")
        #expect(problems == [])
        let read = try #require(config)
        #expect(read.listen == NetworkAddress(host: "0.0.0.0", port: 4319))
        #expect("\(read.advertise)" == "10.0.0.1:4319" && read.weight == 1)
        #expect(read.resolver == .dns(.init(hostname: "tailgate-headless"), types: [.a], port: 4319))
        #expect(read.handoffBandwidth == 100 << 20 && read.drainTimeout == 30_000_000_000 && read.compression == .none)
        #expect(read.forwardDelay == 5_000_000)
    }

    @Test func everyResolver() throws {
        func resolver(_ text: String, advertise: String = "10.0.0.1:4319") -> ClusterConfig.Resolver? {
            let (config, problems) = cluster("listen: ':4319', advertise: '\(advertise)', resolver: {\(text)}")
            #expect(problems == [])
            return config?.resolver
        }
        let one = try MemberAddress(parsing: "10.0.0.1:4319")
        #expect(resolver("static: {members: [10.0.0.1:4319, B:1]}") == .static([one, try MemberAddress(parsing: "b:1")]))
        #expect(resolver("static: {members: '10.0.0.1:4319'}") == .static([one]))
        #expect(resolver("file: {path: m.txt}") == .file(path: "m.txt", interval: 1_000_000_000))
        var settings = ClusterConfig.DNSSettings(hostname: "n")
        settings.interval = 2_000_000_000
        settings.timeout = 1_000_000_000
        settings.servers = [try MemberAddress(parsing: "127.0.0.1:8600")]
        let written = "hostname: n, interval: 2s, timeout: 1s, servers: [127.0.0.1:8600]"
        #expect(resolver("dns: {\(written), port: 4319}") == .dns(settings, types: [.a], port: 4319))
        #expect(resolver("dns: {\(written)}", advertise: "[fd00::1]:4319") == .dns(settings, types: [.aaaa], port: 4319))
        #expect(resolver("dns_srv: {\(written)}", advertise: "n-1.n:4319") == .dnsService(settings))
    }

    @Test func everythingElse() throws {
        let (config, problems) = cluster(
            base
                + "resolver: {static: {members: [10.0.0.1:4319, b:1]}}, weights: {10.0.0.1:4319: 3, B:1: 16}, handoff_bandwidth: 1GiB, forward_delay: 0s, drain_timeout: 2s, compression: gzip"
        )
        #expect(problems == [])
        let read = try #require(config)
        #expect(read.weights == ["10.0.0.1:4319": 3, "b:1": 16] && read.weight == 3)
        #expect(read.handoffBandwidth == 1 << 30 && read.drainTimeout == 2_000_000_000 && read.compression == .gzip && read.forwardDelay == 0)
    }

    @Test(arguments: [
        ("", ["`listen` is missing; write `listen: 0.0.0.0:4319`", "`advertise` is missing", "`resolver` is missing"]),
        ("listen: 4319, advertise: a, resolver: 5", ["text is expected", #""a" has no port"#, "a map is expected"]),
        (base + "resolver: {}", ["extensions.cluster.resolver: there is no resolver; write `static`, `file`, `dns` or `dns_srv`"]),
        (base + "resolver: {dnss: {}}", ["unknown key `dnss`; did you mean `dns`?"]),
        (base + "resolver: {file: {path: m}, static: {members: [10.0.0.1:4319]}}", ["there are 2 resolvers; keep one of them"]),
        (base + "resolver: {k8s: {service: x}}", ["`k8s` is not in Tailgate yet: write `dns: {hostname: ...}`"]),
        (base + "resolver: {static: {}}", ["there are no members"]),
        (
            base + "resolver: {static: {members: [10.0.0.1:4319, 10.0.0.1:04319, 'x', ':1']}}",
            ["members[1]: `10.0.0.1:4319` is named twice", #"members[2]: "x" has no port"#, #"members[3]: ":1" has no host"#]
        ),
        (base + "resolver: {file: {}}", ["`path` is missing"]),
        (base + "resolver: {dns: {}}", ["`hostname` is missing; write for example `hostname: tailgate-headless`"]),
        (base + "resolver: {dns: {hostname: 'a b'}}", [#""a b" can be no name in DNS"#]),
        (
            base + "resolver: {dns: {hostname: a, port: 0, interval: 1ms, timeout: 1h, servers: [localhost:53, x]}}",
            [
                "port: `0` is out of range", "interval: `1ms` is out of range", "timeout: `1h` is out of range",
                #""localhost:53" is a name"#, #""x" has no port"#,
            ]
        ),
        ("listen: ':1', advertise: 'n:4319', resolver: {dns: {hostname: a}}", ["nodes are known by address here"]),
        (base + "resolver: {dns_srv: {hostname: a, port: 1}}", ["nodes are known by their SRV records' names", "SRV records bring it"]),
        ("listen: ':1', advertise: '0.0.0.0:4319', resolver: {file: {path: m}}", ["is no address that peers can reach"]),
        ("listen: ':0', advertise: 'a:1', resolver: {file: {path: m}}", ["is no port; a number from 1 to 65535"]),
        (
            base + "resolver: {static: {members: [10.0.0.1:4319]}}, weights: {10.0.0.2:4319: 1, 10.0.0.1:4319: 17, x: 1}",
            [#"`10.0.0.2:4319` is no member; did you mean `10.0.0.1:4319`?"#, "`17` is out of range: 1 to 16", #""x" has no port"#]
        ),
        (base + "resolver: {file: {path: m}}, handoff_bandwidth: 1023KiB", [#"is out of range: 1 MiB to 1024 GiB are expected"#]),
        (base + "resolver: {file: {path: m}}, forward_delay: 2s", ["is out of range"]),
        (base + "resolver: {file: {path: m}}, handoff_bandwidth: fast", [#""fast" is no size"#]),
        (base + "resolver: {file: {path: m}}, handoff_bandwidth: 1", ["`1` is out of range"]),
        (base + "resolver: {file: {path: m}}, drain_timeout: 0s", ["drain_timeout: `0s` is out of range: 1s to 1h"]),
        (base + "resolver: {file: {path: m}}, tls: {ca_file: x}", ["`cert_file` and `key_file` are missing"]),
        (
            base + "resolver: {file: {path: m}}, tls: {cert_file: x, key_file: x}",
            ["`ca_file` is missing: nodes check each other's certificates", "cert_file", "key_file"]
        ),
        (base + "resolver: {file: {path: m}}, advertice: x", ["unknown key `advertice`; did you mean `advertise`?"]),
    ]) func wrong(settings: String, expected: [String]) {
        let (config, problems) = cluster(settings)
        #expect(config == nil)
        #expect(problems.count == expected.count, "\(problems)")
        for part in expected { #expect(problems.contains { $0.contains(part) && $0.hasPrefix("t.yaml:2:") }, "\(part): \(problems)") }
    }

    @Test func warnings() {
        let (config, problems) = cluster(base + "resolver: {static: {members: [b:1]}}, handoff_bandwidth: 2MB")
        #expect(config != nil)
        #expect(problems.count == 2)
        #expect(problems.contains { $0.contains("members: warning: `advertise` (10.0.0.1:4319) is not among them") })
        #expect(problems.contains { $0.contains("handoff_bandwidth: warning: a leaving node hands over 57 MiB at most") })
        let enough = "resolver: {file: {path: m}}, drain_timeout: 32s, handoff_bandwidth: "
        #expect(cluster(base + enough + "64MiB").problems == [])
        #expect(cluster(base + enough + "63MiB").problems.count == 1)
        #expect(cluster(base + "resolver: {dns: {hostname: n, port: 1}}").problems.first?.contains("the port 4319") == true)
    }

    @Test func absentOrTwice() {
        func problems(_ text: String) -> [String] {
            ConfigurationLoader.loadCluster(text: text, file: "t.yaml", environment: environment()).problems.all.map(\.description)
        }
        #expect(problems("service: {}").first?.contains("there is no `extensions.cluster`") == true)
        #expect(problems("extensions: {health_check: }").first?.contains("there is no `cluster`") == true)
        let one = "{listen: ':1', advertise: 'a:1', resolver: {file: {path: m}}}"
        #expect(problems("extensions: {cluster: \(one), health_check: {x: 1}}") == [])
        #expect(problems("extensions: {cluster: \(one), cluster/b: \(one)}").first?.contains("a node is in one cluster") == true)
    }

    @Test func nodesRunIt() throws {
        let settings = "cluster: {listen: ':1', advertise: 'a:1', resolver: {file: {path: m}}, auth: {authenticator: X}}"
        func read(_ authenticator: String, _ more: String, _ extensions: String) -> (GatewayConfig?, [String]) {
            let written = settings.replacing("X", with: authenticator)
            let (config, problems) = load(minimal(extensions: written + more, service: "extensions: [\(extensions)]"))
            return (config, problems.all.map(\.description))
        }
        let both = ", bearertokenauth: {token: secret}"
        let (config, problems) = read("bearertokenauth", both, "cluster, bearertokenauth")
        #expect(problems == [])
        #expect(config?.cluster?.advertise.description == "a:1")
        #expect(config?.cluster?.auth?.id.type == "bearertokenauth")
        #expect(read("bearertokenauth", "", "cluster").1.contains { $0.contains("`bearertokenauth` is not defined") })
        #expect(read("cluster", "", "cluster").1.contains { $0.contains("`cluster` is no authenticator") })
        let clientOnly = ", basicauth: {client_auth: {username: a, password: b}}"
        #expect(read("basicauth", clientOnly, "cluster, basicauth").1.contains { $0.contains("has no `htpasswd`") })
        let (twice, texts) = load(
            minimal(
                extensions: "cluster: {listen: ':1', advertise: 'a:1', resolver: {file: {path: m}}}, cluster/b: {listen: ':1', advertise: 'a:1', resolver: {file: {path: m}}}",
                service: "extensions: [cluster, cluster/b]"))
        #expect(twice == nil && texts.all.contains { $0.description.contains("a node is in one cluster") })
        #expect(load(minimal(service: "extensions: [cluster]")).config == nil)
    }

    @Test func staticMembersHaveTheirWeights() async throws {
        let (config, _) = cluster(base + "resolver: {static: {members: [b:1, 10.0.0.1:4319]}}, weights: {b:1: 2}")
        let watch = MemberResolvers.watch(try #require(config), on: MultiThreadedEventLoopGroup.singleton)
        #expect(await watch.once() == .complete([RingMember("10.0.0.1:4319"), RingMember("b:1", weight: 2)]))
    }
}
