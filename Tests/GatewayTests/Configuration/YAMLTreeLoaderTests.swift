import ConfigTree
import Gateway
import Glibc
import Testing

@Suite struct YAMLTreeLoaderTests {
    @Test func keepsPositionsAndQuoting() {
        let (node, problems) = tree(
            """
            a: 5
            b:
              - "x"
              - {c: 'y', d: ~}
            e: |
              block

            """)
        #expect(problems == [])
        #expect(node?["a"]?.scalar == ConfigScalar(text: "5", isPlain: true))
        #expect(node?["a"]?.place == "t.yaml:1:4")
        #expect(node?["b"]?[0]?.scalar == ConfigScalar(text: "x", isPlain: false))
        #expect(node?["b"]?[1]?["c"]?.place == "t.yaml:4:9")
        #expect(node?["b"]?[1]?["d"]?.value == .null)
        #expect(node?["e"]?.scalar == ConfigScalar(text: "block\n", isPlain: false))
        #expect(node?.keys == ["a", "b", "e"])
    }

    @Test func anEmptyFileIsNull() {
        for text in ["", "# nothing\n", "---\n", "\u{FEFF}"] {
            let (node, problems) = tree(text)
            #expect(node?.value == .null)
            #expect(problems == [])
        }
        #expect(tree("\u{FEFF}a: 1").node?["a"]?.text == "1")
        #expect(tree("a: 1\r\nb: 2\r\n").node?["b"]?.text == "2")
    }

    @Test func aliasesAndMergeKeys() {
        let (node, problems) = tree(
            """
            base: &base {a: 1, b: 2}
            more: &more {b: 3, c: 4}
            one: {<<: *base, b: 9}
            two:
              <<: [*more, *base]
              d: 5
            same: *base
            """)
        #expect(problems == [])
        #expect(node?["one"]?["a"]?.text == "1")
        #expect(node?["one"]?["b"]?.text == "9")
        #expect(node?["two"]?["b"]?.text == "3")
        #expect(node?["two"]?.keys.sorted() == ["a", "b", "c", "d"])
        #expect(node?["same"] == node?["base"])
    }

