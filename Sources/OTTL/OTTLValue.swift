internal import OTLP

/// What a value is.
package enum OTTLKind: UInt8, Sendable, CustomStringConvertible {
    case null, bool, int, double, string, bytes, list, map, time, duration, traceID, spanID, profileID, other

    package var description: String {
        switch self {
        case .null: "nil"
        case .bool: "a boolean"
        case .int: "an integer"
        case .double: "a double"
        case .string: "a text"
        case .bytes: "a byte string"
        case .list: "a list"
        case .map: "a map"
        case .time: "a time"
        case .duration: "a duration"
        case .traceID: "a trace id"
        case .spanID: "a span id"
        case .profileID: "a profile id"
        case .other: "a part of the span without a type of its own"
        }
    }
}

/// A value while a condition is evaluated.
///
/// Texts, lists and maps of the span stay where they are: the value only says where. Such a value means nothing without
/// the `OTTLSpanInput` that it was read from. What a function makes is owned.
enum OTTLValue: Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(OTTLText)
    case bytes(OTTLText)
    case list(OTTLList)
    case map(OTTLMap)
    case time(OTTLTime)
    /// Nanoseconds.
    case duration(Int64)
    case traceID(TraceID)
    case spanID(SpanID)
    case profileID(TraceID)
    /// `status`: equal to itself only.
    case status
    /// `events` and `links`, of this many entries: their length can be asked for.
    case entries(UInt32, isLinks: Bool)

    var kind: OTTLKind {
        switch self {
        case .null: .null
        case .bool: .bool
        case .int: .int
        case .double: .double
        case .string: .string
        case .bytes: .bytes
        case .list: .list
        case .map: .map
        case .time: .time
        case .duration: .duration
        case .traceID: .traceID
        case .spanID: .spanID
        case .profileID: .profileID
        case .status, .entries: .other
        }
    }

    /// An owned text.
    static func text(_ bytes: [UInt8]) -> OTTLValue { .string(.owned(bytes)) }

    /// An owned text.
    static func text(_ string: String) -> OTTLValue { .string(.owned(Array(string.utf8))) }
}

/// Which bytes a range refers to.
enum OTTLSource: UInt8, Sendable {
    /// The request body.
    case body
    /// The group headers.
    case headers
    /// The condition's own constants.
    case constants
    /// What the event lies in.
    case event
}

/// Text or bytes.
enum OTTLText: Sendable {
    case range(OTTLSource, ByteRange)
    case owned([UInt8])

    static var empty: OTTLText { .owned([]) }
}

/// A list.
enum OTTLList: Sendable {
    /// The payload of an ArrayValue.
    case encoded(OTTLSource, ByteRange)
    case owned([OTTLValue])
}

/// A map; of equal keys the first one counts.
enum OTTLMap: Sendable {
    case encoded(OTTLEncodedMap)
    case owned([OTTLEntry])
}

/// Where KeyValues lie; see `AttributeCursor`.
struct OTTLEncodedMap: Sendable, BitwiseCopyable {
    var range: ByteRange
    var source: OTTLSource
    var tag: UInt8
    var isNested: Bool

    var cursor: AttributeCursor { AttributeCursor(range, tag: tag, isNested: isNested) }
}

/// One entry of an owned map.
struct OTTLEntry: Sendable {
    var key: OTTLText
    var value: OTTLValue
}

/// An instant, in the range of Go's `time.Time`, UTC.
struct OTTLTime: Sendable, Equatable, Comparable, BitwiseCopyable {
    /// Since 1970.
    var seconds: Int64
    /// 0...999,999,999.
    var nanoseconds: Int32

    init(seconds: Int64, nanoseconds: Int32) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    /// - Parameter nanoseconds: since 1970, of any sign and size that 64 bits of seconds can hold.
    init(nanoseconds total: Int128) {
        var (seconds, rest) = total.quotientAndRemainder(dividingBy: 1_000_000_000)
        if rest < 0 {
            rest += 1_000_000_000
            seconds -= 1
        }
        self.seconds = Int64(truncatingIfNeeded: seconds)
        nanoseconds = Int32(truncatingIfNeeded: rest)
    }

    /// As OTLP has it; beyond 2262 the number wraps around as the Collector's does.
    init(unixNano: UInt64) { self.init(unixNano: Int64(bitPattern: unixNano)) }

    init(unixNano: Int64) { self.init(nanoseconds: Int128(unixNano)) }

    /// Nanoseconds since 1970, exactly.
    var total: Int128 { Int128(seconds) * 1_000_000_000 + Int128(nanoseconds) }

    /// Nanoseconds since 1970, wrapped around to 64 bits.
    var unixNano: Int64 { Int64(truncatingIfNeeded: total) }

    static func < (left: OTTLTime, right: OTTLTime) -> Bool {
        (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }

    /// How long after `earlier`; the nearest duration where 64 bits can't hold it.
    func since(_ earlier: OTTLTime) -> Int64 { Int64(clamping: total - earlier.total) }

    /// The instant `duration` nanoseconds later.
    func adding(_ duration: Int64) -> OTTLTime { OTTLTime(nanoseconds: total + Int128(duration)) }
}
