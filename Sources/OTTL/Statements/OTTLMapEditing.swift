internal import OTLP

/// One entry of a map that is edited.
struct OTTLEditedEntry {
    var key: [UInt8]
    var value: OTTLValue
    /// Its place in the map as it was; nil for a new one.
    var origin: Int?
    var isChanged = false
}

/// The editors of maps, on their entries. Entries stay in their order, new ones stand behind them.
extension OTTLProgram {
    /// Whether the editor works on maps.
    static func editsMaps(_ edit: OTTLEdit) -> Bool {
        switch edit {
        case .set, .append, .deleteIndex, .replace: false
        default: true
        }
    }

    /// Carries out an editor of maps.
    func apply(
        _ edit: OTTLEdit, to entries: inout [OTTLEditedEntry], column: UInt16, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) {
        switch edit {
        case .set, .append, .deleteIndex, .replace: break
        case .deleteKey(let node):
            let key = try bytesValue(node, column: column, &input)
            entries.removeAll { $0.key == key }
        case .deleteMatchingKeys(let source):
            let pattern = try matcher(source, column: column, &input)
            entries.removeAll { pattern.matches($0.key.span) }
        case .keepMatchingKeys(let source):
            let pattern = try matcher(source, column: column, &input)
            entries.removeAll { !pattern.matches($0.key.span) }
        case .keepKeys(let node):
            let value = try value(Int(node), &input)
            guard case .list(let list) = value else {
                throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
            }
            var keys: Set<[UInt8]> = []
            for item in elements(of: list, input) {
                guard case .string(let text) = item else {
                    throw OTTLEvaluationError(.unsupportedType, found: item.kind, column: column)
                }
                keys.insert(copy(text, input))
            }
            entries.removeAll { !keys.contains($0.key) }
        case .limit(let limit, let priority):
            guard entries.count > limit else { return }
            let kept = Set(priority)
            var room = limit - entries.count { kept.contains($0.key) }
            entries.removeAll { entry in
                if kept.contains(entry.key) { return false }
                room -= 1
                return room < 0
            }
        case .truncateAll(let limit):
            for place in entries.indices {
                guard case .string(let text) = entries[place].value, count(text) > limit else { continue }
                entries[place].set(.text(Self.truncated(copy(text, input), limit)))
            }
        case .stringifyAll:
            for place in entries.indices where entries[place].value.kind != .string {
                entries[place].set(.text(try attributeText(entries[place].value, column: column, input)))
            }
        case .replaceAllValues(let replacement):
            for place in entries.indices {
                guard case .string(let text) = entries[place].value,
                    let new = try replaced(copy(text, input), replacement, column: column, &input)
                else { continue }
                entries[place].set(.text(new))
            }
        case .replaceAllKeys(let replacement): try replaceKeys(replacement, &entries, column: column, &input)
        case .mergeMaps(let node, let strategy):
            let value = try value(Int(node), &input)
            guard case .map(let source) = value else {
                throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
            }
            merge(self.entries(of: source, input), strategy, &entries, input)
        case .flatten(let prefix, let depth, let resolves):
            let start = prefix < 0 ? [] : try bytesValue(prefix, column: column, &input)
            var flattener = OTTLFlattener(depth: depth, resolvesConflicts: resolves)
            for entry in entries { flattener.add(entry, prefix: start, self, input) }
            guard !flattener.isTooLarge else { throw OTTLEvaluationError(.tooLarge, column: column) }
            entries = flattener.entries
        }
    }

