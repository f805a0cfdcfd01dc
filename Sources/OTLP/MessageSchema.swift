/// OTLP's messages as far as structure goes: which fields are text, which are messages.
///
/// One table serves the structural check, the UTF-8 check and the repair. Tags are the field number
/// times eight plus the wire type, so a known number with a wrong wire type is an unknown field, as
/// in every protobuf library.
/// Source: opentelemetry-proto, trace/v1/trace.proto, common/v1/common.proto, resource/v1/resource.proto.
enum MessageSchema: UInt8 {
    case span, event, link, status
    case keyValue, anyValue, arrayValue, keyValueList
    case resource, scope, entityRef
    /// ResourceSpans without its children.
    case resourceHeader
    /// ScopeSpans without its children.
    case scopeHeader

    /// Messages may be nested this deep, the request itself being 1.
    ///
    /// Protobuf's C++, Java, Python and PHP libraries refuse a whole message past 100 levels, so one
    /// deeper span would take every batch it is in down with it. An array costs two levels
    /// (AnyValue, ArrayValue), a kvlist three.
    static let maximumDepth = 96
    /// The depth of a Span, ResourceSpans and ScopeSpans in a request.
    static let spanDepth = 4
    static let resourceHeaderDepth = 2
    static let scopeHeaderDepth = 3

    /// What a field holds.
    enum Field: Equatable {
        /// A number, an identifier, bytes, or a field unknown to OTLP.
        case other
        /// Text that has to be valid UTF-8.
        case string
        /// Another message.
        case message(MessageSchema)
    }

    /// What the field with this tag holds.
    @inline(__always)
    func field(_ tag: UInt64) -> Field {
        switch self {
        case .span:
            switch tag {
            case 0x1a, 0x2a: .string
            case 0x4a: .message(.keyValue)
            case 0x5a: .message(.event)
            case 0x6a: .message(.link)
            case 0x7a: .message(.status)
            default: .other
            }
        case .event: tag == 0x12 ? .string : tag == 0x1a ? .message(.keyValue) : .other
        case .link: tag == 0x1a ? .string : tag == 0x22 ? .message(.keyValue) : .other
        case .status: tag == 0x12 ? .string : .other
        case .keyValue: tag == 0x0a ? .string : tag == 0x12 ? .message(.anyValue) : .other
        case .anyValue:
            switch tag {
            case 0x0a: .string
            case 0x2a: .message(.arrayValue)
            case 0x32: .message(.keyValueList)
            default: .other
            }
        case .arrayValue: tag == 0x0a ? .message(.anyValue) : .other
        case .keyValueList: tag == 0x0a ? .message(.keyValue) : .other
        case .resource:
            tag == 0x0a ? .message(.keyValue) : tag == 0x1a ? .message(.entityRef) : .other
        case .entityRef:
            switch tag {
            case 0x0a, 0x12, 0x1a, 0x22: .string
            default: .other
            }
        case .scope:
            switch tag {
            case 0x0a, 0x12: .string
            case 0x1a: .message(.keyValue)
            default: .other
            }
        case .resourceHeader: tag == 0x0a ? .message(.resource) : tag == 0x1a ? .string : .other
        case .scopeHeader: tag == 0x0a ? .message(.scope) : tag == 0x1a ? .string : .other
        }
    }

    /// Walks a message and everything nested in it; `false` if it is nested too deep.
    ///
    /// What lies below the deepest level allowed isn't looked at.
    /// - Complexity: O(number of fields at all levels); at most `maximumDepth` stack frames.
    @inline(never)
    func check(
        _ bytes: Span<UInt8>, _ start: Int, _ end: Int, depth: Int
    ) throws(WalkError) -> Bool {
        guard depth <= Self.maximumDepth else { return false }
        var isShallow = true
        var offset = start
        while offset < end {
            let tag = try Wire.tag(bytes, offset, end)
            if case .message(let inner) = field(tag.value) {
                let payload = try Wire.payload(bytes, tag.next, end)
                let fits = try inner.check(
                    bytes, payload.lowerBound, payload.upperBound, depth: depth + 1)
                isShallow = isShallow && fits
                offset = payload.upperBound
            } else if tag.value & 7 == 2 {
                offset = try Wire.payload(bytes, tag.next, end).upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, bytes, tag.next, end)
            }
        }
        return isShallow
    }
}
