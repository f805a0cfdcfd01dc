import ConfigTree
import Foundation
import Gateway
import Testing

@Suite struct DefaultConfigurationTests {
    /// `Policies/default.yaml` of this checkout.
    static let policyFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("Policies/default.yaml")

    @Test func theBuiltInPoliciesAreTheFile() throws {
        #expect(try DefaultConfiguration.policyFile == String(contentsOf: Self.policyFile, encoding: .utf8))
    }

    @Test func aConfigurationOnDiskNamesThePolicyFile() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tailgate-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(at: Self.policyFile, to: folder.appendingPathComponent("policies.yaml"))
        let target = folder.appendingPathComponent("real.yaml")
        try minimal(sampling: "policies: \"${file:policies.yaml}\"").write(to: target, atomically: true, encoding: .utf8)
        // As Kubernetes mounts it.
        let link = folder.appendingPathComponent("gateway.yaml")
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: target)
        let (config, problems) = ConfigurationLoader.load(path: link.path)
        #expect(problems.all == [])
        #expect(config?.tailSampling?.policies.count == 3)
        #expect(config?.tailSampling?.policies.first?.position.file == folder.path + "/policies.yaml")
    }

    @Test func theDefaultLoadsWithoutAWord() throws {
        let (config, problems) = load(DefaultConfiguration.text)
        #expect(problems.all == [])
        let node = try #require(config)
        #expect(node.receivers.map(\.grpc?.endpoint.description) == ["localhost:4317"])
        #expect(node.receivers.map(\.http?.endpoint.description) == ["localhost:4318"])
        #expect(node.tailSampling?.decisionWait == 10_000_000_000)
        var file = FileExporterConfig()
        file.path = "./traces.jsonl"
        file.append = true
        #expect(node.exporters.map(\.kind) == [.file(file)])
        #expect(node.pipelines[0].memoryLimiter?.limit == .percentage(75))
        #expect(node.healthCheck?.endpoint.port == 13_133)
        #expect(node.telemetry == TelemetryConfig())
    }

    @Test func itsPoliciesAreThoseOfTheFile() throws {
        let file = tree(DefaultConfiguration.policyFile).node?["policies"]
        let policies = try #require(load(DefaultConfiguration.text).config?.tailSampling).policies
        #expect(policies.compactMap { $0["name"]?.text } == ["errors", "slow", "rest"])
        #expect(ConfigNode(.list(policies), at: ConfigNode.literalPosition).sameContent(as: try #require(file)))
    }

    @Test func everyPolicyHasATestOfItsOwn() throws {
        let (node, problems) = tree(DefaultConfiguration.policyFile)
        #expect(problems == [])
        guard case .list(let tests)? = node?["tests"]?.value else {
            Issue.record("no tests")
            return
        }
        #expect(Set(tests.compactMap { $0["expect"]?["policy"]?.text }) == ["errors", "slow", "rest"])
        #expect(
            tests.allSatisfy {
                $0["name"]?.text != nil && $0["trace"]?[0] != nil && $0["expect"]?["decision"]?.text != nil
            })
    }
}
