import ConfigTree
import Foundation
import Gateway
import OTLP
import PolicyTools
import Sampling
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

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

/// A protobuf encoder of the tests' own.
enum Encode {
    static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest > 127 {
            bytes.append(UInt8(rest % 128) + 128)
            rest /= 128
        }
        return bytes + [UInt8(rest)]
    }

    static func field(_ number: UInt64, _ payload: [UInt8]) -> [UInt8] {
        varint(number * 8 + 2) + varint(UInt64(payload.count)) + payload
    }

    static func fixed64(_ number: UInt64, _ value: UInt64) -> [UInt8] {
        varint(number * 8 + 1) + (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
    }

    /// One span of one service as a request. Times in milliseconds after `base`.
    static func request(
        _ trace: TraceID, service: String = "shop", name: String = "GET /", start: UInt64, duration: UInt64 = 1,
        isError: Bool = false, isRoot: Bool = true
    ) -> [UInt8] {
        var span = field(1, trace.bytes) + field(2, [1, 2, 3, 4, 5, 6, 7, UInt8(truncatingIfNeeded: start | 1)])
        if !isRoot { span += field(4, [9, 9, 9, 9, 9, 9, 9, 9]) }
        span += field(5, Array(name.utf8))
        span += fixed64(7, base + start * 1_000_000) + fixed64(8, base + (start + duration) * 1_000_000)
        if isError { span += field(15, [0x18, 2]) }
        let attribute = field(1, Array("service.name".utf8)) + field(2, field(1, Array(service.utf8)))
        return field(1, field(1, field(1, attribute)) + field(2, field(2, span)))
    }

    static let base: UInt64 = 1_767_225_600_000_000_000
}
