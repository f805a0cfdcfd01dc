import ConfigTree
import Foundation
import Gateway
import Testing

@Suite struct DefaultConfigurationTests {
    @Test func theBuiltInPoliciesAreTheFile() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let file = try String(contentsOf: root.appendingPathComponent("Policies/default.yaml"), encoding: .utf8)
        #expect(DefaultConfiguration.policyFile == file)
    }

    @Test func theDefaultLoadsWithoutAWord() throws {
        let (config, problems) = load(DefaultConfiguration.text)
        #expect(problems.all == [])
        let node = try #require(config)
        #expect(node.pipeline.receivers.map(\.grpc.endpoint.description) == ["localhost:4317"])
        #expect(node.pipeline.tailSampling.decisionWait == 10_000_000_000)
        var file = FileExporterConfig()
        file.path = "./traces.jsonl"
        file.append = true
        #expect(node.pipeline.exporters.map(\.kind) == [.file(file)])
        #expect(node.pipeline.memoryLimiter?.limit == .percentage(75))
        #expect(node.healthCheck?.endpoint.port == 13_133)
        #expect(node.telemetry == TelemetryConfig())
    }

    @Test func itsPoliciesAreThoseOfTheFile() throws {
        let file = tree(DefaultConfiguration.policyFile).node?["policies"]
        let policies = try #require(load(DefaultConfiguration.text).config).pipeline.tailSampling.policies
        #expect(policies.compactMap { $0["name"]?.text } == ["errors", "slow", "rest"])
        #expect(ConfigNode(.list(policies), at: ConfigNode.literalPosition).sameContent(as: try #require(file)))
    }

    @Test func everyPolicyHasATestOfItsOwn() throws {
        let (node, problems) = tree(DefaultConfiguration.policyFile)
        #expect(problems == [])
        guard case .list(let tests)? = node?["tests"]?.value else { Issue.record("no tests"); return }
        #expect(Set(tests.compactMap { $0["expect"]?["policy"]?.text }) == ["errors", "slow", "rest"])
        #expect(tests.allSatisfy { $0["name"]?.text != nil && $0["trace"]?[0] != nil && $0["expect"]?["decision"]?.text != nil })
    }
}