    @Test func tagsAndQuotesDecideWhatIsText() {
        let (node, problems) = tree("a: !!str 5\nb: !!int \"5\"\nc: ! 5\nd: \"5\"")
        #expect(problems == [])
        #expect(node?["a"]?.scalar == ConfigScalar(text: "5", isPlain: false))
        #expect(node?["b"]?.scalar == ConfigScalar(text: "5", isPlain: true))
        #expect(node?["d"]?.scalar == ConfigScalar(text: "5", isPlain: false))
        #expect(
            tree("a: !secret x").problems == ["t.yaml:1:4: a: the YAML tag `!secret` means nothing here; leave it out"])
    }

    @Test(arguments: [
        (
            "a: [1, 2",
            "t.yaml:2:1: this is not valid YAML: did not find expected ',' or ']' while parsing a flow sequence"
        ),
        ("a: 1\n b: 2", "t.yaml:2:3: this is not valid YAML: mapping values are not allowed in this context"),
        (
            "a:\n\tb: 1",
            "t.yaml:2:1: this is not valid YAML: found character that cannot start any token while scanning for the next token"
        ),
        ("a: \"x", "t.yaml:1:6: this is not valid YAML: found unexpected end of stream while scanning a quoted scalar"),
        ("a: *b", "t.yaml:1:4: this is not valid YAML: found undefined alias"),
        (
            "a: 1\n---\nb: 2",
            "t.yaml:2:1: this is not valid YAML: but found another document expected a single document in the stream"
        ),
        ("x: 1\na: \u{7}", "t.yaml:2:4: this is not valid YAML: control characters are not allowed"),
        (
            "x: 1\na: 1\nb: 2\na: 3",
            "t.yaml:2:1: the key `a` is written twice in this map, here and below; keep one of them"
        ),
        ("a: 1\n\"a\": 3", "t.yaml:1:1: the key `a` is written twice in this map, here and below; keep one of them"),
        ("? [a]\n: 1", "t.yaml:1:3: a key must be a text, not a list, a map or an alias"),
        ("a: {<<: 5}", "t.yaml:1:9: a: `<<` takes a map or a list of maps (aliases such as `*base`)"),
    ])
    func syntaxErrors(text: String, problem: String) {
        #expect(tree(text).problems == [problem])
    }

    @Test func aBillionLaughsFailCleanly() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...12 {
            let item = "*a\(level - 1)"
            text += "a\(level): &a\(level) [\(Array(repeating: item, count: 9).joined(separator: ", "))]\n"
        }
        let (_, problems) = tree(text)
        #expect(problems.count == 1)
        #expect(
            problems.first?.hasSuffix(
                "the configuration has more than 500000 values once its aliases are expanded; that is the limit")
                == true)
    }

    @Test(arguments: ["? *a40\n: 1\n", "*a40 : 1\n", "k: {[*a40]: 1}\n", "k: [{*a40 : 1}]\n"])
    func aBillionLaughsAsAKeyFailCleanly(end: String) {
        var text = "a0: &a0 {k: \"* x\"}\n"
        for level in 1...40 { text += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        let (_, problems) = tree(text + end)
        #expect(problems.count == 1)
        #expect(problems.first?.contains("a key must be a text, not a list, a map or an alias") == true)
    }

    @Test func mergingABillionLaughsFailsCleanly() {
        var text = "a0: &a0 {k: {x: 1}}\n"
        for level in 1...30 {
            text += "a\(level): &a\(level) {p: *a\(level - 1), q: *a\(level - 1), <<: *a\(level - 1)}\n"
        }
        #expect(tree(text).problems.count >= 1)
    }

    @Test(arguments: ["[", "{a: ", "- ", "? "])
    func deepNestingFailsCleanly(opening: String) {
        for depth in [70, 5_000, 100_000] {
            let (_, problems) = tree(String(repeating: opening, count: depth))
            #expect(problems.count >= 1)
        }
    }

    @Test func filesHaveLimits() {
        #expect(
            tree("a: ${file:big}", files: ["big": "x: " + String(repeating: "y", count: 10 << 20)]).problems == [
                "t.yaml:1:4: a: can't read `big`: it is larger than 10 MiB; that is the limit"
            ])
        let problems = ConfigProblems()
        let bytes = ConfigurationEnvironment(variable: { _ in nil }, readFile: { _, _ in [0x61, 0xff, 0x62] })
        var loader = YAMLTreeLoader(environment: bytes, problems: problems)
        #expect(loader.load(path: "x.yaml") == nil)
        #expect(problems.all.map(\.description) == ["x.yaml:1:1: can't read `x.yaml`: it is not UTF-8 text"])
    }

    @Test func theDiskExplainsItself() {
        func problem(_ path: String) -> [String] { ConfigurationLoader.load(path: path).problems.all.map(\.message) }
        #expect(problem("/nowhere/x.yaml") == ["can't read `/nowhere/x.yaml`: there is no such file"])
        #expect(problem("/tmp") == ["can't read `/tmp`: it is a directory"])
        #expect(problem("/dev/zero") == ["can't read `/dev/zero`: it is a device, and a regular file is expected"])
        let pipe = "/tmp/tailgate-pipe-\(UInt64.random(in: .min ... .max))"
        #expect(mkfifo(pipe, 0o600) == 0)
        defer { unlink(pipe) }
        #expect(problem(pipe) == ["can't read `\(pipe)`: it is a pipe, and a regular file is expected"])
        // Not for a node, which reads its files again.
        #expect(problem("-") == ["can't read `-`: there is no such file"])
    }

    /// `-` is standard input in place of the outermost file alone.
    @Test func standardInput() {
        var input = environment(files: ["b": "2"])
        input.standardInput = { _ in Array("a: 1\nb: ${file:b}".utf8) }
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: input, problems: problems)
        #expect(loader.load(path: "-") != nil)
        #expect(problems.all.isEmpty && loader.files == ["b"])
        input.standardInput = { (_) throws(ConfigurationEnvironment.Unreadable) in throw .init(reason: "it is closed") }
        loader = YAMLTreeLoader(environment: input, problems: problems)
        #expect(loader.load(path: "-") == nil)
        #expect(problems.all.map(\.description) == ["-:1:1: can't read standard input: it is closed"])
    }
}
