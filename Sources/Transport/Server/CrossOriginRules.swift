package import NativeCore

/// Cross-origin requests (CORS): which pages in a browser may send here. Pure.
///
/// Source: the Fetch standard, "HTTP CORS protocol"; defaults and wildcards as the Collector's `cors` block has them.
package struct CrossOriginRules: Sendable, Equatable {
    /// Origins such as `https://*.example.com`; a `*` stands for any characters. Case does not count.
    package var allowedOrigins: [String]
    /// Request headers that a page may set besides the always allowed ones; `*` for any.
    package var allowedHeaders: [String]
    /// Response headers that a page may read.
    package var exposedHeaders: [String]
    /// How long a browser may remember the answer to its question, seconds; 0 leaves that to the browser.
    package var maximumAge: Int

    package init(
        allowedOrigins: [String], allowedHeaders: [String] = [], exposedHeaders: [String] = [], maximumAge: Int = 0
    ) {
        self.allowedOrigins = allowedOrigins.map { $0.lowercased() }
        self.allowedHeaders = allowedHeaders.map { $0.lowercased() }
        self.exposedHeaders = exposedHeaders
        self.maximumAge = maximumAge
    }

    private static let alwaysAllowed = ["accept", "content-type", "x-requested-with"]

    private var allowsAnyOrigin: Bool { allowedOrigins.contains("*") }

    /// Whether a page of this origin may send.
    package func allows(origin: String) -> Bool {
        let origin = Array(origin.lowercased().utf8)
        return allowedOrigins.contains { Self.matches(Array($0.utf8), origin) }
    }

    /// The fields that go with every answer to a page of this origin; for others none but `Vary`.
    ///
    /// A list that is just `*` is answered with `*`, which browsers take for requests without credentials only; a named origin
    /// may send credentials.
    package func fields(forOrigin origin: String) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = [("vary", "Origin")]
        guard allows(origin: origin) else { return fields }
        if allowsAnyOrigin {
            fields.append(("access-control-allow-origin", "*"))
        } else {
            fields.append(("access-control-allow-origin", origin))
            fields.append(("access-control-allow-credentials", "true"))
        }
        if !exposedHeaders.isEmpty {
            fields.append(("access-control-expose-headers", exposedHeaders.joined(separator: ", ")))
        }
        return fields
    }

    /// The fields of the answer to a preflight question (OPTIONS): permission, or nothing that permits.
    package func preflight(
        origin: String, method: String, headers: String
    ) -> [(name: String, value: String)] {
        var fields = fields(forOrigin: origin).filter { $0.name != "vary" && $0.name != "access-control-expose-headers" }
        fields.append(("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"))
        let wanted = headers.lowercased().split(separator: ",").map { $0.filter { $0 != " " && $0 != "\t" } }
        let allowed = wanted.allSatisfy { header in
            allowedHeaders.contains("*") || allowedHeaders.contains(header) || Self.alwaysAllowed.contains(header)
        }
        guard allows(origin: origin), method == "POST", allowed else {
            return fields.filter { $0.name == "vary" }
        }
        fields.append(("access-control-allow-methods", "POST"))
        if !wanted.isEmpty { fields.append(("access-control-allow-headers", wanted.joined(separator: ", "))) }
        if maximumAge > 0 { fields.append(("access-control-max-age", "\(maximumAge)")) }
        return fields
    }

    /// Whether `text` fits a pattern in which `*` stands for any characters. Linear in practice: on a mismatch only the last
    /// `*` is tried further.
    static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var (position, offset) = (0, 0)
        var star: (position: Int, offset: Int)?
        while offset < text.count {
            if position < pattern.count, pattern[position] == UInt8(ascii: "*") {
                star = (position, offset)
                position += 1
            } else if position < pattern.count, pattern[position] == text[offset] {
                position += 1
                offset += 1
            } else if let last = star {
                star = (last.position, last.offset + 1)
                position = last.position + 1
                offset = last.offset + 1
            } else {
                return false
            }
        }
        return pattern[position...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

/// The fields of an answer and the format of its body, as the request and the listener want them: what refusals need too.
package struct HTTPReplyForm: Sendable {
    /// What an answer's body is written in.
    package enum Format: Sendable {
        case protobuf, json
        /// For who spoke neither.
        case text
    }

    package var format: Format
    /// The fields that go with every answer, and those for this page, if a page asks.
    package var fields: [(name: String, value: String)]
    /// HEAD: the answer has no body.
    package var isHead: Bool
    /// What bodies may be compressed with, for who is told so.
    package var acceptedCodings = HTTPReplyForm.allCodings

    private static let allCodings = HTTPListenerSettings().acceptedCodings

    package init(format: Format = .text, fields: [(name: String, value: String)] = [], isHead: Bool = false) {
        self.format = format
        self.fields = fields
        self.isHead = isHead
    }

    /// Reads what of a request decides how it is answered. Never fails.
    package init(_ headers: HTTP2Headers, _ settings: HTTPListenerSettings) {
        self.init()
        switch headers.first("content-type").map(HeaderText.mediaType) {
        case "application/x-protobuf": format = .protobuf
        case "application/json": format = .json
        default: break
        }
        isHead = headers.has(":method", "HEAD")
        if settings.codings.count < ContentCoding.allCases.count { acceptedCodings = settings.acceptedCodings }
        fields = settings.responseFields.map { ($0.name, $0.value) }
        if let rules = settings.crossOrigin, let origin = headers.first("origin") {
            fields += rules.fields(forOrigin: String(decoding: origin, as: UTF8.self))
        }
    }
}
