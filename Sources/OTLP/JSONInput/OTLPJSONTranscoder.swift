/// OTLP's signals, as far as requests differ.
package enum OTLPSignal: UInt8, Sendable, CaseIterable {
    case traces, metrics, logs
}

/// Turns OTLP JSON into the protobuf bytes of the same request, in one pass and without a tree.
///
/// The mapping is proto3's with OTLP's exceptions: identifiers are hexadecimal (either case), enums are numbers (names are taken
/// too, an unknown name is the zero value). 64-bit integers may be numbers or texts and are exact, `1.7e18` included. Keys are
/// lowerCamelCase or snake_case; unknown ones are skipped; `null` is an absent field. A key that comes twice acts as its
/// field would in protobuf: of scalars the last counts, messages merge, lists join, of AnyValue's members the last counts.
/// Text goes through as it is, so what is no UTF-8 is repaired where protobuf's is; a lone surrogate escape becomes U+FFFD.
/// Fields may come in any order.
///
/// The output is canonical protobuf: shortest lengths, no default values. Lengths are written in one pass like this: one byte is
/// reserved before each message; when it ends and its length needs more, the place is noted; at the very end the pieces between
/// such places are copied together. So no byte is moved more than once, however deep the nesting.
///
/// Source: opentelemetry-specification, protocol/otlp.md, "JSON Protobuf Encoding"; protobuf.dev/programming-guides/json.
package enum OTLPJSONTranscoder {
    /// Objects may be nested this deep; protobuf's own parsers stop at 100 levels of messages.
    package static let maximumDepth = 128

    /// The bytes of an Export...ServiceRequest.
    ///
    /// - Complexity: O(n). The output is at most a quarter larger than the input, and is held twice for a moment.
    package static func transcode(
        _ json: Span<UInt8>, _ signal: OTLPSignal = .traces
    ) throws(OTLPJSONError) -> [UInt8] {
        let schema = OTLPJSONSchema.shared
        let message =
            switch signal {
            case .traces: schema.traces
            case .metrics: schema.metrics
            case .logs: schema.logs
            }
        var run = JSONTranscoding(json, schema.fields.span)
        try run.document(message)
        return run.finished()
    }
}

/// One run over one document: the cursor, and what was written so far.
struct JSONTranscoding: ~Escapable {
    typealias Field = OTLPJSONSchema.Field

    let json: Span<UInt8>
    private let fields: Span<Field>
    let end: Int
    var offset = 0
    var output: [UInt8] = []
    /// Lengths that need more than the byte that was reserved for them, inner ones before outer ones.
    private var longLengths: [LongLength] = []
    /// The bytes that those will take beyond their one byte.
    private var growth = 0
    /// A text without its escapes, where it can't be written at once.
    var scratch: [UInt8] = []

    private struct LongLength {
        var position: Int
        var length: Int
    }

    /// A message, or a text with escapes, that is being written.
    struct OpenLength {
        fileprivate var position: Int
        fileprivate var growth: Int
    }

    @_lifetime(copy json, copy fields)
    init(_ json: Span<UInt8>, _ fields: Span<Field>) {
        self.json = json
        self.fields = fields
        end = json.count
        output.reserveCapacity(json.count / 2 + 64)
    }

    // MARK: document

    @_lifetime(self: copy self)
    mutating func document(_ message: OTLPJSONSchema.Message) throws(OTLPJSONError) {
        skipBlanks()
        try object(message, depth: 1)
        skipBlanks()
        if offset < end { throw OTLPJSONError(.trailingText, at: offset) }
    }

    /// The result, with all lengths in place.
    @_lifetime(self: copy self)
    mutating func finished() -> [UInt8] {
        if longLengths.isEmpty { return output }
        // Inner before outer is nearly the order of places already.
        longLengths.sort { $0.position < $1.position }
        var result: [UInt8] = []
        result.reserveCapacity(output.count + growth)
        var start = 0
        for long in longLengths {
            result.append(contentsOf: output[start..<long.position])
            result.appendVarint(UInt64(long.length))
            start = long.position + 1
        }
        result.append(contentsOf: output[start...])
        return result
    }