    /// A node that must give a text.
    func bytesValue(_ node: Int32, column: UInt16, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> [UInt8] {
        let value = try value(Int(node), &input)
        guard case .string(let text) = value else {
            throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
        }
        return copy(text, input)
    }

    /// At most `limit` bytes, and no part of a character.
    static func truncated(_ text: [UInt8], _ limit: Int) -> [UInt8] {
        var end = min(limit, text.count)
        while end > 0, end < text.count, text[end] & 0xc0 == 0x80 { end -= 1 }
        return Array(text[..<end])
    }

    /// As the Collector shows an attribute's value: bytes as base64, nothing as an empty text.
    private func attributeText(
        _ value: OTTLValue, column: UInt16, _ input: OTTLSpanInput
    ) throws(OTTLEvaluationError) -> [UInt8] {
        if case .bytes(let bytes) = value { return Base64.encode(copy(bytes, input).span, isPadded: true) }
        return try text(of: value, input, column: column) ?? []
    }

    /// Of keys that become equal the last value counts, in the place of the first.
    private func replaceKeys(
        _ replacement: OTTLReplacement, _ entries: inout [OTTLEditedEntry], column: UInt16, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) {
        var result: [OTTLEditedEntry] = []
        var places: [[UInt8]: Int] = [:]
        for var entry in entries {
            if let new = try replaced(entry.key, replacement, column: column, &input), new != entry.key {
                entry.key = new
                entry.isChanged = true
            }
            if let place = places[entry.key] {
                result[place].set(entry.value)
            } else {
                places[entry.key] = result.count
                result.append(entry)
            }
        }
        entries = result
    }

    private func merge(
        _ source: [OTTLEntry], _ strategy: OTTLMergeStrategy, _ entries: inout [OTTLEditedEntry], _ input: OTTLSpanInput
    ) {
        var places: [[UInt8]: Int] = [:]
        for (place, entry) in entries.enumerated() where places[entry.key] == nil { places[entry.key] = place }
        for new in source {
            let key = copy(new.key, input)
            if let place = places[key] {
                if strategy != .insert { entries[place].set(new.value) }
            } else if strategy != .update {
                places[key] = entries.count
                entries.append(OTTLEditedEntry(key: key, value: new.value, origin: nil, isChanged: true))
            }
        }
    }
}

extension OTTLEditedEntry {
    mutating func set(_ new: OTTLValue) {
        value = new
        isChanged = true
    }
}

/// `flatten`: maps and lists in a map become entries of it.
private struct OTTLFlattener {
    /// How many levels are opened.
    let depth: Int
    /// Whether a key that is there already gets a number instead of losing its value.
    let resolvesConflicts: Bool
    private(set) var entries: [OTTLEditedEntry] = []
    /// Keys together would be larger than a value may be.
    private(set) var isTooLarge = false
    private var places: [[UInt8]: Int] = [:]
    private var conflicts: [[UInt8]: Int] = [:]
    private var bytes = 0

    init(depth: Int, resolvesConflicts: Bool) {
        self.depth = depth
        self.resolvesConflicts = resolvesConflicts
    }

    mutating func add(_ entry: OTTLEditedEntry, prefix: [UInt8], _ program: OTTLProgram, _ input: OTTLSpanInput) {
        let key = prefix.isEmpty ? entry.key : Self.joined(prefix, entry.key)
        if !open(entry.value, key, 0, program, input) { put(key, entry.value, origin: entry) }
    }

    /// Puts what a map or list holds; false if it stays as it is.
    private mutating func open(
        _ value: OTTLValue, _ key: [UInt8], _ level: Int, _ program: OTTLProgram, _ input: OTTLSpanInput
    ) -> Bool {
        guard level < depth, level < OTTLLimits.maximumValueDepth, !isTooLarge else { return false }
        switch value {
        case .map(let map):
            for entry in program.entries(of: map, input) {
                let inner = Self.joined(key, program.copy(entry.key, input))
                if !open(entry.value, inner, level + 1, program, input) { put(inner, entry.value, origin: nil) }
            }
            return true
        case .list(let list):
            for (index, item) in program.elements(of: list, input).enumerated() {
                let inner = Self.joined(key, Array("\(index)".utf8))
                if !open(item, inner, level + 1, program, input) {
                    put(resolvesConflicts ? key : inner, item, origin: nil)
                }
            }
            return true
        default: return false
        }
    }

    private mutating func put(_ key: [UInt8], _ value: OTTLValue, origin: OTTLEditedEntry?) {
        bytes += key.count
        guard bytes <= OTTLLimits.maximumValueBytes else {
            isTooLarge = true
            return
        }
        if let place = places[key] {
            guard resolvesConflicts else { return entries[place].set(value) }
            var number = conflicts[key] ?? 0
            var other = Self.joined(key, Array("\(number)".utf8))
            while places[other] != nil {
                number += 1
                other = Self.joined(key, Array("\(number)".utf8))
            }
            conflicts[key] = number + 1
            return append(other, value, origin)
        }
        append(key, value, origin)
    }

    private mutating func append(_ key: [UInt8], _ value: OTTLValue, _ origin: OTTLEditedEntry?) {
        places[key] = entries.count
        if let origin, origin.key == key {
            entries.append(origin)
        } else {
            entries.append(OTTLEditedEntry(key: key, value: value, origin: nil, isChanged: true))
        }
    }

    private static func joined(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] { left + [UInt8(ascii: ".")] + right }
}
