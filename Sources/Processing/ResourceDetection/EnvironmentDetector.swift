internal import ConfigTree
internal import NativeCore
internal import OTLP

/// `env`: the pairs in OTEL_RESOURCE_ATTRIBUTES, or in OTEL_RESOURCE if that is empty.
struct EnvironmentDetector: ResourceDetector {
    static let name = "env"
    static let fields: [ProcessorField] = []

    init(_ block: inout ConfigReader) {}

    func need(_ needs: inout DetectionNeeds) {}

    func detect(_ environment: DetectionEnvironment) throws(DetectionError) -> DetectedResource {
        for name in ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_RESOURCE"] {
            let text = Self.trimmed(environment.variables[name] ?? "")
            if !text.isEmpty { return try Self.parse(text, of: name) }
        }
        return DetectedResource()
    }

    /// `key=value,key=value`: keys of 1 to 256 and values of at most 256 ASCII characters, blanks around both left out, values
    /// decoded as in a URL's query. The whole is one regular expression, as in the Collector, so that odd texts mean the same.
    static func parse(_ text: [UInt8], of variable: String) throws(DetectionError) -> DetectedResource {
        let shown = "\(variable)=`\(clipped(String(decoding: text, as: UTF8.self)))`"
        guard let pair = try? RegularExpression(#"\s*([[:ascii:]]{1,256}?)\s*=\s*([[:ascii:]]{0,256}?)\s*(?:,|$)"#) else {
            throw DetectionError(message: "no memory for the pattern of \(variable)")
        }
        var found = DetectedResource()
        var end = 0
        while end < text.count {
            guard let match = pair.find(text.span, from: end), let whole = match[0], whole.lowerBound == end,
                let key = match[1], let value = match[2]
            else {
                throw DetectionError(
                    message: "\(shown) is not a list of `key=value` with ASCII keys and values of at most 256 characters")
            }
            guard let decoded = queryUnescaped(text[value]) else {
                throw DetectionError(message: "\(shown): a `%` without two hex digits behind it")
            }
            found.set(String(decoding: text[key], as: UTF8.self), AnyValueBytes.text(decoded))
            end = whole.upperBound
        }
        return found
    }

    /// `%20` and `+` are blanks.
    private static func queryUnescaped(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            if text[index] == UInt8(ascii: "%") {
                guard index + 2 < text.endIndex, let value = hexNumber(text[(index + 1)...(index + 2)]) else { return nil }
                output.append(UInt8(value))
                index += 3
            } else {
                output.append(text[index] == UInt8(ascii: "+") ? 0x20 : text[index])
                index += 1
            }
        }
        return output
    }

    private static func trimmed(_ text: String) -> [UInt8] {
        var bytes = Array(text.utf8)[...]
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte &- 9 < 5 }
        while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return Array(bytes)
    }
}