    /// Leaves room for a length.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func open() -> OpenLength {
        let mark = OpenLength(position: output.count, growth: growth)
        output.append(0)
        return mark
    }

    /// Writes a length, or notes it when it takes more than a byte.
    @inline(__always)
    @_lifetime(self: copy self)
    mutating func close(_ mark: OpenLength) {
        let length = output.count &- mark.position &- 1 &+ (growth &- mark.growth)
        if length < 0x80 {
            output[mark.position] = UInt8(truncatingIfNeeded: length)
        } else {
            longLengths.append(LongLength(position: mark.position, length: length))
            growth &+= ProtobufSize.varint(UInt64(length)) &- 1
        }
    }

    // MARK: objects

    /// An object and all in it; writes the fields of the message.
    @_lifetime(self: copy self)
    private mutating func object(_ message: OTLPJSONSchema.Message, depth: Int) throws(OTLPJSONError) {
        guard offset < end else { throw OTLPJSONError(.truncated, at: offset) }
        guard json[offset] == UInt8(ascii: "{") else { throw OTLPJSONError(.expectedObject, at: offset) }
        guard depth <= OTLPJSONTranscoder.maximumDepth else { throw OTLPJSONError(.nestedTooDeep, at: offset) }
        offset &+= 1
        skipBlanks()
        if take(UInt8(ascii: "}")) { return }
        let first = Int(message.first)
        let count = Int(message.count)
        var guess = 0
        var written: UInt64 = 0
        while true {
            let position = try key(first, count, guess)
            skipBlanks()
            guard take(UInt8(ascii: ":")) else { throw failure(.expectedColon) }
            skipBlanks()
            if position < 0 {
                try skipValue(depth: depth)
            } else {
                guess = position &+ 1 < count ? position &+ 1 : 0
                let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: position)
                try value(fields[first &+ position], depth: depth, wasWritten: written & bit != 0)
                written |= bit
            }
            skipBlanks()
            if take(UInt8(ascii: ",")) {
                skipBlanks()
            } else if take(UInt8(ascii: "}")) {
                return
            } else {
                throw failure(.expectedComma)
            }
        }
    }

    /// A key: its field's place among the message's, or -1. Producers write keys in a fixed order, so the one that followed last
    /// time is looked at first.
    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func key(_ first: Int, _ count: Int, _ guess: Int) throws(OTLPJSONError) -> Int {
        guard take(UInt8(ascii: "\"")) else { throw failure(.expectedKey) }
        let start = offset
        let stop = try textStop()
        if json[stop] == UInt8(ascii: "\"") {
            offset = stop &+ 1
            return find(json, start, stop, first, count, guess)
        }
        offset = start
        scratch.removeAll(keepingCapacity: true)
        var name: [UInt8] = []
        swap(&name, &scratch)
        try unescape(into: &name)
        let found = find(name.span, 0, name.count, first, count, 0)
        swap(&name, &scratch)
        return found
    }

    @inline(__always)
    private func find(_ text: Span<UInt8>, _ start: Int, _ stop: Int, _ first: Int, _ count: Int, _ guess: Int) -> Int {
        let length = stop &- start
        guard length <= OTLPJSONSchema.longestKey else { return -1 }
        let (head, middle, tail) = OTLPJSONSchema.words(text, start, stop)
        var position = guess
        for _ in 0..<count {
            let field = fields[first &+ position]
            if field.head == head && Int(field.length) == length && field.tail == tail && field.middle == middle {
                return position
            }
            position &+= 1
            if position == count { position = 0 }
        }
        return -1
    }

    // MARK: fields

    @inline(__always)
    @_lifetime(self: copy self)
    private mutating func value(_ field: Field, depth: Int, wasWritten: Bool) throws(OTLPJSONError) {
        if try takeNull() { return }
        if field.isRepeated {
            try list(field, depth: depth)
        } else if field.kind == .message {
            appendTag(field.tag)
            let mark = open()
            try object(field.inner, depth: depth &+ 1)
            close(mark)
        } else if field.kind == .string {
            try text(field, keepsEmpty: field.isExplicit || wasWritten)
        } else {
            try scalar(field, keepsZero: field.isExplicit || wasWritten)
        }
    }

    @_lifetime(self: copy self)
    private mutating func list(_ field: Field, depth: Int) throws(OTLPJSONError) {
        guard take(UInt8(ascii: "[")) else { throw failure(.expectedList) }
        skipBlanks()
        if take(UInt8(ascii: "]")) { return }
        let isPacked = field.kind != .message && field.kind != .string
        var packed: OpenLength?
        if isPacked {
            appendTag(field.tag)
            packed = open()
        }
        while true {
            if field.kind == .message {
                appendTag(field.tag)
                let mark = open()
                // A null in a list is an empty message: what an SDK's "no value" in an array becomes.
                if try !takeNull() { try object(field.inner, depth: depth &+ 1) }
                close(mark)
            } else if field.kind == .string {
                try text(field, keepsEmpty: true)
            } else {
                try packedScalar(field.kind)
            }
            skipBlanks()
            if take(UInt8(ascii: ",")) {
                skipBlanks()
            } else if take(UInt8(ascii: "]")) {
                break
            } else {
                throw failure(.expectedComma)
            }
        }
        if let packed { close(packed) }
    }

    @inline(__always)
    func failure(_ reason: OTLPJSONError.Reason) -> OTLPJSONError {
        OTLPJSONError(offset < end ? reason : .truncated, at: offset)
    }

    // MARK: output

    @inline(__always)
    @_lifetime(self: copy self)
    mutating func appendTag(_ tag: UInt16) {
        if tag < 0x80 {
            output.append(UInt8(truncatingIfNeeded: tag))
        } else {
            output.append(UInt8(truncatingIfNeeded: tag) | 0x80)
            output.append(UInt8(truncatingIfNeeded: tag >> 7))
        }
    }

    @_lifetime(self: copy self)
    mutating func appendLittle(_ value: UInt64, bytes: Int) {
        var rest = value
        for _ in 0..<bytes {
            output.append(UInt8(truncatingIfNeeded: rest))
            rest &>>= 8
        }
    }
}
