import ConfigTree
import Foundation
import PolicyTools
import ReportText
import Testing

/// What stands in `Policies/` is what the program does.
@Suite struct ReferenceTests {
    static let folder = projectFolder.appendingPathComponent("Policies")
    static let files = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { $0.hasSuffix(".yaml") }.sorted()

    @Test func thereAreFiles() { #expect(Self.files.count >= 7) }

    @Test(arguments: files)
    func policyFile(name: String) throws {
        let text = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
        let (results, problems) = try run(text)
        #expect(problems.filter { !$0.contains("warning") } == [])
        #expect(!results.isEmpty)
        #expect(results.flatMap(\.failures) == [])
        let (found, again) = source(text)
        let lint = PolicyLint(try #require(found), problems: again)
        #expect(lint.findings.filter { $0.level == .error }.map(\.message) == [])
    }

    @Test func schemaIsCurrent() throws {
        let text = try String(contentsOf: Self.folder.appendingPathComponent("policy.schema.json"), encoding: .utf8)
        let isCurrent = text == PolicyJSONSchema.document().rendered() + "\n"
        #expect(isCurrent, "run `tailgate policy schema > Policies/policy.schema.json`")
    }

    @Test func referenceIsCurrent() throws {
        let text = try String(contentsOf: Self.folder.appendingPathComponent("README.md"), encoding: .utf8)
        let isCurrent = text.contains(PolicyReference.markdown())
        #expect(isCurrent, "put what `tailgate policy schema --format markdown` prints into Policies/README.md")
        for file in Self.files { #expect(text.contains("](\(file))"), "\(file) is not in the list of README.md") }
    }

    /// The keys that a reader takes are those that the schema has: asked by a key that is unknown.
    @Test(arguments: [
        ("file", "{policies: [], zzzzzz: 1}"), ("settings", "{policies: [], settings: {zzzzzz: 1}}"),
        ("test", "{policies: [], tests: [{zzzzzz: 1}]}"), ("span", "{policies: [], tests: [{name: a, trace: [{zzzzzz: 1}], expect: {kept: 0}}]}"),
        ("traceGroup", "{policies: [], tests: [{name: a, traces: [{trace: [{}], zzzzzz: 1}], expect: {kept: 0}}]}"),
        ("expectation", "{policies: [], tests: [{name: a, trace: [{}], expect: {kept: 0, zzzzzz: 1}}]}"),
    ])
    func keys(definition: String, text: String) throws {
        let (found, problems) = source(text)
        if let found { _ = PolicyTests.run(found, problems: problems) }
        let message = try #require(problems.all.first { $0.message.contains("unknown key `zzzzzz`") }?.message, "\(problems.all)")
        let known = try #require(message.components(separatedBy: "known keys: ").last).components(separatedBy: ", ")
        let schema = PolicyJSONSchema.document().rendered()
        let object = try #require(try JSONSerialization.jsonObject(with: Data(schema.utf8)) as? [String: Any])
        let definitions = try #require(object["definitions"] as? [String: [String: Any]])
        let properties = try #require(definitions[definition]?["properties"] as? [String: Any])
        let others = definition == "settings" ? PolicySettings.otherKeys + ["policies"] : []
        #expect(Set(known).subtracting(others) == Set(properties.keys))
    }
}
