internal import NativeCore
internal import OTLP
internal import OTTL

/// What `redaction` does with the attributes of one message.
struct RedactionRules: Sendable {
    enum Summary: String, Sendable, CaseIterable {
        /// Counts, and the names of keys.
        case debug
        /// Counts alone.
        case info
        case silent
        case unset = ""
    }

    /// The attributes in which the processor says what it did. They are always allowed, so that a second one adds to them.
    private enum Report: String, CaseIterable {
        case redacted, masked, allowed, ignored

        var keys: [UInt8] { Array("redaction.\(rawValue).keys".utf8) }
        var count: [UInt8] { Array("redaction.\(rawValue).count".utf8) }
    }

    static let reportKeys: [[UInt8]] = Report.allCases.flatMap { [$0.keys, $0.count] }

    let allowsAllKeys: Bool
    let allowedKeys: Set<[UInt8]>
    let ignoredKeys: Set<[UInt8]>
    let ignoredKeyPatterns: [RegularExpression]
    let blockedKeyPatterns: [RegularExpression]
    let blockedValues: [RegularExpression]
    let allowedValues: [RegularExpression]
    let redactsAllTypes: Bool
    let mask: MaskFunction
    let summary: Summary

    /// What is to become of an attribute.
    private enum Fate {
        case ignored
        case redacted
        case allowed
        case masked([UInt8])
        case kept
    }

    /// Applies the rules to a message with attributes.
    func apply(_ draft: inout MessageDraft) {
        var found: [Report: [[UInt8]]] = [:]
        for place in draft.attributes {
            let key = draft.key(at: place)
            switch fate(key, draft.value(at: place), draft.content) {
            case .kept: continue
            case .ignored: found[.ignored, default: []].append(key)
            case .allowed: found[.allowed, default: []].append(key)
            case .redacted:
                found[.redacted, default: []].append(key)
                draft.remove(at: place)
            case .masked(let text):
                found[.masked, default: []].append(key)
                draft.set(at: place, AnyValueBytes.text(text))
            }
        }
        guard summary == .debug || summary == .info else { return }
        for report in [Report.redacted, .masked, .allowed, .ignored] {
            if let keys = found[report] { write(report, keys, &draft) }
        }
    }

    /// Whether the rules would change anything of a message that is only looked at.
    func wouldChange(_ bytes: Span<UInt8>, _ message: ByteRange, tag: UInt8) -> Bool {
        var cursor = AttributeCursor(message, tag: tag)
        while let attribute = cursor.next(bytes) {
            let key = [UInt8](copying: attribute.key.bytes(in: bytes))
            switch fate(key, attribute.value, bytes) {
            case .kept: continue
            case .redacted, .masked: return true
            case .ignored, .allowed: if summary == .debug || summary == .info { return true }
            }
        }
        return false
    }

    private func fate(_ key: [UInt8], _ value: AttributeValueRange, _ bytes: Span<UInt8>) -> Fate {
        if ignoredKeys.contains(key) || Self.any(ignoredKeyPatterns, key.span) { return .ignored }
        if !allowsAllKeys && !allowedKeys.contains(key) { return .redacted }
        // Of other types than text the content counts only if all types are redacted; a key can be masked in any case.
        let text = redactsAllTypes || value.kind == .string ? AnyValueText.text(of: value, in: bytes) : []
        if Self.any(allowedValues, text.span) { return .allowed }
        if Self.any(blockedKeyPatterns, key.span) { return .masked(mask.whole(text)) }
        var masked = text
        for pattern in blockedValues where pattern.matches(masked.span) { masked = mask.matches(of: pattern, in: masked) }
        return masked == text ? .kept : .masked(masked)
    }

    private static func any(_ patterns: [RegularExpression], _ text: Span<UInt8>) -> Bool {
        for pattern in patterns where pattern.matches(text) { return true }
        return false
    }

    /// Writes what was done; adds to what an earlier processor has written.
    private func write(_ report: Report, _ keys: [[UInt8]], _ draft: inout MessageDraft) {
        if summary == .debug, report != .ignored {
            var names = keys
            if let old = draft.value(report.keys), old.kind == .string, old.range.count > 0 {
                let text = [UInt8](copying: old.range.bytes(in: draft.content))
                names += text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map { Array($0) }
            }
            names.sort { $0.lexicographicallyPrecedes($1) }
            draft.put(report.keys, AnyValueBytes.text(Array(names.joined(separator: [UInt8(ascii: ",")]))))
        }
        let before = draft.value(report.count).flatMap { $0.kind == .int ? $0.integer(in: draft.content) : 0 } ?? 0
        draft.put(report.count, AnyValueBytes.integer(before &+ Int64(keys.count)))
    }
}

/// What stands in the place of a blocked value.
enum MaskFunction: String, Sendable, CaseIterable {
    /// `****`
    case none = ""
    case md5, sha1, sha3

    /// The text with every match replaced.
    func matches(of pattern: RegularExpression, in text: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var end = 0
        for range in pattern.findAll(text.span) {
            output += text[end..<range.lowerBound]
            output += masked(Array(text[range]))
            end = range.upperBound
        }
        return output + text[end...]
    }

    /// The text with every line replaced, as the Collector's pattern `.*` does it.
    func whole(_ text: [UInt8]) -> [UInt8] {
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { masked(Array($0)) }
        return Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    private func masked(_ text: [UInt8]) -> [UInt8] {
        switch self {
        case .none: Array("****".utf8)
        case .md5: hexDigits(OTTLHashes.md5(text))
        case .sha1: hexDigits(OTTLHashes.sha1(text))
        case .sha3: hexDigits(Digests.sha3(text))
        }
    }
}
