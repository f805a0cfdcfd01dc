package import ConfigTree
internal import Sampling

/// Looks for what in a policy file may surprise its author: traps of the format, and policies that can't have an effect.
///
/// Purely from the file; nothing is known of the traffic. `tailgate policy plan` answers the same questions for recorded traffic.
package struct PolicyLint {
    package private(set) var findings: [LintFinding] = []
    let source: PolicySource
    /// A budget below this many spans is called small.
    let largeTraceSpans: Int
    /// A budget below this many bytes is called small: a span is taken for 500 bytes.
    var largeTraceBytes: Int { largeTraceSpans * 500 }

    /// Looks at a file. What the node itself says of it is taken from `problems` as the rule `configuration`.
    package init(_ source: PolicySource, problems: ConfigProblems, largeTraceSpans: Int = 100) {
        self.source = source
        self.largeTraceSpans = largeTraceSpans
        _ = source.compiled(problems: problems)
        findings = LintFinding.of(problems)
        let policies = source.document.policies.enumerated().map {
            LintPolicy($1, keyPath: "\(source.document.policiesKeyPath)[\($0)]")
        }
        checkSet(policies)
        for policy in policies { checkTree(policy, isTop: true, within: nil) }
        if source.document.tests.isEmpty {
            add(.noTests, .note, source.document.position, "tests", "there are no tests")
        }
        sort()
    }

    mutating func add(_ rule: LintRule, _ level: LintLevel, _ position: SourcePosition, _ keyPath: String, _ message: String) {
        findings.append(LintFinding(rule: rule, level: level, position: position, keyPath: keyPath, message: message))
    }

    mutating func add(_ rule: LintRule, _ level: LintLevel, _ policy: LintPolicy, _ message: String, key: String? = nil) {
        let position = key.flatMap { policy.block.child($0)?.position } ?? policy.position
        let path = key.map { "\(policy.keyPath).\(policy.type).\($0)" } ?? policy.keyPath
        add(rule, level, position, path, message)
    }

    private mutating func sort() {
        findings = findings.enumerated().sorted {
            ($0.element.position.file, $0.element.position.line, $0.element.position.column, $0.offset)
                < ($1.element.position.file, $1.element.position.line, $1.element.position.column, $1.offset)
        }.map(\.element)
    }

    // MARK: the set

    private mutating func checkSet(_ policies: [LintPolicy]) {
        let keeping = policies.filter { $0.type != "drop" }
        checkContained(keeping)
        checkDropOrder(policies)
        checkLimiters(keeping)
        checkFirstMatch(policies, keeping)
        let hasShare = keeping.contains { Self.keepsShare($0) }
        if !keeping.isEmpty && !hasShare {
            add(
                .noBaseline, .note, source.document.position, source.document.policiesKeyPath,
                "no policy keeps a share of the traces in which nothing is special")
        }
    }

    private static func keepsShare(_ policy: LintPolicy) -> Bool {
        switch policy.type {
        case "always_sample", "probabilistic", "rate_limiting", "bytes_limiting", "composite", "dynamic", "first_match", "not":
            true
        case "string_attribute", "numeric_attribute", "boolean_attribute": policy.isInverted
        case "and": policy.children.allSatisfy { keepsShare($0) }
        case "any_of": policy.children.contains { keepsShare($0) }
        default: policy.keepsEverything
        }
    }

    private mutating func checkContained(_ policies: [LintPolicy]) {
        for (position, policy) in policies.enumerated() {
            let others = policies.enumerated().filter { $0.offset != position }
            if let all = others.first(where: { $0.element.keepsEverything })?.element {
                if policy.keepsEverything && all.position.line > policy.position.line { continue }
                add(
                    .shadowed, .warning, policy,
                    "\(policy.shown) changes nothing: \(all.shown) (line \(all.position.line)) keeps every trace")
                continue
            }
            if let same = others.first(where: { $0.offset < position && policy.isSame(as: $0.element) })?.element {
                add(.identical, .warning, policy, "\(policy.shown) is the same as \(same.shown) (line \(same.position.line))")
                continue
            }
            let wider = others.first { other in
                policy.isContained(in: other.element) && !(other.offset > position && policy.isSame(as: other.element))
            }?.element
            if let wider, !policy.keepsNothing {
                add(
                    .subsumed, .warning, policy,
                    "\(policy.shown) keeps nothing that \(wider.shown) (line \(wider.position.line)) does not keep")
            }
        }
    }

    private mutating func checkDropOrder(_ policies: [LintPolicy]) {
        guard let firstKeeping = policies.firstIndex(where: { $0.type != "drop" }) else { return }
        for policy in policies[firstKeeping...] where policy.type == "drop" {
            add(.dropOrder, .note, policy, "\(policy.shown) is asked before the policies that are written above it")
        }
    }

    private mutating func checkLimiters(_ policies: [LintPolicy]) {
        for (position, policy) in policies.enumerated() where ["rate_limiting", "bytes_limiting"].contains(policy.type) {
            let others = policies.indices.filter { $0 != position }
            guard !others.isEmpty else { continue }
            add(
                .limitAdds, .warning, policy,
                "\(policy.shown) does not limit the other policies: it keeps any trace that fits into its rate, in addition to theirs")
            if source.settings.sampleOnFirstMatch {
                if position < policies.count - 1 {
                    add(
                        .firstMatchOrder, .note, policy,
                        "\(policy.shown) takes traces before the policies below it are asked, and they are charged to it")
                }
            } else {
                add(.limitCharged, .note, policy, "\(policy.shown) is charged for traces that other policies keep as well")
            }
        }
    }

    private mutating func checkFirstMatch(_ policies: [LintPolicy], _ keeping: [LintPolicy]) {
        guard keeping.count > 1 else { return }
        for policy in keeping where policy.type == "first_match" {
            let others = keeping.filter { $0.keyPath != policy.keyPath }.map(\.shown).joined(separator: ", ")
            add(
                .firstMatchNotAlone, .warning, policy,
                "what \(policy.shown) decides against may still be kept by \(others)")
        }
    }

    /// One policy and everything inside it.
    private mutating func checkTree(_ policy: LintPolicy, isTop: Bool, within parent: LintPolicy?) {
        checkOne(policy, isTop: isTop, within: parent)
        let children = policy.children
        for child in children { checkTree(child, isTop: false, within: policy) }
    }
}
