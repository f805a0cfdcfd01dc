package import ConfigTree
internal import NativeCore
internal import OTTL

/// What a policy builds itself with: the set's predicates, its children, its state.
package struct PolicyBuilder {
    /// Policies may be nested this deep.
    package static let maximumDepth = 16

    package var predicates: PredicateCompiler
    /// The policy's path from the top, by names: `budget/errors`.
    package private(set) var path = ""
    /// The name of the policy at the top of the path.
    private var topLevelPolicy = ""
    private let states: PolicyStates
    private var depth = 0
    private var statesTaken: [String: Int] = [:]
    private var expressions: [String: RegularExpression] = [:]
    private(set) var compositeSubPolicies: [String] = []
    /// Where `scope: cluster` stands.
    private(set) var clusterScopes: [PlacedText] = []
    private var clusterLimits = 0

    package init(predicates: PredicateCompiler = PredicateCompiler(), states: PolicyStates = PolicyStates()) {
        self.predicates = predicates
        self.states = states
    }

    // MARK: predicates

    /// Adds a predicate's bit to `bits`; an error at `key` when the set has no room for another.
    package mutating func add(_ predicate: SpanPredicate, to bits: inout PredicateBits, _ block: inout ConfigReader, key: String?) {
        guard let bit = predicates.bit(for: predicate) else {
            block.error(
                "the policies use more than \(PredicateCompiler.maximumPredicates) different conditions on spans", key: key)
            return
        }
        bits.insert(bit)
    }

    /// The bits of one predicate.
    package mutating func bits(_ predicate: SpanPredicate, _ block: inout ConfigReader, key: String?) -> PredicateBits {
        var bits = PredicateBits()
        add(predicate, to: &bits, &block, key: key)
        return bits
    }

    /// One expression that matches what any of the patterns matches. Every pattern that is none is an error at its place.
    package mutating func expression(_ patterns: [PlacedText], _ problems: ConfigProblems) -> TextPattern? {
        var isGood = true
        for pattern in patterns where expressions[pattern.text] == nil {
            do throws(RegularExpressionError) {
                expressions[pattern.text] = try RegularExpression(pattern.text)
            } catch {
                let place = error.offset.map { ", at character \($0 + 1) of the pattern" } ?? ""
                problems.error(
                    "invalid regex `\(clipped(pattern.text))`: \(error.message)\(place); the syntax is RE2's",
                    at: pattern.position, keyPath: pattern.keyPath)
                isGood = false
            }
        }
        guard isGood, let first = patterns.first else { return nil }
        if patterns.count == 1 { return expressions[first.text].map(TextPattern.init) }
        // One search instead of several. Flags such as (?i) end with their group.
        let union = patterns.map { "(?:\($0.text))" }.joined(separator: "|")
        do throws(RegularExpressionError) {
            if let known = expressions[union] { return TextPattern(known) }
            let expression = try RegularExpression(union)
            expressions[union] = expression
            return TextPattern(expression)
        } catch {
            problems.error(
                "the patterns together are too large: \(error.message)", at: first.position, keyPath: first.keyPath)
            return nil
        }
    }

    // MARK: state

    /// What the policy remembers; the same object as before if the policy was there before with these settings.
    package mutating func state<State: PolicyState>(_ type: String, settings: String, make: () -> State) -> State {
        // Policies with the same path (nested ones may have equal names) each have their own.
        let key = "\(path)\u{0}\(type)\u{0}\(settings)"
        statesTaken[key, default: 0] += 1
        let number = statesTaken[key] ?? 1
        return states.state(path: path, type: type, settings: number == 1 ? settings : "\(settings)#\(number)", make: make)
    }

    /// Reads the key `scope` of a policy with a rate.
    ///
    /// - Parameters:
    ///   - rate: what is to be shared, and the key that it stands under.
    ///   - limits: how many limits that are.
    package mutating func scope(
        _ block: inout ConfigReader, rate: (value: Int64, key: String), limits: Int = 1
    ) -> LimitScope {
        let scope = block.oneOf("scope", default: LimitScope.node)
        guard scope == .cluster else { return scope }
        if rate.value <= 0 {
            block.error(
                "`scope: cluster` shares a rate among the nodes, and there is none: write `\(rate.key)`", key: "scope")
        }
        clusterLimits += limits
        if clusterLimits > ClusterLimit.maximumPerSet {
            block.error(
                "the policies share more than \(ClusterLimit.maximumPerSet) rates with the cluster; each sub-policy of a composite is one",
                key: "scope")
        }
        let position = block.keys.first { $0.key == "scope" }?.value.position ?? block.position
        clusterScopes.append(PlacedText(text: scope.rawValue, position: position, keyPath: block.path(of: "scope")))
        return scope
    }

    /// Where errors of these conditions are counted; the same object as before if the policy had these conditions before.
    func conditionErrors(_ conditions: [String]) -> ConditionErrors {
        states.conditionErrors(policy: path, topLevelPolicy: topLevelPolicy, conditions: conditions)
    }

    /// The number by which a composite names the sub-policy that sampled.
    mutating func compositeSubPolicy(_ name: String) -> Int {
        if let known = compositeSubPolicies.firstIndex(of: name) { return known }
        compositeSubPolicies.append(name)
        return compositeSubPolicies.count - 1
    }

    // MARK: policies

    /// Builds the policies of a list, each a map of `name`, `type` and a block; names may be empty or equal.
    package mutating func policies(_ block: inout ConfigReader, _ key: String) -> [BuiltPolicy] {
        var built: [BuiltPolicy] = []
        for (position, var reader) in block.maps(key).enumerated() {
            if let policy = policy(&reader, position: position) { built.append(policy) }
        }
        return built
    }

    /// Builds the one policy under a key; nil with an error if there is none.
    package mutating func policy(_ block: inout ConfigReader, _ key: String) -> BuiltPolicy? {
        guard var reader = block.map(key) else { return nil }
        return policy(&reader, position: 0)
    }

    /// Builds a policy from its map, a nested one under the path of its parent.
    mutating func policy(_ reader: inout ConfigReader, position: Int) -> BuiltPolicy? {
        let name = reader.string("name", default: "")
        guard depth < Self.maximumDepth else {
            reader.error("policies are nested deeper than \(Self.maximumDepth) levels")
            return nil
        }
        let outer = path
        let own = name.isEmpty ? "\(position)" : name
        path = outer.isEmpty ? own : "\(outer)/\(own)"
        if depth == 0 { topLevelPolicy = own }
        depth += 1
        defer {
            path = outer
            depth -= 1
        }
        let policy = PolicyTypeReader.build(&reader, &self)
        reader.finish()
        return policy.map { BuiltPolicy(name: name, policy: $0) }
    }
}

