package import OTLP

/// A message with attributes that is being edited: a span, an event, or the header of a resource or scope.
///
/// The draft holds a copy of the bytes and a list of pieces: every attribute is one, every field that can be edited is one, and
/// whatever lies between them is one. An edit writes its field behind the copy and lets the piece point there. `append(to:)`
/// puts the pieces together again, so all that was not edited stays byte for byte, in its order, unknown fields included.
///
/// One is reused for many messages: `open` keeps the capacity. Keys may come twice, as on the wire; the first one counts.
package struct MessageDraft: Sendable {
    /// Which message it is.
    package enum Kind: Sendable {
        /// The payload of a Span.
        case span
        /// The payload of an Event.
        case event
        /// What ResourceSpans, ResourceMetrics or ResourceLogs says apart from its scopes, as in `GroupRecord.resourceRange`.
        case resource
        /// What ScopeSpans, ScopeMetrics or ScopeLogs says apart from its children, as in `GroupRecord.scopeRange`.
        case scope

        /// The tag of the field that holds attributes.
        var attributeTag: UInt8 {
            switch self {
            case .span: 0x4a
            case .event, .scope: 0x1a
            case .resource: 0x0a
            }
        }

        /// Whether the attributes lie in messages of field 1 of the bytes.
        var isHeader: Bool { self == .resource || self == .scope }
    }

    /// What a piece is.
    enum Role: UInt8, BitwiseCopyable {
        /// Fields that nobody edits.
        case raw
        case attribute
        case name
        case traceState
        case status
        case event
        /// A field of a header beside its resource or scope.
        case outer
        /// Gone.
        case removed
    }

    /// A part of the message. 40 bytes.
    struct Piece: BitwiseCopyable {
        var role: Role
        /// The whole field, or several of them.
        var range: ByteRange
        /// Of an attribute: its key. Of a text: its content.
        var key = ByteRange.empty
        /// Of an attribute.
        var value = AttributeValueRange(kind: .empty, range: .empty)
    }

    /// The copy of the message, and behind it what was written.
    private var bytes: [UInt8] = []
    var pieces: [Piece] = []
    package private(set) var kind = Kind.span
    /// Whether anything differs from what was opened.
    package private(set) var isEdited = false
    /// Whose span it is; set by whoever opens a span of an index.
    package var traceID = TraceID(high: 0, low: 0)
    /// The SpanKind of a span.
    package private(set) var spanKind: Int32 = 0

    package init() {}

    /// What the ranges of this draft refer to.
    package var content: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get { bytes.span }
    }

    /// Opens a message that the request walker has accepted. Of malformed bytes the rest is one piece.
    ///
    /// - Complexity: O(length).
    package mutating func open(_ kind: Kind, _ source: Span<UInt8>) {
        self.kind = kind
        isEdited = false
        spanKind = 0
        bytes.removeAll(keepingCapacity: true)
        pieces.removeAll(keepingCapacity: true)
        bytes.append(copying: source)
        let end = bytes.count
        var parser = PieceParser(pieces: pieces)
        pieces = []
        if kind.isHeader {
            parser.parseHeader(bytes.span, kind)
        } else {
            parser.parse(bytes.span, 0, end, kind)
        }
        spanKind = parser.spanKind
        pieces = parser.pieces
    }

    /// Appends the message as it is now.
    ///
    /// - Complexity: O(length); runs of pieces that were not edited are one copy.
    package func append(to output: inout [UInt8]) {
        if kind.isHeader {
            var inner = 0
            for piece in pieces where piece.role != .outer && piece.role != .removed { inner += Int(piece.range.count) }
            if hasInner || inner > 0 {
                output.appendPrefix(1, count: inner)
                append(to: &output) { $0 != .outer }
            }
            append(to: &output) { $0 == .outer }
        } else {
            append(to: &output) { _ in true }
        }
    }

    /// Whether a header has a resource or scope at all.
    private var hasInner: Bool { pieces.contains { $0.role == .raw || $0.role == .attribute } }

    private func append(to output: inout [UInt8], where isWanted: (Role) -> Bool) {
        var run = 0..<0
        for piece in pieces where piece.role != .removed && isWanted(piece.role) {
            let range = piece.range.range
            if range.lowerBound == run.upperBound && !run.isEmpty {
                run = run.lowerBound..<range.upperBound
                continue
            }
            output.append(copying: bytes.span.extracting(run))
            run = range
        }
        output.append(copying: bytes.span.extracting(run))
    }

    // MARK: attributes

    /// The place of the first attribute with this key, for `value(at:)` and `set(at:)`.
    ///
    /// - Complexity: O(pieces).
    package func attribute(_ key: [UInt8]) -> Int? { attribute(key.span) }

    package func attribute(_ key: Span<UInt8>) -> Int? {
        for position in pieces.indices where pieces[position].role == .attribute {
            let own = pieces[position].key
            if Int(own.count) == key.count, ByteSpans.equal(own.bytes(in: bytes.span), key) { return position }
        }
        return nil
    }

    /// The value of an attribute; its range refers to `content`.
    package func value(at place: Int) -> AttributeValueRange { pieces[place].value }

    /// The value of the first attribute with this key.
    package func value(_ key: [UInt8]) -> AttributeValueRange? { attribute(key).map { pieces[$0].value } }

    /// A copy of an attribute's key.
    package func key(at place: Int) -> [UInt8] {
        var key: [UInt8] = []
        key.append(copying: pieces[place].key.bytes(in: bytes.span))
        return key
    }

    /// The places of all attributes, in their order.
    package var attributes: [Int] { pieces.indices.filter { pieces[$0].role == .attribute } }

    /// Whether there is any attribute.
    package var hasAttributes: Bool { pieces.contains { $0.role == .attribute } }

    /// Gives an attribute another value, the payload of an AnyValue. The same value again is no edit.
    package mutating func set(at place: Int, _ value: [UInt8]) {
        let old = pieces[place].value
        if AnyValueBytes.copy(of: old, in: bytes.span) == value { return }
        let written = write(key(at: place).span, value)
        pieces[place] = written
        isEdited = true
    }

    /// Sets the first attribute with this key, or appends one behind all others.
    package mutating func put(_ key: [UInt8], _ value: [UInt8]) {
        if let place = attribute(key) {
            set(at: place, value)
        } else {
            append(attribute: key, value)
        }
    }

    /// Appends an attribute behind all others.
    package mutating func append(attribute key: [UInt8], _ value: [UInt8]) {
        pieces.append(write(key.span, value))
        isEdited = true
    }

    /// Removes an attribute. The places of others stay what they are.
    package mutating func remove(at place: Int) {
        pieces[place].role = .removed
        isEdited = true
    }

    /// Removes all attributes with this key; false if there is none.
    @discardableResult
    package mutating func remove(_ key: [UInt8]) -> Bool {
        var isFound = false
        while let place = attribute(key) {
            remove(at: place)
            isFound = true
        }
        return isFound
    }

    /// Removes the attributes of whose keys the test holds.
    package mutating func removeAttributes(where test: (Span<UInt8>) -> Bool) {
        for place in pieces.indices where pieces[place].role == .attribute {
            if test(pieces[place].key.bytes(in: bytes.span)) { remove(at: place) }
        }
    }

    /// Writes an attribute behind everything.
    private mutating func write(_ key: Span<UInt8>, _ value: [UInt8]) -> Piece {
        let start = bytes.count
        let count = ProtobufSize.field(1, count: key.count) + ProtobufSize.field(2, count: value.count)
        bytes.appendPrefix(kind.attributeTag >> 3, count: count)
        let message = bytes.count
        bytes.appendPrefix(1, count: key.count)
        bytes.append(copying: key)
        bytes.appendPrefix(2, count: value.count)
        bytes += value
        return PieceParser.attribute(bytes.span, whole: start..<bytes.count, message..<bytes.count)
    }

    // MARK: fields of a span

    /// The name of a span.
    package var name: ByteRange { last(.name)?.key ?? .empty }

    package mutating func setName(_ name: [UInt8]) { set(.name, tag: 5, name) }

    /// The `trace_state` of a span.
    package var traceState: ByteRange { last(.traceState)?.key ?? .empty }

    package mutating func setTraceState(_ text: [UInt8]) { set(.traceState, tag: 3, text) }

    private func last(_ role: Role) -> Piece? { pieces.last { $0.role == role } }

    /// Replaces a text; an empty one is left out, as protobuf's defaults are.
    private mutating func set(_ role: Role, tag: UInt8, _ text: [UInt8]) {
        if ByteSpans.equal((last(role)?.key ?? .empty).bytes(in: bytes.span), text.span) { return }
        for place in pieces.indices where pieces[place].role == role { pieces[place].role = .removed }
        isEdited = true
        guard !text.isEmpty else { return }
        let start = bytes.count
        bytes.appendPrefix(tag, count: text.count)
        let content = bytes.count
        bytes += text
        pieces.append(
            Piece(role: role, range: ByteRange(start..<bytes.count), key: ByteRange(content..<bytes.count)))
    }

    /// Sets the status of a span: 0 unset, 1 OK, 2 ERROR. Unknown fields of the old one stay.
    package mutating func setStatus(code: UInt64, message: [UInt8]) {
        var status: [UInt8] = []
        if !message.isEmpty { status.appendField(2, bytes: message) }
        status.appendField(3, varint: code)
        var old: [UInt8] = []
        var hasOld = false
        for place in pieces.indices where pieces[place].role == .status {
            hasOld = true
            var reader = FieldReader(bytes.span, pieces[place].key.range)
            while let field = try? reader.next() {
                old.append(copying: bytes.span.extracting(field.whole))
                if field.tag != 0x12 && field.tag != 0x18 { status.append(copying: bytes.span.extracting(field.whole)) }
            }
        }
        if old == status && (hasOld || status.isEmpty) { return }
        for place in pieces.indices where pieces[place].role == .status { pieces[place].role = .removed }
        isEdited = true
        guard !status.isEmpty else { return }
        let start = bytes.count
        bytes.appendPrefix(15, count: status.count)
        let content = bytes.count
        bytes += status
        pieces.append(
            Piece(role: .status, range: ByteRange(start..<bytes.count), key: ByteRange(content..<bytes.count)))
    }

    // MARK: fields of a header

    /// Sets the schema URL of a header that has none, or an empty one.
    package mutating func setSchemaURLIfEmpty(_ url: String) {
        guard kind.isHeader, !url.isEmpty else { return }
        for piece in pieces where piece.role == .outer {
            var reader = FieldReader(bytes.span, piece.range.range)
            while let field = try? reader.next() { if field.tag == 0x1a && !field.payload.isEmpty { return } }
        }
        let start = bytes.count
        bytes.appendField(3, bytes: Array(url.utf8))
        pieces.append(Piece(role: .outer, range: ByteRange(start..<bytes.count)))
        isEdited = true
    }

    // MARK: events

    /// The places of a span's events.
    package var events: [Int] { pieces.indices.filter { pieces[$0].role == .event } }

    /// An event's payload, in `content`.
    package func event(at place: Int) -> ByteRange { pieces[place].key }

    /// Replaces an event by a draft of it that was edited.
    package mutating func setEvent(at place: Int, _ event: borrowing MessageDraft) {
        var payload: [UInt8] = []
        event.append(to: &payload)
        let start = bytes.count
        bytes.appendPrefix(11, count: payload.count)
        let content = bytes.count
        bytes += payload
        pieces[place].range = ByteRange(start..<bytes.count)
        pieces[place].key = ByteRange(content..<bytes.count)
        isEdited = true
    }
}
