package import ConfigTree
package import OTLP

/// The policies of a configuration in order, compiled: what decides on traces. Immutable and shared by all workers.
package struct PolicySet: Sendable {
    /// A policy under its name.
    package struct Named: Sendable {
        package let name: String
        package let policy: any SamplingPolicy

        package init(name: String, policy: any SamplingPolicy) {
            self.name = name
            self.policy = policy
        }
    }

    /// Counts up with every set that is put in force; a trace is judged by the version of its first span.
    package let version: UInt16
    package let policies: [Named]
    /// Stop asking at the first policy that samples (`sample_on_first_match`).
    package var stopsAtFirstMatch = false
    private let program: PredicateProgram
    /// The attributes that arriving spans must be searched for.
    package let interest: AttributeInterest
    /// The policies as they were written.
    package private(set) var nodes: [ConfigNode] = []

    /// Builds a set from policies made by hand.
    package init(version: UInt16, policies: [Named], predicates: PredicateCompiler) {
        self.version = version
        self.policies = policies
        program = predicates.program()
        interest = .none
    }

    /// Builds a set from the `policies` list of a configuration; problems go to `problems`, and nil comes back if any is an error.
    package init?(version: UInt16, nodes: [ConfigNode], keyPath: String, problems: ConfigProblems) {
        var compiler = PredicateCompiler()
        var built: [Named] = []
        var names: Set<String> = []
        let before = problems.all.count { $0.severity == .error }
        for (position, node) in nodes.enumerated() {
            var reader = ConfigReader(node, keyPath: "\(keyPath)[\(position)]", problems: problems)
            let name = reader.string("name", default: "")
            if name.isEmpty {
                reader.error("policy name cannot be empty; give the policy a `name`", key: "name")
            } else if !names.insert(name).inserted {
                reader.error("duplicate policy name `\(name)`; names must differ", key: "name")
            }
            if let policy = Self.build(&reader, &compiler) { built.append(Named(name: name, policy: policy)) }
            reader.finish()
        }
        guard problems.all.count(where: { $0.severity == .error }) == before else { return nil }
        self.init(version: version, policies: built, predicates: compiler)
        self.nodes = nodes
    }

    private static func build(
        _ reader: inout ConfigReader, _ compiler: inout PredicateCompiler
    ) -> (any SamplingPolicy)? {
        let typeName = reader.string("type", default: "")
        let known = PolicyCatalog.types.map { $0.typeName }
        for other in known where other != typeName && reader.has(other) {
            _ = reader.node(other)
            reader.warning("this block is ignored, since the policy's type is `\(typeName)`", key: other)
        }
        for other in PolicyCatalog.collectorOnlyTypes where other != typeName && reader.has(other) {
            _ = reader.node(other)
            reader.warning("this block is ignored, since the policy's type is `\(typeName)`", key: other)
        }
        guard let type = PolicyCatalog.types.first(where: { $0.typeName == typeName }) else {
            _ = reader.node(typeName)
            if typeName.isEmpty {
                reader.error("a policy needs a `type`: one of \(known.joined(separator: ", "))", key: "type")
            } else if PolicyCatalog.collectorOnlyTypes.contains(typeName) {
                reader.error(
                    "the Collector's policy type `\(typeName)` is not in Tailgate yet; there are "
                        + known.joined(separator: ", "), key: "type")
            } else {
                let all = known + PolicyCatalog.collectorOnlyTypes
                let hint = nearestName(to: typeName, among: all).map { "did you mean `\($0)`? " } ?? ""
                reader.error(
                    "unknown sampling policy type `\(typeName)`; \(hint)known types: "
                        + known.joined(separator: ", "), key: "type")
            }
            return nil
        }
        let absent = ConfigNode(.null, at: reader.position)
        var block =
            reader.map(typeName)
            ?? ConfigReader(absent, keyPath: "\(reader.keyPath).\(typeName)", problems: reader.problems)
        let policy = type.init(&block, predicates: &compiler)
        block.finish()
        return policy
    }

    /// Sets the predicate bits of every span of a request that was walked with this set's `interest`.
    package func evaluatePredicates(_ index: inout RequestIndex) { program.evaluate(&index) }

    /// The combined decision on a trace; `each` learns every policy's own verdict.
    ///
    /// The Collector's combination: any drop vetoes, else any policy that samples keeps the trace, and the first of them is the
    /// one that decided; a policy that failed counts as absent. Every policy is asked, since policies may count.
    package func decide(
        _ trace: borrowing TraceSummary, _ context: inout DecisionContext, verdicts: inout PolicyTally
    ) -> Decision {
        var sampledBy: Int? = nil
        context.beginVerdicts(policies.count)
        context.timing?.start()
        for position in policies.indices {
            let verdict = policies[position].policy.decide(trace, &context)
            context.note(verdict, position)
            context.timing?.stop(position)
            verdicts.count(position, verdict, trace)
            switch verdict {
            case .dropped:
                return Decision(verdict: .dropped, policy: UInt16(truncatingIfNeeded: position))
            case .sampled:
                if sampledBy == nil { sampledBy = position }
                if stopsAtFirstMatch { return Decision(verdict: .sampled, policy: UInt16(truncatingIfNeeded: position)) }
            case .notSampled, .failed:
                break
            }
        }
        guard let sampledBy else { return Decision(verdict: .notSampled, policy: nil) }
        return Decision(verdict: .sampled, policy: UInt16(truncatingIfNeeded: sampledBy))
    }
}

/// How often each policy gave each verdict, and on how many spans and bytes. Owned by one shard; twelve counts per policy.
package struct PolicyTally: Sendable {
    /// What the verdicts on a policy's traces add up to.
    package struct Sum: Sendable, Equatable {
        package var traces: Int
        package var spans: Int
        package var bytes: Int
    }

    private var counts: [Int]

    package init(policies: Int) { counts = Array(repeating: 0, count: policies * 12) }

    @inline(__always)
    mutating func count(_ policy: Int, _ verdict: PolicyVerdict, _ trace: borrowing TraceSummary) {
        let row = policy &* 12 &+ Int(verdict.rawValue) &* 3
        counts[row] &+= 1
        counts[row &+ 1] &+= Int(trace.spanCount)
        counts[row &+ 2] &+= Int(truncatingIfNeeded: trace.spanBytes)
    }

    /// What policy number `policy` gave `verdict` to.
    package subscript(policy: Int, verdict: PolicyVerdict) -> Sum {
        let row = policy * 12 + Int(verdict.rawValue) * 3
        return Sum(traces: counts[row], spans: counts[row + 1], bytes: counts[row + 2])
    }
}
