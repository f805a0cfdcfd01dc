internal import ConfigTree
internal import Sampling

/// The `tail_sampling` block of a Collector configuration as a policy file.
struct CollectorImport {
    let file: String
    let processor: String?
    let problems: ConfigProblems

    /// Other components that change what is sampled, and what becomes of them.
    private static let neighbors: [(section: String, type: String, weight: PolicyImport.Note.Weight, text: String)] = [
        (
            "processors", "probabilistic_sampler", .difference,
            "samples spans before or behind tail sampling, with another hash; it is not taken over. A `probabilistic` policy inside `and` comes nearest"
        ),
        ("processors", "groupbytrace", .remark, "is not needed: spans are brought together here"),
        ("processors", "filter", .missing, "throws spans away before they are judged; it is not taken over. A `drop` policy throws whole traces away"),
        ("exporters", "loadbalancing", .remark, "is not needed: every node brings spans to the node that decides on their trace"),
        ("exporters", "load_balancing", .remark, "is not needed: every node brings spans to the node that decides on their trace"),
    ]

    func read(_ root: ConfigNode) -> PolicyImport? {
        var result = PolicyImport(origin: "the Collector configuration \(file)")
        let block: ConfigNode
        if let processors = root.child("processors") {
            guard let found = choose(processors) else { return nil }
            block = found
            noteNeighbors(root, &result)
        } else {
            block = root
        }
        guard let list = block.child("policies"), case .list(let nodes) = list.value else {
            problems.error("there is no list of `policies` in the tail_sampling block", at: block.position, keyPath: "")
            return nil
        }
        readSettings(block, &result)
        for node in nodes { readPolicy(node, &result) }
        return result
    }

    private func choose(_ processors: ConfigNode) -> ConfigNode? {
        let blocks = processors.entries.filter { $0.key == "tail_sampling" || $0.key.hasPrefix("tail_sampling/") }
        let names = blocks.map { "`\($0.key)`" }.joined(separator: ", ")
        if let processor {
            if let found = blocks.first(where: { $0.key == processor }) { return found.value }
            problems.error(
                "there is no processor `\(clipped(processor))`" + (names.isEmpty ? "" : "; there are \(names)"),
                at: processors.position, keyPath: "processors")
            return nil
        }
        if blocks.count == 1 { return blocks[0].value }
        problems.error(
            blocks.isEmpty
                ? "this configuration has no `tail_sampling` processor"
                : "there are several `tail_sampling` processors; choose one with --processor: \(names)",
            at: processors.position, keyPath: "processors")
        return nil
    }

    private func noteNeighbors(_ root: ConfigNode, _ result: inout PolicyImport) {
        for neighbor in Self.neighbors {
            for entry in root.child(neighbor.section)?.entries ?? []
            where entry.key == neighbor.type || entry.key.hasPrefix(neighbor.type + "/") {
                result.note(neighbor.weight, "`\(entry.key)` \(neighbor.text)", at: entry.keyPosition)
            }
        }
    }

    private func readSettings(_ block: ConfigNode, _ result: inout PolicyImport) {
        for entry in block.entries where entry.key != "policies" {
            switch entry.key {
            case "num_traces", "expected_new_traces_per_sec":
                result.note(.remark, "`\(entry.key)` is left out: memory is bounded in bytes here, and no trace is thrown away for its number", at: entry.keyPosition)
            case "tail_storage":
                result.note(.missing, "`tail_storage` is left out: spans wait in memory here", at: entry.keyPosition)
            default: result.settings.append(entry)
            }
        }
        if block.child("decision_wait") == nil {
            let position = ConfigNode.literalPosition
            result.settings.insert(ConfigEntry(key: "decision_wait", keyPosition: position, value: .text("30s")), at: 0)
        }
        result.note(.remark, "`decision_wait` is exact here; the Collector cuts it to whole seconds and decides up to a second later", at: block.position)
        if block.child("decision_cache") == nil {
            result.note(.difference, "late spans follow the decision on their trace: decision caches are on here unless sizes of 0 are written; the Collector's are off", at: block.position)
        }
        if block.child("sampling_strategy")?.scalarText == "span-ingest" {
            result.note(.difference, "`tailgate policy test` and `plan` judge whole traces (`trace-complete`)", at: block.position)
        }
    }

    private func readPolicy(_ node: ConfigNode, _ result: inout PolicyImport) {
        let type = node.text(of: "type") ?? ""
        let name = node.text(of: "name") ?? ""
        guard PolicyCatalog.type(named: type) != nil else {
            let hint = type.isEmpty ? "has no type" : "is of the type `\(clipped(type))`, which is none of the Collector's own (an extension?)"
            result.note(.missing, "the policy `\(clipped(name))` \(hint); it is left out", at: node.position)
            return
        }
        let number = result.policies.count
        result.add(cleaned(node, number, &result))
        for inner in node.descendants(named: "invert_match") where inner.isTrue {
            result.note(
                .remark, "`invert_match` vetoed other policies in old versions of the Collector (up to about 0.12x). Here, as in today's, it does not: use a `drop` policy for that",
                at: inner.position, policy: number)
        }
    }

    /// The policy without blocks of other types, which the Collector decodes and ignores.
    private func cleaned(_ node: ConfigNode, _ number: Int, _ result: inout PolicyImport) -> ConfigNode {
        guard case .map(let entries) = node.value else { return node }
        let type = node.text(of: "type") ?? ""
        let kept = entries.filter { entry in
            let isForeign = entry.key != type && PolicyCatalog.type(named: entry.key) != nil
            if isForeign {
                result.note(.remark, "the block `\(entry.key)` is left out: the policy's type is `\(type)`", at: entry.keyPosition, policy: number)
            }
            return !isForeign
        }
        return ConfigNode(.map(kept), at: node.position)
    }
}

extension ConfigNode {
    /// The values under a key, here and in everything below.
    func descendants(named key: String) -> [ConfigNode] {
        switch value {
        case .map(let entries):
            entries.flatMap { ($0.key == key ? [$0.value] : []) + $0.value.descendants(named: key) }
        case .list(let items): items.flatMap { $0.descendants(named: key) }
        case .scalar, .null: []
        }
    }
}
