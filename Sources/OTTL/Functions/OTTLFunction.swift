/// A converter: its name, its parameters, and where it may stand.
struct OTTLFunction: Sendable {
    /// How an argument is given.
    enum Kind: Sendable {
        /// Any value.
        case value
        /// Must be written as a text in double quotes: it is looked at when the condition is compiled.
        case literalText
        /// Must be `true` or `false`.
        case literalBool
    }

    struct Parameter: Sendable {
        let name: String
        let kind: Kind
        let isOptional: Bool

        /// Whether an argument's name means this parameter: `utf8_safe` and `utf8Safe` do alike.
        func isNamed(_ name: String) -> Bool { Self.folded(name) == Self.folded(self.name) }

        private static func folded(_ name: String) -> [UInt8] {
            name.utf8.filter { $0 != UInt8(ascii: "_") }.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
        }
    }

    let name: String
    let id: OTTLFunctionID
    let parameters: [Parameter]
    /// Whether the result depends on the arguments alone.
    let isPure: Bool
    /// Whether it may stand in span conditions only.
    let isForSpansOnly: Bool

    /// - Parameter parameters: names, with `?` behind those that may be absent, `"` behind those that must be texts, and
    ///   `!` behind those that must be booleans.
    private init(
        _ name: String, _ id: OTTLFunctionID, _ parameters: String..., isPure: Bool = true, isForSpansOnly: Bool = false
    ) {
        self.name = name
        self.id = id
        self.parameters = parameters.map { text in
            Parameter(
                name: String(text.prefix { !"?\"!".contains($0) }),
                kind: text.contains("\"") ? .literalText : text.contains("!") ? .literalBool : .value,
                isOptional: text.contains("?"))
        }
        self.isPure = isPure
        self.isForSpansOnly = isForSpansOnly
    }

    /// The function of this name.
    static func named(_ name: String) -> OTTLFunction? { table[name] }

    /// The names of all functions, for hints and documents.
    static var allNames: [String] { all.map { $0.name } }

    private static let table = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

