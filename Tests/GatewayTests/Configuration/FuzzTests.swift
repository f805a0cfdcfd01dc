import ConfigTree
import Gateway
import TestSupport
import Testing

@Suite struct FuzzTests {
    static let pieces = [
        "${", "}", "$$", "&a ", "*a", "<<: ", "[", "]", "{", "}", "- ", ": ", "\n", "  ", "\"", "'", "|\n", "!!int ",
        "#", "~", "\t", "? ", "%", "${file:t.yaml}", "${env:X:-", "\u{0}", "é",
    ]

    /// Whatever the bytes are, loading ends, with a configuration or with at least one error.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func mutatedFilesNeverTrap(seed: UInt64) {
        var random = SeededGenerator(seed)
        let original = Array(fullConfiguration.utf8)
        for _ in 0..<150 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random)!.utf8, at: at)
                case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...200, using: &random)))
                default:
                    let end = min(bytes.count, at + Int.random(in: 1...80, using: &random))
                    bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            let files = fullFiles.mapValues { Array($0.utf8) }.merging(["t.yaml": bytes]) { $1 }
            let disk = ConfigurationEnvironment(
                variable: { fullVariables[$0] },
                readFile: { (path, _) throws(ConfigurationEnvironment.Unreadable) in
                    guard let bytes = files[path] else { throw .init(reason: "there is no such file") }
                    return bytes
                })
            let (config, problems) = ConfigurationLoader.load(path: "t.yaml", environment: disk)
            #expect((config == nil) == problems.hasErrors)
            for problem in problems.all {
                #expect(problem.position.line >= 1 && problem.position.column >= 1)
                #expect(!problem.description.contains("\n"), "\(problem)")
                #expect(problem.message.count < 3_000)
            }
        }
    }

    @Test func everyPrefixOfAFileIsReadOrRefused() {
        let text = Array(fullConfiguration.unicodeScalars)
        for length in stride(from: 0, to: text.count, by: 23) {
            var prefix = String.UnicodeScalarView()
            prefix.append(contentsOf: text[..<length])
            let (config, problems) = load(String(prefix), fullVariables, files: fullFiles)
            #expect((config == nil) == problems.hasErrors)
        }
    }
}
