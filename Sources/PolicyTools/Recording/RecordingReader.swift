internal import NativeCore
internal import OTLP

/// Why a recording can't be read on.
package struct RecordingError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

/// Turns the bytes of a recording into OTLP trace requests in protobuf, one after the other.
///
/// Formats, told apart by their first bytes: OTLP JSON (one object a line as the `file` exporter writes it, or objects spread over
/// lines), protobuf with a varint length before each request, protobuf with a big-endian 32-bit length before each request (the
/// Collector's `file` exporter with `format: proto`), and one bare request; each of them also gzipped. Holds one request and one
/// piece of the file at a time, whatever the file's size.
package struct RecordingReader: ~Copyable {
    /// A request may be this large; a recording that says otherwise is damaged.
    package static let maximumRequestBytes = 256 << 20
    /// ResourceSpans of a bare request are handed out in requests of about this size.
    private static let portionBytes = 1 << 20

    /// What the file turned out to be.
    package enum Format: String, Sendable {
        case json = "OTLP JSON"
        case delimited = "OTLP protobuf, varint lengths"
        case prefixed = "OTLP protobuf, 32-bit lengths"
        case bare = "OTLP protobuf"
    }

    /// Turns one OTLP JSON object into an ExportTraceServiceRequest.
    package typealias Transcoder = (Span<UInt8>) throws -> [UInt8]

    private let next: () throws -> [UInt8]
    private let transcode: Transcoder
    private var inflater: StreamInflater?
    private var isStarted = false
    private var isAtEnd = false
    /// Bytes that were read and not used, from `position` on.
    private var buffer: [UInt8] = []
    private var position = 0
    package private(set) var format: Format?
    /// Lines of other signals, and empty lines, that were passed over.
    package private(set) var skippedLines = 0
    /// Torn lines that were passed over: a node was killed while it wrote them, or its disk was full.
    package private(set) var damagedLines = 0
    private var requestsRead = 0
    /// Line feeds before `position`.
    private var line = 0
    /// Where the object that was found last begins, counted from 1.
    private var objectLine = 1

    /// - Parameters:
    ///   - next: the next piece of the file; empty at its end.
    ///   - transcode: the JSON reader.
    package init(next: @escaping () throws -> [UInt8], transcode: @escaping Transcoder) {
        self.next = next
        self.transcode = transcode
    }

    /// The next request, in place of what `request` held. False at the end.
    package mutating func read(into request: inout [UInt8]) throws -> Bool {
        request.removeAll(keepingCapacity: true)
        if format == nil {
            guard try detect() else { return false }
        }
        switch format {
        case .json: return try readJSON(into: &request)
        case .delimited: return try readDelimited(into: &request)
        case .prefixed: return try readPrefixed(into: &request)
        case .bare: return try readBare(into: &request)
        case nil: return false
        }
    }

    // MARK: bytes

    private var available: Int { buffer.count - position }

    /// Reads on until `count` bytes are there. False if the file ends before.
    private mutating func need(_ count: Int) throws -> Bool {
        while available < count { guard try fill() else { return false } }
        return true
    }

    private mutating func fill() throws -> Bool {
        guard !isAtEnd else { return false }
        if position > 0 {
            buffer.removeFirst(position)
            position = 0
        }
        var piece = try next()
        if !isStarted {
            isStarted = true
            // A pipe may hand out single bytes; the first four tell compression.
            while piece.count < 4 {
                let more = try next()
                if more.isEmpty { break }
                piece += more
            }
            if piece.count >= 2, piece[0] == 0x1f, piece[1] == 0x8b { inflater = StreamInflater() }
            if piece.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) {
                throw RecordingError("it is compressed with zstd, which is not read here; use gzip, or `zstd -d` it first")
            }
        }
        if piece.isEmpty {
            isAtEnd = true
            if let isComplete = inflater?.isAtMemberEnd, !isComplete { throw RecordingError("the gzip data ends too early") }
            return false
        }
        if inflater != nil {
            do throws(InflateError) {
                try inflater?.inflate(piece.span, into: &buffer)
            } catch {
                throw RecordingError("the gzip data is damaged")
            }
        } else {
            buffer += piece
        }
        return true
    }

    // MARK: format

    private mutating func detect() throws -> Bool {
        _ = try need(64 << 10)
        guard available > 0 else { return false }
        if looksLikeJSON() {
            format = .json
        } else if isMessage(at: position, length: nil) {
            format = .bare
        } else if let varint = varint(at: position), isMessage(at: varint.end, length: varint.value) {
            format = .delimited
        } else if available >= 4, isMessage(at: position + 4, length: word(at: position)) {
            format = .prefixed
        } else if let first = buffer[position...].first(where: { !isBlank($0) }) {
            if first == UInt8(ascii: "[") {
                throw RecordingError("it is a JSON list; OTLP JSON is expected: objects with `resourceSpans`, one a line")
            }
            if first == UInt8(ascii: "{") {
                format = .json
                return true
            }
            throw RecordingError("it is neither OTLP JSON nor OTLP protobuf")
        } else {
            // Nothing but blanks.
            return false
        }
        return true
    }

    /// Whether an object with a key begins here. The first byte of a protobuf request is a line feed, so blanks and a brace alone
    /// say nothing.
    private func looksLikeJSON() -> Bool {
        var rest = buffer[position...]
        if rest.starts(with: [0xef, 0xbb, 0xbf]) { rest = rest.dropFirst(3) }
        rest = rest.drop { isBlank($0) }
        guard rest.popFirst() == UInt8(ascii: "{") else { return false }
        rest = rest.drop { isBlank($0) }
        guard let quote = rest.popFirst() else { return true }
        if quote == UInt8(ascii: "}") { return true }
        guard quote == UInt8(ascii: "\""), let letter = rest.first else { return false }
        return (letter | 0x20) &- UInt8(ascii: "a") < 26
    }

    private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 }

    /// Whether a request may begin here: field 1 with a ResourceSpans that begins as one.
    private func isMessage(at offset: Int, length: Int?) -> Bool {
        if let length, length == 0 { return false }
        guard offset + 1 < buffer.count, buffer[offset] == 0x0a, let inner = varint(at: offset + 1) else { return false }
        if let length, inner.end - offset + inner.value > length { return false }
        guard inner.value > 0 else { return true }
        guard inner.end < buffer.count else { return false }
        // resource, scope_spans or schema_url; and where the next field begins, field 1 again.
        guard [0x0a, 0x12, 0x1a].contains(buffer[inner.end]) else { return false }
        let after = inner.end + inner.value
        if length == nil, after < buffer.count { return buffer[after] == 0x0a }
        return true
    }

    private func varint(at offset: Int) -> (value: Int, end: Int)? {
        var value = 0
        var shift = 0
        var end = offset
        while end < buffer.count, shift < 35 {
            let byte = buffer[end]
            end += 1
            value |= Int(byte & 0x7f) << shift
            if byte < 0x80 { return (value, end) }
            shift += 7
        }
        return nil
    }

    private func word(at offset: Int) -> Int {
        buffer[offset..<offset + 4].reduce(0) { $0 << 8 | Int($1) }
    }

    // MARK: protobuf

    private mutating func take(_ count: Int, into request: inout [UInt8]) throws {
        guard count <= Self.maximumRequestBytes else {
            throw RecordingError("it is damaged: a request of \(count) bytes can't be")
        }
        guard try need(count) else { throw RecordingError("it ends in the middle of a request") }
        request.append(copying: buffer.span.extracting(position..<position + count))
        position += count
    }

    private mutating func readDelimited(into request: inout [UInt8]) throws -> Bool {
        _ = try need(10)
        guard available > 0 else { return false }
        guard let length = varint(at: position) else { throw RecordingError("it is damaged: a length has no end") }
        position = length.end
        try take(length.value, into: &request)
        return true
    }

    private mutating func readPrefixed(into request: inout [UInt8]) throws -> Bool {
        guard try need(4) else {
            if available > 0 { throw RecordingError("it ends in the middle of a request") }
            return false
        }
        let length = word(at: position)
        position += 4
        try take(length, into: &request)
        return true
    }

    private mutating func readBare(into request: inout [UInt8]) throws -> Bool {
        while request.count < Self.portionBytes {
            _ = try need(11)
            guard available > 0 else { break }
            guard let tag = varint(at: position), tag.value == 0x0a, let length = varint(at: tag.end) else {
                throw RecordingError("it is damaged: not a request of ResourceSpans")
            }
            try take(length.end - position + length.value, into: &request)
        }
        return !request.isEmpty
    }

    // MARK: JSON

    private mutating func readJSON(into request: inout [UInt8]) throws -> Bool {
        while true {
            guard let range = try nextObject() else { return false }
            position = range.upperBound
            guard mentionsSpans(range) else {
                skippedLines += 1
                continue
            }
            do {
                request = try transcode(buffer.span.extracting(range))
            } catch {
                // It may be torn behind a brace.
                guard requestsRead > 0, try isFollowedByRequest(lineFeed: position) else {
                    throw RecordingError("line \(objectLine): \(error)")
                }
                damagedLines += 1
                continue
            }
            requestsRead += 1
            if !request.isEmpty { return true }
        }
    }

    /// Objects of metrics and logs pass by. The key stands near the start, as every writer has it.
    private func mentionsSpans(_ range: Range<Int>) -> Bool {
        let text = String(decoding: buffer[range.prefix(400)], as: UTF8.self)
        if text.contains("esourceSpans") || text.contains("esource_spans") { return true }
        return range.count > 400 && !text.contains("esourceMetrics") && !text.contains("esourceLogs")
    }

    /// Whether behind this line feed a line begins as writers of OTLP JSON begin a request. Then the line before it was at its end.
    private mutating func isFollowedByRequest(lineFeed: Int) throws -> Bool {
        let offset = lineFeed - position
        _ = try need(offset + 12)
        let rest = buffer[(position + offset)...]
        return rest.starts(with: "\n{\"resource".utf8)
    }

    /// Where the next object stands in the buffer.
    private mutating func nextObject() throws -> Range<Int>? {
        while true {
            while available > 0, isBlank(buffer[position]) || buffer[position] == UInt8(ascii: ",") {
                if buffer[position] == 0x0a { line += 1 }
                position += 1
            }
            if available > 0 { break }
            guard try fill() else { return nil }
        }
        if buffer[position] == 0xef, try need(3) { position += 3 }
        guard try need(1), buffer[position] == UInt8(ascii: "{") else {
            throw RecordingError("line \(line + 1): a JSON object is expected")
        }
        objectLine = line + 1
        // A line is an object nearly always: the end of the line is quicker to find than the closing brace.
        var searched = 0
        while true {
            if let end = newline(from: position + searched) {
                var last = end - 1
                while last > position, isBlank(buffer[last]) { last -= 1 }
                if buffer[last] == UInt8(ascii: "}") {
                    return position..<last + 1
                }
                let offset = end - position
                guard try isFollowedByRequest(lineFeed: end) else { return try objectOverLines() }
                damagedLines += 1
                line += 1
                position += offset + 1
                objectLine = line + 1
                searched = 0
                continue
            }
            searched = available
            guard available <= Self.maximumRequestBytes else {
                throw RecordingError("line \(line + 1): longer than \(Self.maximumRequestBytes >> 20) MiB")
            }
            guard try fill() else { return try objectOverLines() }
        }
    }

    private func newline(from start: Int) -> Int? { ByteSpans.firstIndex(of: 0x0a, in: buffer.span, from: start) }

    private mutating func objectOverLines() throws -> Range<Int>? {
        while true {
            if let end = closingBrace(from: position, to: buffer.count) {
                line += buffer[position...end].count { $0 == 0x0a }
                return position..<end + 1
            }
            guard available <= Self.maximumRequestBytes else {
                throw RecordingError("line \(line + 1): an object larger than \(Self.maximumRequestBytes >> 20) MiB")
            }
            guard try fill() else {
                guard requestsRead > 0 else { throw RecordingError("line \(line + 1): the JSON object has no end") }
                // The file is being written, or its writer was killed.
                damagedLines += 1
                position = buffer.count
                return nil
            }
        }
    }

    /// Where the object that begins at `start` ends, braces within texts left out of account.
    private func closingBrace(from start: Int, to end: Int) -> Int? {
        let bytes = buffer.span
        var depth = 0
        var index = start
        while index < end {
            switch bytes[index] {
            case UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "}"):
                depth -= 1
                if depth == 0 { return index }
            case UInt8(ascii: "\""):
                index += 1
                while index < end, bytes[index] != UInt8(ascii: "\"") {
                    index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
                }
            default: break
            }
            index += 1
        }
        return nil
    }
}
