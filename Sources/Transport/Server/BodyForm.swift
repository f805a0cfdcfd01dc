package import OTLP

/// How a request's bytes are compressed.
package enum ContentCoding: UInt8, Sendable, CaseIterable {
    case identity
    case gzip
    /// What HTTP calls `deflate`: zlib's format, and raw deflate, which some send under the same name.
    case deflate

    /// All of them, in the order in which `Accept-Encoding` and error messages name them. `zstd` is not among them: it
    /// would take a library that Tailgate does not link.
    package static let allCases: [ContentCoding] = [.gzip, .deflate, .identity]

    /// As `Accept-Encoding` names it (RFC 9110 §8.4.1).
    package var headerValue: String {
        switch self {
        case .identity: "identity"
        case .gzip: "gzip"
        case .deflate: "deflate"
        }
    }

    /// Reads a `Content-Encoding`, any case; nil for what is not supported, several codings included.
    package init?(headerValue: ArraySlice<UInt8>) {
        switch HeaderText.lowercased(HeaderText.trimmed(headerValue)) {
        case "", "identity": self = .identity
        case "gzip", "x-gzip": self = .gzip
        case "deflate", "zlib": self = .deflate
        default: return nil
        }
    }
}

/// What stands between a request's bytes and a protobuf message.
package struct BodyForm: Sendable, Equatable {
    package var coding: ContentCoding
    /// OTLP JSON instead of protobuf.
    package var isJSON: Bool

    package init(_ coding: ContentCoding = .identity, isJSON: Bool = false) {
        self.coding = coding
        self.isJSON = isJSON
    }

    /// The form of a gRPC message.
    package init(_ encoding: GRPCEncoding) {
        self.init(encoding == .gzip ? ContentCoding.gzip : ContentCoding.identity)
    }
}

/// Small helpers for header fields, which are short ASCII texts.
enum HeaderText {
    /// Without blanks at both ends.
    static func trimmed(_ value: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var value = value
        while let first = value.first, first == 0x20 || first == 0x09 { value.removeFirst() }
        while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
        return value
    }

    /// As text, ASCII letters in lower case.
    static func lowercased(_ value: ArraySlice<UInt8>) -> String {
        String(decoding: value.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }, as: UTF8.self)
    }

    /// A media type or coding without its parameters, in lower case.
    static func mediaType(_ value: ArraySlice<UInt8>) -> String {
        lowercased(trimmed(value.prefix { $0 != UInt8(ascii: ";") }))
    }

    /// A number of decimal digits alone, at most 18 of them.
    static func number(_ value: ArraySlice<UInt8>) -> Int? {
        let digits = trimmed(value)
        guard !digits.isEmpty, digits.count <= 18, digits.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 &- 0x30) }
    }

    /// At most 100 bytes of a peer's text, without anything that is not printable ASCII.
    static func shown(_ bytes: ArraySlice<UInt8>) -> String {
        String(
            decoding: bytes.prefix(100).map { $0 >= 0x20 && $0 < 0x7f ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
