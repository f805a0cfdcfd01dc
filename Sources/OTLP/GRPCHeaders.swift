/// The values of gRPC's headers.
///
/// Source: grpc/doc/PROTOCOL-HTTP2.md.
package enum GRPCHeaders {
    /// Percent-encodes a `grpc-message`: every byte outside 0x20-0x7e, and `%`.
    package static func encodeMessage(_ message: Span<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(message.count)
        for index in message.indices {
            let byte = message[index]
            if byte >= 0x20 && byte <= 0x7e && byte != UInt8(ascii: "%") {
                output.append(byte)
            } else {
                output.append(UInt8(ascii: "%"))
                output.append(upperDigit(byte >> 4))
                output.append(upperDigit(byte & 15))
            }
        }
        return output
    }

    /// Decodes a `grpc-message`; a bad escape stays as it is.
    package static func decodeMessage(_ value: Span<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(value.count)
        var index = 0
        while index < value.count {
            if value[index] == UInt8(ascii: "%"), index + 2 < value.count,
                let high = HexDigits.value(value[index + 1]),
                let low = HexDigits.value(value[index + 2])
            {
                output.append(UInt8(high << 4 | low))
                index += 3
            } else {
                output.append(value[index])
                index += 1
            }
        }
        return output
    }

    /// Reads a `grpc-timeout` (at most 8 digits and a unit) as nanoseconds, cut at 292 years;
    /// `nil` if it isn't one.
    package static func parseTimeout(_ value: Span<UInt8>) -> Int64? {
        guard value.count >= 2 && value.count <= 9 else { return nil }
        var number: Int64 = 0
        for index in 0..<(value.count - 1) {
            let byte = value[index]
            guard byte >= 0x30 && byte <= 0x39 else { return nil }
            number = number * 10 + Int64(byte - 0x30)
        }
        let unit: Int64
        switch value[value.count - 1] {
        case UInt8(ascii: "H"): unit = 3_600_000_000_000
        case UInt8(ascii: "M"): unit = 60_000_000_000
        case UInt8(ascii: "S"): unit = 1_000_000_000
        case UInt8(ascii: "m"): unit = 1_000_000
        case UInt8(ascii: "u"): unit = 1_000
        case UInt8(ascii: "n"): unit = 1
        default: return nil
        }
        let product = number.multipliedReportingOverflow(by: unit)
        return product.overflow ? .max : product.partialValue
    }

    /// A `grpc-timeout` value of at most 8 digits, rounded up; negative counts as 0.
    package static func encodeTimeout(nanoseconds: Int64) -> [UInt8] {
        let units: [(StaticString, Int64)] = [
            ("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000),
            ("M", 60_000_000_000), ("H", 3_600_000_000_000),
        ]
        let nanoseconds = max(0, nanoseconds)
        for (name, unit) in units {
            let number = nanoseconds / unit + (nanoseconds % unit == 0 ? 0 : 1)
            if number <= 99_999_999 { return Array("\(number)\(name)".utf8) }
        }
        return Array("99999999H".utf8)
    }

    /// Whether a content-type is gRPC with protobuf bodies or any other: `application/grpc`, then
    /// nothing, `+...` or `;...`.
    ///
    /// Case doesn't matter.
    package static func isGRPC(contentType: Span<UInt8>) -> Bool {
        guard startsIgnoringCase(contentType, "application/grpc") else { return false }
        guard contentType.count > 16 else { return true }
        return contentType[16] == UInt8(ascii: "+") || contentType[16] == UInt8(ascii: ";")
    }

    private static func startsIgnoringCase(
        _ value: Span<UInt8>, _ lowercase: String
    ) -> Bool {
        guard value.count >= lowercase.utf8.count else { return false }
        var index = 0
        for expected in lowercase.utf8 {
            var byte = value[index]
            if byte >= 0x41 && byte <= 0x5a { byte |= 0x20 }
            if byte != expected { return false }
            index += 1
        }
        return true
    }

    private static func upperDigit(_ nibble: UInt8) -> UInt8 {
        nibble < 10 ? 0x30 + nibble : 0x37 + nibble
    }
}

/// How a gRPC message is compressed.
package enum GRPCEncoding: Sendable, Equatable, CaseIterable {
    /// Not at all.
    case identity
    /// RFC 1952; every message is a stream of its own.
    case gzip

    /// Reads a `grpc-encoding` value; `nil` for one that isn't supported (UNIMPLEMENTED).
    package init?(headerValue: Span<UInt8>) {
        for encoding in Self.allCases where Self.equal(headerValue, encoding.headerValue) {
            self = encoding
            return
        }
        return nil
    }

    /// The name in `grpc-encoding`.
    package var headerValue: [UInt8] {
        switch self {
        case .identity: Array("identity".utf8)
        case .gzip: Array("gzip".utf8)
        }
    }

    /// The value of `grpc-accept-encoding` that names all of them.
    package static var acceptHeaderValue: [UInt8] { Array("identity,gzip".utf8) }

    /// Whether a `grpc-accept-encoding` list names this encoding; spaces around names are ignored.
    package func isNamed(inAcceptHeader list: Span<UInt8>) -> Bool {
        var start = 0
        var index = 0
        while index <= list.count {
            if index == list.count || list[index] == UInt8(ascii: ",") {
                var low = start
                var high = index
                while low < high && Self.isBlank(list[low]) { low += 1 }
                while low < high && Self.isBlank(list[high - 1]) { high -= 1 }
                if Self.equal(list.extracting(low..<high), headerValue) { return true }
                start = index + 1
            }
            index += 1
        }
        return false
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func equal(_ value: Span<UInt8>, _ name: [UInt8]) -> Bool {
        guard value.count == name.count else { return false }
        for index in name.indices where value[index] != name[index] { return false }
        return true
    }
}
