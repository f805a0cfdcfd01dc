internal import ConfigTree
internal import NativeCore
internal import OTLP

/// How the texts of `include` and `exclude` are meant.
enum MatchType: String, Sendable, CaseIterable {
    /// A text equals one of them.
    case strict
    /// One of them, a regular expression, is found in the text.
    case regexp
}

/// A list of texts of which one has to match.
enum TextMatcher: Sendable {
    case strict([[UInt8]])
    case regexp([RegularExpression])

    /// Reads the texts under a key; nil if there are none, or if one is no pattern, which is reported.
    init?(_ block: inout ConfigReader, _ key: String, _ type: MatchType, _ builder: inout ProcessorBuilder) {
        self.init(block.placedStrings(key), type, &builder, block.problems)
    }

    init?(_ texts: [PlacedText], _ type: MatchType, _ builder: inout ProcessorBuilder, _ problems: ConfigProblems) {
        guard !texts.isEmpty else { return nil }
        switch type {
        case .strict: self = .strict(texts.map { Array($0.text.utf8) })
        case .regexp:
            let expressions = texts.compactMap { builder.expression($0, problems) }
            guard expressions.count == texts.count else { return nil }
            self = .regexp(expressions)
        }
    }

    func matches(_ text: Span<UInt8>) -> Bool {
        switch self {
        case .strict(let texts):
            for candidate in texts where ByteSpans.equal(candidate.span, text) { return true }
            return false
        case .regexp(let expressions):
            for expression in expressions where expression.matches(text) { return true }
            return false
        }
    }
}

/// An attribute with a value, or with any value.
struct AttributeMatcher: Sendable {
    enum Test: Sendable {
        case exists
        /// The payload of an AnyValue; type and value must be the same.
        case equals([UInt8])
        /// Text, or a number or boolean as text.
        case matches(RegularExpression)
    }

    let name: AttributeName
    let test: Test

    func matches(_ value: AttributeValueRange?, in bytes: Span<UInt8>) -> Bool {
        guard let value else { return false }
        switch test {
        case .exists: return true
        case .equals(let wanted): return AnyValueEquality.equal(value, bytes, wanted)
        case .matches(let expression):
            switch value.kind {
            case .string: return expression.matches(value.range.bytes(in: bytes))
            case .bool, .int: return expression.matches(AnyValueText.text(of: value, in: bytes).span)
            case .double: return expression.matches(Array(GoNumbers.plain(value.double(in: bytes)).utf8).span)
            case .empty, .array, .kvlist, .bytes: return false
            }
        }
    }
}

/// Whether two values are the same, of one type and with the same content; the order of a map's entries does not matter.
enum AnyValueEquality {
    /// - Parameter wanted: the payload of an AnyValue.
    static func equal(_ value: AttributeValueRange, _ bytes: Span<UInt8>, _ wanted: [UInt8]) -> Bool {
        var message: [UInt8] = []
        message.appendField(2, bytes: wanted)
        let other = AttributeRange(keyValue: message.span, ByteRange(0..<message.count)).value
        return equal(value, bytes, other, message.span, depth: 0)
    }

    private static func equal(
        _ left: AttributeValueRange, _ leftBytes: Span<UInt8>, _ right: AttributeValueRange, _ rightBytes: Span<UInt8>,
        depth: Int
    ) -> Bool {
        guard left.kind == right.kind, depth < AnyValueText.maximumDepth else { return false }
        switch left.kind {
        case .empty: return true
        case .string, .bytes: return ByteSpans.equal(left.range.bytes(in: leftBytes), right.range.bytes(in: rightBytes))
        case .bool: return (left.integer(in: leftBytes) != 0) == (right.integer(in: rightBytes) != 0)
        case .int: return left.integer(in: leftBytes) == right.integer(in: rightBytes)
        case .double: return left.double(in: leftBytes) == right.double(in: rightBytes)
        case .array:
            var lefts = ArrayCursor(left.range)
            var rights = ArrayCursor(right.range)
            while let element = lefts.next(leftBytes) {
                guard let other = rights.next(rightBytes),
                    equal(element, leftBytes, other, rightBytes, depth: depth + 1)
                else { return false }
            }
            return rights.next(rightBytes) == nil
        case .kvlist:
            var count = 0
            var lefts = AttributeCursor(left.range, tag: 0x0a)
            while let entry = lefts.next(leftBytes) {
                count += 1
                let key = [UInt8](copying: entry.key.bytes(in: leftBytes))
                guard let other = AttributeCursor.find(key.span, in: rightBytes, right.range, tag: 0x0a),
                    equal(entry.value, leftBytes, other, rightBytes, depth: depth + 1)
                else { return false }
            }
            var rights = AttributeCursor(right.range, tag: 0x0a)
            while rights.next(rightBytes) != nil { count -= 1 }
            return count == 0
        }
    }
}
