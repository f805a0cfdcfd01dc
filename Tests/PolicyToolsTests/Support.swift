import ConfigTree
import Foundation
import Gateway
import OTLP
import PolicyTools
import Sampling
import TestSupport
import Testing

/// The root of the project.
let projectFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// The tree of a YAML text.
func tree(_ text: String, _ problems: ConfigProblems = ConfigProblems()) -> ConfigNode? {
    var loader = YAMLTreeLoader(
        environment: ConfigurationEnvironment(variable: { PolicyImport.variableMark($0) }, readFile: { _, _ in [] }),
        problems: problems)
    return loader.load(text: text, file: "p.yaml")
}

/// The policies of a YAML text, and what was wrong with them.
func source(_ text: String) -> (source: PolicySource?, problems: ConfigProblems) {
    let problems = ConfigProblems()
    return (tree(text, problems).flatMap { PolicySource($0, problems: problems) }, problems)
}

/// Policies that must be right.
func policies(_ text: String) throws -> PolicySource {
    let (source, problems) = source(text)
    let found = try #require(source)
    _ = found.compiled(problems: problems)
    #expect(problems.errors.map(\.description) == [])
    return found
}

/// A policy file's tests, run.
func run(_ text: String) throws -> (results: [PolicyTestResult], problems: [String]) {
    let (source, problems) = source(text)
    let found = try #require(source, "\(problems.all)")
    let results = PolicyTests.results(found, problems: problems)
    return (results, problems.all.map(\.description))
}

extension Encode {
    /// One span of one service as a request. Times in milliseconds after `base`.
    static func request(
        _ trace: TraceID, service: String = "shop", name: String = "GET /", start: UInt64, duration: UInt64 = 1,
        isError: Bool = false, isRoot: Bool = true
    ) -> [UInt8] {
        var span = bytes(1, trace.bytes) + bytes(2, [1, 2, 3, 4, 5, 6, 7, UInt8(truncatingIfNeeded: start | 1)])
        if !isRoot { span += bytes(4, [9, 9, 9, 9, 9, 9, 9, 9]) }
        span += text(5, name)
        span += fixed64(7, base + start * 1_000_000) + fixed64(8, base + (start + duration) * 1_000_000)
        if isError { span += bytes(15, [0x18, 2]) }
        let attribute = text(1, "service.name") + bytes(2, text(1, service))
        return bytes(1, bytes(1, bytes(1, attribute)) + bytes(2, bytes(2, span)))
    }

    static let base: UInt64 = 1_767_225_600_000_000_000
}
