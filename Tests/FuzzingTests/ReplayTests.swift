import Foundation
import FuzzTargets
import Testing

/// Inputs that the fuzzers found once (`Tests/Fuzzing/Found`), and their seeds (`Tests/Fuzzing/Corpus`), replayed by the code that the
/// fuzzers run. A broken promise traps, which ends the run: the last name printed is the input's.
@Suite(.serialized) struct ReplayTests {
    /// All files kept for a target.
    private static func inputs(_ target: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fuzzing")
        var found: [(String, [UInt8])] = []
        for place in ["Found", "Corpus"] {
            let path = folder.appendingPathComponent(place).appendingPathComponent(target).path
            for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() where !name.hasPrefix(".") {
                found.append(("\(place)/\(target)/\(name)", Array(try Data(contentsOf: URL(fileURLWithPath: path + "/" + name)))))
            }
        }
        return found
    }

    @Test(arguments: FuzzTarget.all.map(\.name)) func keptInputs(target name: String) throws {
        let target = try #require(FuzzTarget.named(name))
        let inputs = try Self.inputs(name)
        #expect(!inputs.isEmpty, "nothing is kept for \(name)")
        for (path, bytes) in inputs {
            print(path)
            // Twice: what the first run leaves behind must not matter to the second.
            for _ in 0..<2 {
                let isDeep = target.run(bytes)
                if path.hasPrefix("Corpus/") { #expect(!isDeep, "\(path) is no seed for a run with a planted fault") }
            }
        }
    }

    /// The fuzzers' own view of depth is no constant: for some targets an input that is deep is easy to write.
    @Test func deepInputsAreTold() throws {
        let deep: [(String, [UInt8])] = [
            ("http1", [255] + Array("GET / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n".utf8)),
            (
                "json",
                Array(
                    #"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"0123456789012345678901234567890123456789012345678901234567890123456789"}]}]}]}"#
                        .utf8)
            ),
            ("inflater", [1, 1, 0, 0xfe, 0xff, 0x61]),
            (
                "policies",
                Array(
                    """
                    policies: [{name: a, type: always_sample}]
                    tests: [{name: t, trace: [{name: s}], expect: {decision: not_sampled}}]
                    """.utf8)
            ),
        ]
        for (name, input) in deep { #expect(try #require(FuzzTarget.named(name)).run(input), "\(name)") }
        for target in FuzzTarget.all { #expect(!target.run([])) }
    }
}
