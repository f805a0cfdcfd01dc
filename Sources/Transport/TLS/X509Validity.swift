/// From when to when a certificate is valid (RFC 5280 §4.1.2.5), read straight from its DER bytes.
///
/// The TLS library's own reading of these times traps on malformed ones, and certificates of peers are bytes from outside.
package struct X509Validity: Sendable, Equatable {
    /// Seconds since 1970.
    package var notBefore: Int64
    package var notAfter: Int64

    /// Reads Certificate > TBSCertificate > Validity; nil if the bytes are no certificate.
    package init?(der: [UInt8]) {
        var reader = DERReader(der[...])
        guard var certificate = reader.enter(0x30), var body = certificate.enter(0x30) else { return nil }
        // version [0] EXPLICIT, serialNumber, signature, issuer stand before the validity.
        _ = body.skip(0xa0)
        guard body.skip(0x02), body.skip(0x30), body.skip(0x30), var validity = body.enter(0x30),
            let begin = validity.time(), let end = validity.time()
        else { return nil }
        notBefore = begin
        notAfter = end
    }

    package init(notBefore: Int64, notAfter: Int64) {
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

/// Walks DER elements (X.690 §8) in order. Every length is checked against what is there.
private struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The content of the next element, if it has this tag.
    private mutating func next(_ tag: UInt8) -> ArraySlice<UInt8>? {
        guard rest.count >= 2, rest[rest.startIndex] == tag else { return nil }
        var at = rest.startIndex + 1
        var length = Int(rest[at])
        at += 1
        if length >= 0x80 {
            let count = length - 0x80
            guard (1...3).contains(count), rest.endIndex - at >= count else { return nil }
            length = 0
            for _ in 0..<count {
                length = length << 8 | Int(rest[at])
                at += 1
            }
        }
        guard rest.endIndex - at >= length else { return nil }
        defer { rest = rest[(at + length)...] }
        return rest[at..<at + length]
    }

    mutating func enter(_ tag: UInt8) -> DERReader? { next(tag).map { DERReader($0) } }

    /// Passes the next element if it has this tag.
    mutating func skip(_ tag: UInt8) -> Bool { next(tag) != nil }

    /// UTCTime `YYMMDDHHMMSSZ` or GeneralizedTime `YYYYMMDDHHMMSSZ`, the only forms that certificates may have.
    mutating func time() -> Int64? {
        if let text = next(0x17) {
            guard text.count == 13, let year = digits(text, 0, 2) else { return nil }
            return seconds(text.dropFirst(2), year: year < 50 ? 2000 + year : 1900 + year)
        }
        guard let text = next(0x18), text.count == 15, let year = digits(text, 0, 4) else { return nil }
        return seconds(text.dropFirst(4), year: year)
    }

    private func seconds(_ text: ArraySlice<UInt8>, year: Int64) -> Int64? {
        guard text.last == UInt8(ascii: "Z"), let month = digits(text, 0, 2), (1...12).contains(month),
            let day = digits(text, 2, 2), (1...31).contains(day), let hour = digits(text, 4, 2), hour < 24,
            let minute = digits(text, 6, 2), minute < 60, let second = digits(text, 8, 2), second <= 60
        else { return nil }
        let days = CivilTime.days(year: year, month: month, day: day)
        return ((days * 24 + hour) * 60 + minute) * 60 + second
    }

    private func digits(_ text: ArraySlice<UInt8>, _ offset: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for byte in text.dropFirst(offset).prefix(count) {
            guard byte &- UInt8(ascii: "0") < 10 else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
