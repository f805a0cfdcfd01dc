internal import NativeCore
internal import OTLP

/// One action of `attributes` or `resource`: what it does to which key.
struct AttributeAction: Sendable {
    /// Where a new value comes from.
    struct Source: Sendable {
        enum Origin: Sendable {
            /// The payload of an AnyValue.
            case constant([UInt8])
            /// Another attribute of the same message.
            case attribute(AttributeName)
            /// The client's request.
            case context(String)
        }

        let origin: Origin
        /// Taken where the origin has nothing.
        let fallback: [UInt8]?
    }

    enum Target: String, Sendable, CaseIterable {
        case string, int, double
    }

    enum Operation: Sendable {
        case insert(Source)
        case update(Source)
        case upsert(Source)
        case delete(RegularExpression?)
        case hash(RegularExpression?)
        case extract(RegularExpression, names: [[UInt8]])
        case convert(Target)
    }

    /// Empty only where a pattern stands for it.
    let key: AttributeName
    let operation: Operation

    /// Applies the action to a message.
    func apply(_ draft: inout MessageDraft, _ facts: RequestFacts) {
        switch operation {
        case .insert(let source):
            guard draft.attribute(key.bytes) == nil, let value = value(source, draft, facts) else { return }
            draft.append(attribute: key.bytes, value)
        case .update(let source):
            guard let place = draft.attribute(key.bytes), let value = value(source, draft, facts) else { return }
            draft.set(at: place, value)
        case .upsert(let source):
            guard let value = value(source, draft, facts) else { return }
            draft.put(key.bytes, value)
        case .delete(let pattern):
            if !key.bytes.isEmpty { draft.remove(key.bytes) }
            if let pattern { draft.removeAttributes { pattern.matches($0) } }
        case .hash(let pattern):
            if !key.bytes.isEmpty { AttributeHash.apply(key.bytes, &draft) }
            guard let pattern else { return }
            var done: Set<[UInt8]> = []
            for place in draft.attributes {
                let name = draft.key(at: place)
                if pattern.matches(name.span), done.insert(name).inserted { AttributeHash.apply(name, &draft) }
            }
        case .extract(let pattern, let names): extract(pattern, names, &draft)
        case .convert(let target):
            guard let place = draft.attribute(key.bytes),
                let value = AttributeConversion.convert(draft.value(at: place), in: draft.content, to: target)
            else { return }
            draft.set(at: place, value)
        }
    }

    private func value(_ source: Source, _ draft: MessageDraft, _ facts: RequestFacts) -> [UInt8]? {
        switch source.origin {
        case .constant(let value): return value
        case .attribute(let name):
            guard let value = draft.value(name.bytes) else { return source.fallback }
            return AnyValueBytes.copy(of: value, in: draft.content)
        case .context(let key): return facts.value(of: key).map { AnyValueBytes.text($0) } ?? source.fallback
        }
    }

    private func extract(_ pattern: RegularExpression, _ names: [[UInt8]], _ draft: inout MessageDraft) {
        guard let value = draft.value(key.bytes), value.kind == .string else { return }
        // A copy: writing the first group moves what the ranges point into.
        let text = [UInt8](copying: value.range.bytes(in: draft.content))
        guard let match = pattern.find(text.span) else { return }
        for (name, range) in zip(names, match.dropFirst()) {
            draft.put(name, AnyValueBytes.text(range.map { Array(text[$0]) } ?? []))
        }
    }

    /// Whether the action could change a span of which only the walker's findings are known. Cautious: true where it is not
    /// known.
    ///
    /// It is enough to ask every action about the span as it came: as long as none has something to do, none makes work for
    /// another.
    func mayChange(_ span: SpanView) -> Bool {
        switch operation {
        case .insert(let source): return span.value(key) == nil && hasValue(source, span)
        case .update(let source): return span.value(key) != nil && hasValue(source, span)
        case .upsert(let source): return hasValue(source, span)
        case .delete(let pattern), .hash(let pattern):
            if !key.bytes.isEmpty, span.value(key) != nil { return true }
            guard let pattern else { return false }
            var cursor = AttributeCursor(span.range, tag: 0x4a)
            while let attribute = cursor.next(span.body) {
                if pattern.matches(attribute.key.bytes(in: span.body)) { return true }
            }
            return false
        case .extract: return span.value(key)?.kind == .string
        case .convert(let target):
            guard let kind = span.value(key)?.kind else { return false }
            switch target {
            case .string: return kind != .string
            case .int: return kind != .int
            case .double: return kind != .double
            }
        }
    }

    private func hasValue(_ source: Source, _ span: SpanView) -> Bool {
        if case .attribute(let name) = source.origin { return source.fallback != nil || span.value(name) != nil }
        return true
    }
}

/// The action `hash`: a value becomes the hex digits of its SHA-256.
enum AttributeHash {
    static func apply(_ key: [UInt8], _ draft: inout MessageDraft) {
        guard let place = draft.attribute(key) else { return }
        let digest = digest(of: draft.value(at: place), in: draft.content)
        draft.set(at: place, AnyValueBytes.text(digest))
    }

    /// Text is hashed as its bytes, an integer and a double as 8 bytes with the least significant first, a boolean as one
    /// byte. Other values have no digest; they become an empty text.
    static func digest(of value: AttributeValueRange, in bytes: Span<UInt8>) -> [UInt8] {
        let content: [UInt8]
        switch value.kind {
        case .string: content = [UInt8](copying: value.range.bytes(in: bytes))
        case .bool: content = [value.integer(in: bytes) != 0 ? 1 : 0]
        case .int: content = littleEndian(UInt64(bitPattern: value.integer(in: bytes)))
        case .double: content = littleEndian(value.double(in: bytes).bitPattern)
        case .empty, .array, .kvlist, .bytes: return []
        }
        return hexDigits(SHA256.digest(of: content).bytes)
    }

    private static func littleEndian(_ word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) }
    }
}

/// The action `convert`.
enum AttributeConversion {
    /// The value in another type, by Go's rules; nil where it stays as it is.
    static func convert(
        _ value: AttributeValueRange, in bytes: Span<UInt8>, to target: AttributeAction.Target
    ) -> [UInt8]? {
        switch target {
        case .string:
            return value.kind == .string ? nil : AnyValueBytes.text(AnyValueText.text(of: value, in: bytes))
        case .int:
            switch value.kind {
            case .double: return AnyValueBytes.integer(GoNumbers.truncated(value.double(in: bytes)))
            case .bool: return AnyValueBytes.integer(value.integer(in: bytes) != 0 ? 1 : 0)
            case .string: return GoNumbers.integer(value.range.bytes(in: bytes)).map { AnyValueBytes.integer($0) }
            case .int, .empty, .array, .kvlist, .bytes: return nil
            }
        case .double:
            switch value.kind {
            case .int: return AnyValueBytes.double(Double(value.integer(in: bytes)))
            case .bool: return AnyValueBytes.double(value.integer(in: bytes) != 0 ? 1 : 0)
            case .string: return GoNumbers.double(value.range.bytes(in: bytes)).map { AnyValueBytes.double($0) }
            case .double, .empty, .array, .kvlist, .bytes: return nil
            }
        }
    }
}
