internal import NativeCore
internal import OTLP

/// Digests and codings.
extension OTTLProgram {
    func callCodings(
        _ function: OTTLFunctionID, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        if function == .hex { return try hex(node, &input) }
        if function == .decode { return try decoded(node, &input) }
        let text = try bytesArgument(0, node, &input)
        switch function {
        case .fnv: return .int(OTTLHashes.fnv(text))
        case .md5: return .text(Self.hexDigits(OTTLHashes.md5(text)))
        case .sha1: return .text(Self.hexDigits(OTTLHashes.sha1(text)))
        case .sha256: return .text(Self.hexDigits(SHA256.digest(of: text).bytes))
        case .sha512: return .text(Self.hexDigits(OTTLHashes.sha512(text)))
        case .murmur3Hash: return .text(Self.hexDigits(OTTLHashes.murmur32(text)))
        case .murmur3Hash128: return .text(Self.hexDigits(OTTLHashes.murmur128(text)))
        case .base64Encode:
            let variant = String(decoding: try bytesArgument(1, default: "base64", node, &input), as: UTF8.self)
            var encoded = Base64.encode(text.span, isPadded: !variant.contains("raw"))
            if variant.contains("url") { encoded = encoded.map { $0 == 0x2b ? 0x2d : $0 == 0x2f ? 0x5f : $0 } }
            return try checked(encoded, node)
        case .base64Decode: return try base64(text, "base64", node)
        default: return .null
        }
    }

    /// The variants of base64 that `Base64Encode` and `Decode` know.
    static let base64Variants = ["base64", "base64-raw", "base64-url", "base64-raw-url"]
    /// The text encodings that `Decode` knows besides.
    static let textEncodings = ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1"]

    private func decoded(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let value = try argument(0, node, &input)
        let bytes: [UInt8]
        switch value {
        case .string(let text), .bytes(let text): bytes = copy(text, input)
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
        }
        let encoding = String(decoding: try bytesArgument(1, node, &input), as: UTF8.self).lowercased()
        if Self.base64Variants.contains(encoding) { return try base64(bytes, encoding, node) }
        guard encoding.hasPrefix("iso") || encoding.hasPrefix("latin") else { return .text(bytes) }
        return try checked(bytes.flatMap { Array(String(Character(Unicode.Scalar($0))).utf8) }, node)
    }

    private func base64(_ text: [UInt8], _ variant: String, _ node: OTTLNode) throws(OTTLEvaluationError) -> OTTLValue {
        let isURL = variant.contains("url")
        let foreign: [UInt8] = isURL ? [0x2b, 0x2f] : [0x2d, 0x5f]
        let isPadded = text.last == UInt8(ascii: "=")
        let fits = variant.contains("raw") ? !isPadded : text.count % 4 == 0
        let plain = text.map { $0 == 0x2d ? 0x2b : $0 == 0x5f ? 0x2f : $0 }
        guard fits, !text.contains(where: foreign.contains), let decoded = Base64.decode(plain.span) else {
            throw OTTLEvaluationError(.malformedInput, found: .string, column: node.column)
        }
        return .text(decoded)
    }

    /// Numbers as their eight bytes, most significant first.
    private func hex(_ node: OTTLNode, _ input: inout OTTLSpanInput) throws(OTTLEvaluationError) -> OTTLValue {
        let value = try argument(0, node, &input)
        let bytes: [UInt8]
        switch value {
        case .null: return .null
        case .string(let text), .bytes(let text): bytes = copy(text, input)
        case .bool(let flag): bytes = [flag ? 1 : 0]
        case .int(let number): bytes = OTTLHashes.bytesOf(UInt64(bitPattern: number), count: 8)
        case .double(let number): bytes = OTTLHashes.bytesOf(number.bitPattern, count: 8)
        case .traceID(let id), .profileID(let id): return .text(id.hexBytes)
        case .spanID(let id): return .text(OTTLText.hex(id))
        default: throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
        }
        return try checked(Self.hexDigits(bytes), node)
    }
}