    static let all: [OTTLFunction] = [
        // Spans and patterns
        OTTLFunction("IsMatch", .isMatch, "target", "pattern"),
        OTTLFunction("IsRootSpan", .isRootSpan, isPure: false, isForSpansOnly: true),
        OTTLFunction("TraceID", .traceID, "bytes"),
        OTTLFunction("SpanID", .spanID, "bytes"),
        OTTLFunction("ProfileID", .profileID, "bytes"),
        // Types
        OTTLFunction("IsString", .isString, "target"),
        OTTLFunction("IsInt", .isInt, "target"),
        OTTLFunction("IsDouble", .isDouble, "target"),
        OTTLFunction("IsBool", .isBool, "target"),
        OTTLFunction("IsMap", .isMap, "target"),
        OTTLFunction("IsList", .isList, "target"),
        OTTLFunction("IsEmpty", .isEmpty, "target"),
        OTTLFunction("Int", .int, "target"),
        OTTLFunction("Double", .double, "target"),
        OTTLFunction("Bool", .bool, "target"),
        OTTLFunction("String", .string, "target"),
        // Texts
        OTTLFunction("HasPrefix", .hasPrefix, "target", "prefix"),
        OTTLFunction("HasSuffix", .hasSuffix, "target", "suffix"),
        OTTLFunction("Concat", .concat, "vals", "delimiter"),
        OTTLFunction("ConvertCase", .convertCase, "target", "to_case\""),
        OTTLFunction("ToLowerCase", .toLowerCase, "target"),
        OTTLFunction("ToUpperCase", .toUpperCase, "target"),
        OTTLFunction("ToSnakeCase", .toSnakeCase, "target"),
        OTTLFunction("ToCamelCase", .toCamelCase, "target"),
        OTTLFunction("Substring", .substring, "target", "start", "length", "utf8_safe?!"),
        OTTLFunction("Split", .split, "target", "delimiter"),
        OTTLFunction("Trim", .trim, "target", "replacement?\""),
        OTTLFunction("TrimPrefix", .trimPrefix, "target", "prefix"),
        OTTLFunction("TrimSuffix", .trimSuffix, "target", "suffix"),
        OTTLFunction("Format", .format, "format", "vals"),
        // Lists and maps
        OTTLFunction("Len", .len, "target"),
        OTTLFunction("Index", .index, "source", "value"),
        OTTLFunction("ContainsValue", .containsValue, "target", "item"),
        OTTLFunction("Coalesce", .coalesce, "values"),
        OTTLFunction("Keys", .keys, "target"),
        OTTLFunction("Values", .values, "target"),
        OTTLFunction("Sort", .sort, "target", "order?\""),
        OTTLFunction("Append", .append, "target", "value?", "values?"),
        OTTLFunction("SliceToMap", .sliceToMap, "target", "key_path?", "value_path?"),
        OTTLFunction("ToKeyValueString", .toKeyValueString, "target", "delimiter?\"", "pair_delimiter?\"", "sort_output?!"),
        // Times
        OTTLFunction("Now", .now, isPure: false),
        OTTLFunction("Duration", .duration, "duration"),
        OTTLFunction("Time", .time, "time", "format\"", "location?\"", "locale?\""),
        OTTLFunction("FormatTime", .formatTime, "time", "format\""),
        OTTLFunction("TruncateTime", .truncateTime, "time", "duration"),
        OTTLFunction("Unix", .unix, "seconds", "nanoseconds?"),
        OTTLFunction("UnixNano", .unixNano, "time"),
        OTTLFunction("UnixMicro", .unixMicro, "time"),
        OTTLFunction("UnixMilli", .unixMilli, "time"),
        OTTLFunction("UnixSeconds", .unixSeconds, "time"),
        OTTLFunction("Hours", .hours, "duration"),
        OTTLFunction("Minutes", .minutes, "duration"),
        OTTLFunction("Seconds", .seconds, "duration"),
        OTTLFunction("Milliseconds", .milliseconds, "duration"),
        OTTLFunction("Microseconds", .microseconds, "duration"),
        OTTLFunction("Nanoseconds", .nanoseconds, "duration"),
        OTTLFunction("Year", .year, "time"),
        OTTLFunction("Month", .month, "time"),
        OTTLFunction("Day", .day, "time"),
        OTTLFunction("Weekday", .weekday, "time"),
        OTTLFunction("Hour", .hour, "time"),
        OTTLFunction("Minute", .minute, "time"),
        OTTLFunction("Second", .second, "time"),
        OTTLFunction("Nanosecond", .nanosecond, "time"),
        // Hashes and codings
        OTTLFunction("Hex", .hex, "target"),
        OTTLFunction("FNV", .fnv, "target"),
        OTTLFunction("MD5", .md5, "target"),
        OTTLFunction("SHA1", .sha1, "target"),
        OTTLFunction("SHA256", .sha256, "target"),
        OTTLFunction("SHA512", .sha512, "target"),
        OTTLFunction("Murmur3Hash", .murmur3Hash, "target"),
        OTTLFunction("Murmur3Hash128", .murmur3Hash128, "target"),
        OTTLFunction("Base64Encode", .base64Encode, "target", "variant?\""),
        OTTLFunction("Base64Decode", .base64Decode, "target"),
        OTTLFunction("Decode", .decode, "target", "encoding\""),
        // Parsing
        OTTLFunction("ParseJSON", .parseJSON, "target"),
        OTTLFunction("ExtractPatterns", .extractPatterns, "target", "pattern\""),
        OTTLFunction("ParseInt", .parseInt, "target", "base"),
        OTTLFunction("ParseKeyValue", .parseKeyValue, "target", "delimiter?\"", "pair_delimiter?\""),
        OTTLFunction("ParseCSV", .parseCSV, "target", "header", "delimiter?\"", "header_delimiter?\"", "mode?\""),
        OTTLFunction("URL", .url, "uri"),
        // Others
        OTTLFunction("Log", .log, "target"),
        OTTLFunction("IsInCIDR", .isInCIDR, "target", "networks"),
        OTTLFunction("IsValidLuhn", .isValidLuhn, "target"),
    ]

    /// Converters that the Collector has and this gateway has not, to be told apart from misspelt ones.
    static let collectorOnlyNames: [String] = [
        "CommunityID", "ConvertAttributesToElementsXML", "ConvertTextToElementsXML", "ExtractGrokPatterns",
        "GetXML", "InsertXML", "ParseSeverity", "ParseSimplifiedXML", "ParseXML", "RemoveXML", "UserAgent",
        "UUID", "UUIDv7", "XXH3", "XXH128",
    ]
}

/// The functions by number, as `OTTLNode.detail` has it.
enum OTTLFunctionID: UInt8, Sendable {
    case isMatch, isRootSpan, traceID, spanID, profileID, isString, isInt, isDouble, isBool, isMap, isList
    case isEmpty, int, double, bool, string, hasPrefix, hasSuffix, concat, convertCase, toLowerCase
    case toUpperCase, toSnakeCase, toCamelCase, substring, split, trim, trimPrefix, trimSuffix, format, len
    case index, containsValue, coalesce, keys, values, sort, append, sliceToMap, toKeyValueString, now
    case duration, time, formatTime, truncateTime, unix, unixNano, unixMicro, unixMilli, unixSeconds, hours
    case minutes, seconds, milliseconds, microseconds, nanoseconds, year, month, day, weekday, hour, minute
    case second, nanosecond, hex, fnv, md5, sha1, sha256, sha512, murmur3Hash, murmur3Hash128, base64Encode
    case base64Decode, decode, parseJSON, parseInt, parseKeyValue, parseCSV, url, log, isInCIDR, isValidLuhn
    case extractPatterns
}
