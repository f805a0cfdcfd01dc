import ConfigTree
import Gateway
import Testing

@Suite struct SubstitutionTests {
    let variables = [
        "HOST": "backend", "PORT": "4317", "FLAG": "true", "EMPTY": "", "LIST": "[a, b]", "QUOTED": "\"x\"",
        "SIGN": "a # b",
        "PASSWORD": "p$w{}:", "NAME": "HOST", "WAIT": "5s",
    ]

    @Test(
        arguments: [
            ("${env:HOST}", "backend"), ("${HOST}", "backend"), ("\"${env:HOST}\"", "backend"),
            ("${env:HOST}:${env:PORT}", "backend:4317"),
            ("http://${HOST}:${PORT}/x", "http://backend:4317/x"), ("${env:NONE:-other}", "other"),
            ("${NONE:-other}", "other"),
            ("x${env:NONE:-}y", "xy"), ("${env:NONE:-a:-b}", "a:-b"), ("${env:EMPTY:-other}x", "x"), ("$$", "$"),
            ("a$$b", "a$b"),
            ("$${env:HOST}", "${env:HOST}"), ("cost: $5", nil), ("\"$5 ^x$\"", "$5 ^x$"), ("$HOST", "$HOST"),
            ("${env:SIGN}", "a # b"),
            ("${env:QUOTED}", "\"x\""), ("${env:PASSWORD}", "p$w{}:"), ("Bearer ${file:token}", "Bearer abc"),
            ("${file:token}", "abc"),
            ("${env:${NAME}}", "backend"), ("${env:NONE:-${env:HOST}}", "backend"),
            ("${env:NONE:-${env:HOST}}:1", "backend:1"),
        ] as [(String, String?)])
    func texts(value: String, expected: String?) {
        guard let expected else { return }
        let (node, problems) = tree("a: \(value)", variables, files: ["token": "abc\n"])
        #expect(problems == [])
        #expect(node?["a"]?.text == expected)
    }

    @Test func aWholeValueIsReadAsYAML() throws {
        let (node, problems) = tree(
            "port: ${env:PORT}\nflag: ${env:FLAG}\nempty: ${env:EMPTY}\nlist: ${env:LIST}\nwait: ${env:WAIT}\nquoted: ${env:PORT:-1}x",
            variables)
        #expect(problems == [])
        #expect(node?["port"]?.scalar == ConfigScalar(text: "4317", isPlain: true, isSubstituted: true))
        #expect(node?["port"]?.place == "t.yaml:1:7")
        #expect(node?["flag"]?.scalar?.meaning == .boolean(true))
        #expect(node?["empty"]?.value == .null)
        #expect(node?["list"]?[1]?.text == "b")
        #expect(node?["list"]?[1]?.place == "t.yaml:4:7")
        #expect(node?["quoted"]?.scalar == ConfigScalar(text: "4317x", isPlain: false))
        var reader = ConfigReader(try #require(node), keyPath: "", problems: ConfigProblems())
        let (number, text, wait) = (
            reader.integer("port", default: 0), reader.string("port", default: ""), reader.duration("wait", default: 0)
        )
        #expect(number == 4317 && text == "4317" && wait == 5_000_000_000)
        #expect(!reader.problems.hasErrors)
    }

    @Test func aFileIsGraftedWithItsOwnPositions() {
        let files = [
            "conf/policies.yaml": "# first\n- name: a\n  inner: ${file:sub/inner.yaml}\n",
            "conf/sub/inner.yaml": "\nkey: ${file:../x}\n",
            "conf/sub/../x": "7",
        ]
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: environment(files: files), problems: problems)
        let node = loader.load(text: "policies: ${file:policies.yaml}", file: "conf/main.yaml")
        #expect(problems.all == [])
        #expect(node?["policies"]?[0]?["name"]?.place == "conf/policies.yaml:2:9")
        #expect(node?["policies"]?[0]?["inner"]?["key"]?.scalar?.meaning == .integer(7))
        #expect(node?["policies"]?[0]?["inner"]?.place == "conf/sub/inner.yaml:2:1")
    }

    @Test func absolutePathsStayAndTheWholeFileMayBeElsewhere() {
        #expect(tree("${file:/etc/x.yaml}", files: ["/etc/x.yaml": "a: 1"]).node?["a"]?.place == "/etc/x.yaml:1:4")
    }

    @Test(arguments: [
        (
            "a: ${env:NONE}",
            "t.yaml:1:4: a: the environment variable `NONE` is not set; set it, or write `${env:NONE:-default}`"
        ),
        (
            "a:\n  - x${NONE}y",
            "t.yaml:2:5: a[0]: the environment variable `NONE` is not set; set it, or write `${env:NONE:-default}`"
        ),
        ("a: ${file:none}", "t.yaml:1:4: a: can't read `none`: there is no such file"),
        ("a: ${file:}", "t.yaml:1:4: a: `${file:}` names no file; write `${file:path}`"),
        ("a: x${env:HOST", "t.yaml:1:4: a: `${` without its `}`; write `$${` for the text itself"),
        (
            "a: ${1}",
            "t.yaml:1:4: a: `${1}` is no substitution; write `${env:NAME}`, `${env:NAME:-default}` or `${file:path}`, or `$${1}` for the text itself"
        ),
        (
            "a: ${}",
            "t.yaml:1:4: a: `${}` is no substitution; write `${env:NAME}`, `${env:NAME:-default}` or `${file:path}`, or `$${}` for the text itself"
        ),
        (
            "a: ${http://x/y}",
            "t.yaml:1:4: a: `${http:...}` is not in Tailgate yet; `${env:NAME}` and `${file:path}` are"
        ),
        (
            "a: ${file:loop.yaml}",
            "other.yaml:1:4: a.x.y: files include each other in a circle: loop.yaml -> other.yaml -> loop.yaml"
        ),
        ("a: ${file:t.yaml}", "t.yaml:1:4: a: files include each other in a circle: t.yaml -> t.yaml"),
        (
            "a: ${file:broken.yaml}",
            "broken.yaml:2:3: a: this is not valid YAML: mapping values are not allowed in this context"
        ),
    ])
    func errors(text: String, problem: String) {
        let files = [
            "loop.yaml": "x: ${file:other.yaml}", "other.yaml": "y: ${file:./loop.yaml}", "broken.yaml": "a: 1\n b: 2",
        ]
        #expect(tree(text, variables, files: files).problems == [problem])
    }

    @Test func inclusionHasALimit() {
        var files: [String: String] = [:]
        for index in 0..<40 { files["f\(index)"] = "x: ${file:f\(index + 1)}" }
        #expect(
            tree("a: ${file:f0}", files: files).problems == [
                "f14:1:4: a" + String(repeating: ".x", count: 15) + ": more than 16 files include each other"
            ])
    }

    @Test func manyInclusionsShareTheLimits() {
        let file = "[" + String(repeating: "x, ", count: 50_000) + "]"
        let text = (0..<20).map { "k\($0): ${file:big}" }.joined(separator: "\n")
        let (_, problems) = tree(text, files: ["big": file])
        #expect(problems.count == 1)
    }
}
