package import ConfigTree
internal import ReportText
internal import Sampling

/// Policies that came from another sampler's configuration, and every difference in meaning.
package struct PolicyImport: Sendable {
    /// Characters in a line of a comment, without its mark.
    private static let commentWidth = 110

    /// Something that is not as it was.
    package struct Note: Sendable, Equatable {
        package enum Weight: Int, Sendable, Comparable {
            /// The same decisions, said otherwise.
            case remark
            /// Other decisions on some traces.
            case difference
            /// A part that could not be taken over.
            case missing

            package static func < (left: Weight, right: Weight) -> Bool { left.rawValue < right.rawValue }

            package var word: String {
                switch self {
                case .remark: "note"
                case .difference: "differs"
                case .missing: "missing"
                }
            }
        }

        package var weight: Weight
        /// Where the cause stands in the imported file.
        package var position: SourcePosition
        package var text: String
        /// Which policy of the result it is about; nil: the whole.
        package var policy: Int?
    }

    /// What the result is made from, for its first line: `the Collector configuration gateway.yaml`.
    package var origin: String
    package private(set) var policies: [ConfigNode] = []
    package var settings: [ConfigEntry] = []
    package private(set) var notes: [Note] = []
    /// Tests that the result passes, one for each policy whose intent can be read off.
    package private(set) var tests: [ConfigNode] = []

    init(origin: String) { self.origin = origin }

    /// Reads a Collector configuration or Refinery's rules, whichever it is. Nil if it is neither; `problems` then says so.
    ///
    /// - Parameters:
    ///   - processor: which `tail_sampling` block, if there are several.
    ///   - environment: which of Refinery's environments; nil: `__default__`, or the only one.
    ///   - incomingSpansPerSecond: for samplers whose goal is a ratio.
    package static func read(
        _ root: ConfigNode, file: String, processor: String? = nil, environment: String? = nil,
        incomingSpansPerSecond: Double? = nil, problems: ConfigProblems
    ) -> PolicyImport? {
        var made: PolicyImport?
        if root.child("Samplers") != nil || root.child("RulesVersion") != nil {
            made = RefineryImport(file: file, environment: environment, incoming: incomingSpansPerSecond, problems: problems)
                .read(root)
        } else if root.child("processors") != nil || root.child("policies") != nil {
            made = CollectorImport(file: file, processor: processor, problems: problems).read(root)
        } else {
            problems.error(
                "neither a Collector configuration (`processors: tail_sampling:`) nor Refinery rules (`Samplers:`, version 2)",
                at: root.position, keyPath: "")
        }
        made?.finish()
        return made
    }

    /// Adds a policy; notes with its number go above it.
    @discardableResult
    mutating func add(_ policy: ConfigNode) -> Int {
        policies.append(policy)
        return policies.count - 1
    }

    mutating func note(_ weight: Note.Weight, _ text: String, at position: SourcePosition, policy: Int? = nil) {
        notes.append(Note(weight: weight, position: position, text: text, policy: policy))
    }

    /// Where the program itself warns of the result, that is a difference, too. Then tests are made.
    private mutating func finish() {
        let problems = ConfigProblems()
        let set = PolicySet(version: 0, nodes: policies, keyPath: "policies", problems: problems)
        for problem in problems.all {
            let policy = policies.indices.last { problem.keyPath.hasPrefix("policies[\($0)]") }
            let weight: Note.Weight = problem.severity == .error ? .missing : .difference
            note(weight, problem.message, at: problem.position, policy: policy)
        }
        guard set != nil else { return }
        tests = ImportTests.suggested(for: policies, settings: settings)
    }

    /// Whether the result can be used as it is.
    package var isComplete: Bool { !notes.contains { $0.weight == .missing } }

    /// The policy file, with the notes as comments.
    package func yaml() -> String {
        var writer = YAMLText()
        var entries: [ConfigEntry] = []
        func add(_ key: String, _ value: ConfigNode.Value) {
            let position = ConfigNode.literalPosition
            entries.append(ConfigEntry(key: key, keyPosition: position, value: ConfigNode(value, at: position)))
        }
        if !settings.isEmpty { add("settings", .map(settings)) }
        add("policies", .list(policies))
        if !tests.isEmpty { add("tests", .list(tests)) }
        for (position, _) in policies.enumerated() {
            let own = notes.filter { $0.policy == position }
            if !own.isEmpty { writer.comments["policies[\(position)]"] = own.flatMap { "\($0.weight.word): \($0.text)".wrapped(to: Self.commentWidth) } }
        }
        if !tests.isEmpty {
            writer.comments["tests"] = ["One trace for each policy whose intent can be read off. Add the cases that you care about."]
        }
        let body = writer.text(ConfigNode(.map(entries), at: ConfigNode.literalPosition))
        return Self.restoringVariables(in: head() + body)
    }

    private func head() -> String {
        var lines = ["# yaml-language-server: $schema=policy.schema.json", "#", "# Made from \(origin) by `tailgate policy import`."]
        let general = notes.filter { $0.policy == nil }
        if !general.isEmpty {
            lines.append("#")
            lines.append("# What is not as it was:")
            for note in general {
                let wrapped = "\(note.weight.word): \(note.text)".wrapped(to: Self.commentWidth)
                lines += wrapped.enumerated().map { "#   " + ($0.offset == 0 ? "- " : "  ") + $0.element }
            }
        }
        return lines.joined(separator: "\n") + "\n\n"
    }

    // MARK: variables

    /// What a variable's value is to be while a file is imported: a mark that the result turns into `${env:NAME}` again, since
    /// the value belongs to where the file is used.
    package static func variableMark(_ name: String) -> String { "\u{E000}\(name)\u{E001}" }

    private static func restoringVariables(in text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\u{E000}": result += "${env:"
            case "\u{E001}": result += "}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

// MARK: building trees

extension ConfigNode {
    /// A map of what is given, in order; nil values are left out.
    static func made(_ pairs: [(String, ConfigNode?)]) -> ConfigNode {
        let entries = pairs.compactMap { key, value in
            value.map { ConfigEntry(key: key, keyPosition: literalPosition, value: $0) }
        }
        return ConfigNode(.map(entries), at: literalPosition)
    }

    static func made(_ items: [ConfigNode]) -> ConfigNode { ConfigNode(.list(items), at: literalPosition) }

    static func text(_ text: String) -> ConfigNode {
        ConfigNode(.scalar(ConfigScalar(text: text, isPlain: false)), at: literalPosition)
    }

    static func texts(_ texts: [String]) -> ConfigNode { made(texts.map { text($0) }) }

    /// A number with at most six digits behind the point, and none that say nothing.
    static func number(_ value: Double) -> ConfigNode {
        var text = "\(value)"
        if let whole = Int(exactly: value) {
            text = "\(whole)"
        } else if abs(value) < 1e9 {
            let rounded = (value * 1e6).rounded() / 1e6
            text = Int(exactly: rounded).map(String.init) ?? (rounded == 0 ? "\(value)" : "\(rounded)")
        }
        return ConfigNode(.scalar(ConfigScalar(text: text, isPlain: true)), at: literalPosition)
    }

    static func bool(_ value: Bool) -> ConfigNode {
        ConfigNode(.scalar(ConfigScalar(text: value ? "true" : "false", isPlain: true)), at: literalPosition)
    }

    /// A policy: `{name, type, <type>: block}`.
    static func policy(_ name: String?, _ type: String, _ block: ConfigNode? = nil) -> ConfigNode {
        made([("name", name.map { text($0) }), ("type", text(type)), (type, block)])
    }
}
