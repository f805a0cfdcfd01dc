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
    /// In the order of the configuration; a decision names them by their place here.
    package let policies: [Named]
    /// The policies as they were written; empty for a set made by hand.
    package let nodes: [ConfigNode]
    /// Stop asking at the first policy that samples (`sample_on_first_match`).
    package var stopsAtFirstMatch = false
    /// Names of the composites' sub-policies, by the number in `DecisionContext.compositeSubPolicy`.
    package let compositeSubPolicies: [String]
    /// Where `scope: cluster` stands in the configuration.
    package let clusterScopes: [PlacedText]
    private let program: PredicateProgram
    private let predicates: [SpanPredicate]
    private let predicatesOfPolicy: [PredicateBits]
    /// Places of `policies` in the order in which they are asked: drop policies first.
    private let order: [Int]

    /// The attributes that arriving spans must be searched for.
    package var interest: AttributeInterest { program.interest }

    /// The words that the set needs for each span and trace beside the first 64 predicate bits: none for most sets. See
    /// `RequestIndex.sideWords` and `DecisionContext.side`.
    package let sideLayout: SideLayout

    /// Builds a set from policies made by hand.
    package init(version: UInt16, policies: [Named], predicates: PredicateCompiler) {
        self.init(
            version: version, policies: policies, nodes: [], builder: PolicyBuilder(predicates: predicates),
            predicatesOfPolicy: [])
    }

    private init(
        version: UInt16, policies: [Named], nodes: [ConfigNode], builder: PolicyBuilder,
        predicatesOfPolicy: [PredicateBits]
    ) {
        self.version = version
        self.policies = policies
        self.nodes = nodes
        self.predicatesOfPolicy = predicatesOfPolicy
        predicates = builder.predicates.predicates
        program = builder.predicates.program()
        compositeSubPolicies = builder.compositeSubPolicies
        clusterScopes = builder.clusterScopes
        sideLayout = program.layout
        let drops = policies.indices.filter { policies[$0].policy is DropPolicy }
        order = drops + policies.indices.filter { !(policies[$0].policy is DropPolicy) }
    }

    /// Builds a set from the `policies` list of a configuration; problems go to `problems`, and nil comes back if any is an error.
    ///
    /// - Parameters:
    ///   - states: where policies find what they remembered under an earlier set.
    ///   - sharing: the set that is asked about the same requests: one walk, with the `interest` of the new set, then serves both.
    package init?(
        version: UInt16, nodes: [ConfigNode], keyPath: String, problems: ConfigProblems,
        states: PolicyStates = PolicyStates(), sharing other: PolicySet? = nil
    ) {
        let compiler = other.map { PredicateCompiler(sharing: $0.program.attributeNumbers) } ?? PredicateCompiler()
        var builder = PolicyBuilder(predicates: compiler, states: states)
        var built: [Named] = []
        var used: [PredicateBits] = []
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
            builder.predicates.requested = PredicateBits()
            if let policy = builder.policy(&reader, position: position) {
                built.append(Named(name: name, policy: policy.policy))
                used.append(builder.predicates.requested)
            }
        }
        guard problems.all.count(where: { $0.severity == .error }) == before else { return nil }
        self.init(version: version, policies: built, nodes: nodes, builder: builder, predicatesOfPolicy: used)
    }

    /// Names of the policies that can't judge a trace before it is complete.
    package var statefulPolicies: [String] { policies.filter { $0.policy.isStateful }.map(\.name) }

    // MARK: predicates

    /// Sets the predicate bits (and side words) of every span of a request that was walked with this set's `interest`.
    ///
    /// - Parameters:
    ///   - body: the message that the index's offsets refer to.
    ///   - unixNanoseconds: the time, for conditions that ask for it (OTTL's `Now()`).
    package func evaluatePredicates(_ index: inout RequestIndex, body: Span<UInt8>, unixNanoseconds: Int64 = 0) {
        program.evaluate(&index, body, unixNanoseconds: unixNanoseconds)
    }

    /// Whether a walk with the `interest` of `other` serves this set, too: `other` was made with `sharing` this one.
    package func isServed(byWalkFor other: PolicySet) -> Bool {
        program.attributeNumbers.isPrefix(of: other.program.attributeNumbers)
    }

    /// How many predicates spans are checked for.
    package var predicateCount: Int { predicates.count }

    /// What a predicate bit says, for people: `http.status_code in 500...599`.
    package func describePredicate(bit: Int) -> String {
        predicates.indices.contains(bit) ? predicates[bit].description : ""
    }

    /// The predicate that a bit stands for.
    package func predicate(bit: Int) -> SpanPredicate? { predicates.indices.contains(bit) ? predicates[bit] : nil }

    /// The bits that a policy and its sub-policies look at.
    package func predicates(ofPolicy position: Int) -> PredicateBits {
        predicatesOfPolicy.indices.contains(position) ? predicatesOfPolicy[position] : PredicateBits()
    }

    /// Those of the bits that stand in `TraceSummary.predicates`.
    package func predicateBits(ofPolicy position: Int) -> UInt64 { predicates(ofPolicy: position).first }

    // MARK: decide

    /// The combined decision on a trace. `verdicts` learns every policy's own verdict, and so does `context`.
    ///
    /// The Collector's combination: drop policies are asked first, and any of them vetoes; else any policy that samples keeps the
    /// trace, and the first of them is the one that decided; a policy that failed counts as absent. Every policy is
    /// asked, since policies may count.
    /// - Complexity: O(policies), whatever the trace's size.
    package func decide(
        _ trace: borrowing TraceSummary, _ context: inout DecisionContext, verdicts: inout PolicyTally
    ) -> Decision {
        context.begin(policies.count, sideLayout)
        context.timing?.start()
        var sampledBy: Int? = nil
        for position in order {
            let verdict = policies[position].policy.decide(trace, &context)
            context.verdicts[position] = verdict
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