/// A nested policy with its name, which may be empty.
package struct BuiltPolicy: Sendable {
    package let name: String
    package let policy: any SamplingPolicy

    package init(name: String, policy: any SamplingPolicy) {
        self.name = name
        self.policy = policy
    }
}

/// Reads `type` and the block of that name, and says what becomes of all other keys.
enum PolicyTypeReader {
    static func build(_ reader: inout ConfigReader, _ builder: inout PolicyBuilder) -> (any SamplingPolicy)? {
        let typeName = reader.string("type", default: "")
        warnOfOtherBlocks(&reader, typeName)
        guard let type = PolicyCatalog.type(named: typeName) else {
            let known = PolicyCatalog.types.map { $0.typeName }
            let list = known.joined(separator: ", ")
            if typeName.isEmpty {
                reader.error("a policy needs a `type`: one of \(list)", key: "type")
            } else {
                let hint = nearestName(to: typeName, among: known).map { "did you mean `\($0)`? " } ?? ""
                reader.error("unknown sampling policy type `\(typeName)`; \(hint)known types: \(list)", key: "type")
            }
            return nil
        }
        let absent = ConfigNode(.null, at: reader.position)
        var block =
            reader.map(typeName)
            ?? ConfigReader(absent, keyPath: "\(reader.keyPath).\(typeName)", problems: reader.problems)
        let policy = type.init(&block, &builder)
        block.finish()
        return policy
    }

    /// As in the Collector, blocks of other types are ignored, and so is every unknown key with a map or nothing under it; here
    /// with a warning. A scalar or list under an unknown key stays an error.
    private static func warnOfOtherBlocks(_ reader: inout ConfigReader, _ typeName: String) {
        for entry in reader.keys where entry.key != "name" && entry.key != "type" && entry.key != typeName {
            let isKnown = PolicyCatalog.type(named: entry.key) != nil
            if isKnown {
                _ = reader.node(entry.key)
                reader.warning("this block is ignored, since the policy's type is `\(typeName)`", key: entry.key)
                continue
            }
            switch entry.value.value {
            case .map, .null:
                _ = reader.node(entry.key)
                let candidates = ["name", "type"] + PolicyCatalog.types.map { $0.typeName }
                let hint = nearestName(to: entry.key, among: candidates).map { "did you mean `\($0)`? " } ?? ""
                reader.warning(
                    "unknown key `\(clipped(entry.key))`; \(hint)it is ignored, as in the Collector", key: entry.key)
            case .scalar, .list: break
            }
        }
    }
}
