package import ConfigTree
package import NativeCore
package import OTLP

/// What processors are built with. One for each pipeline; hand it from processor to processor, in the pipeline's order.
package struct ProcessorBuilder: Sendable {
    /// What the pipeline carries.
    package let signal: OTLPSignal
    /// Where the processor stands: behind `tail_sampling` or `batch` spans have forgotten the request they came in.
    package var isBehindBuffer: Bool
    /// Whether `tail_sampling` follows in the same pipeline.
    package var isBeforeTailSampling: Bool
    /// The environment of the process and facts about its host; nil if only the configuration is checked.
    package let environment: DetectionEnvironment?

    /// The attributes of spans that the walker has to find for the pipeline's processors, by number.
    package private(set) var spanAttributes: [[UInt8]] = []
    /// The counters of the processor that is being built.
    package private(set) var counters: [ProcessorCounter] = []
    /// What the processor that is being built reads of the client's request.
    package private(set) var contextKeys: [String] = []
    /// Facts about the host that the processor that is being built needs.
    package var needs = DetectionNeeds()
    private var expressions: [String: RegularExpression] = [:]
    private var counterBase = 0

    package init(
        signal: OTLPSignal = .traces, isBehindBuffer: Bool = false, isBeforeTailSampling: Bool = false,
        environment: DetectionEnvironment? = nil
    ) {
        self.signal = signal
        self.isBehindBuffer = isBehindBuffer
        self.isBeforeTailSampling = isBeforeTailSampling
        self.environment = environment
    }

    mutating func begin(_ id: String) {
        counterBase += counters.count
        counters = []
        contextKeys = []
        needs = DetectionNeeds()
    }

    /// Asks the walker to find a span attribute; the result names it in `SpanView.hit`.
    package mutating func spanAttribute(_ name: String) -> AttributeName {
        let bytes = Array(name.utf8)
        if let known = spanAttributes.firstIndex(of: bytes) { return AttributeName(bytes: bytes, number: known) }
        spanAttributes.append(bytes)
        return AttributeName(bytes: bytes, number: spanAttributes.count - 1)
    }

    /// A counter of the processor; `StageRun.count` counts with it.
    package mutating func counter(_ name: String, _ labels: [(String, String)]) -> CounterID {
        counters.append(ProcessorCounter(name: name, labels: labels.map { .init(name: $0.0, value: $0.1) }))
        return CounterID(index: counterBase + counters.count - 1)
    }

    /// Notes that the processor reads something of the client's request.
    package mutating func contextKey(_ key: String) {
        if !contextKeys.contains(key) { contextKeys.append(key) }
    }

    /// Compiles a pattern in Go's syntax; one that is none is an error at its place.
    package mutating func expression(_ pattern: PlacedText, _ problems: ConfigProblems) -> RegularExpression? {
        if let known = expressions[pattern.text] { return known }
        do throws(RegularExpressionError) {
            let expression = try RegularExpression(GoPattern.translated(pattern.text))
            expressions[pattern.text] = expression
            return expression
        } catch {
            let place = error.offset.map { ", at character \($0 + 1) of the pattern" } ?? ""
            problems.error(
                "invalid regex `\(clipped(pattern.text))`: \(error.message)\(place); the syntax is RE2's", at: pattern.position,
                keyPath: pattern.keyPath)
            return nil
        }
    }

    /// Compiles the pattern under a key; nil if there is none, or if it is none.
    package mutating func expression(_ block: inout ConfigReader, _ key: String) -> RegularExpression? {
        guard let text = block.stringIfPresent(key), !text.isEmpty else { return nil }
        let position = block.keys.first { $0.key == key }?.value.position ?? block.position
        return expression(PlacedText(text: text, position: position, keyPath: block.path(of: key)), block.problems)
    }
}

/// An attribute of spans that a processor names: its key, and where the walker's findings about it are.
package struct AttributeName: Sendable, Hashable {
    /// The key.
    package let bytes: [UInt8]
    /// Its place in `ProcessorBuilder.spanAttributes`.
    let number: Int
}

/// Something that a processor counts, as a metric's name and labels.
package struct ProcessorCounter: Sendable, Equatable {
    package struct Label: Sendable, Equatable {
        package var name: String
        package var value: String
    }

    /// Without the prefix `otelcol_processor_`.
    package var name: String
    package var labels: [Label]
}

/// Names a counter of a chain: its place among the counters of all processors, in order.
package struct CounterID: Sendable, Hashable {
    package let index: Int
}

/// Go's regular expressions are RE2's with one more way to name a group.
enum GoPattern {
    /// The pattern with `(?<name>` written as `(?P<name>`, which is what RE2 knows.
    static func translated(_ pattern: String) -> String {
        guard pattern.contains("(?<") else { return pattern }
        var output: [UInt8] = []
        let bytes = Array(pattern.utf8)
        var isInClass = false
        var isQuoted = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\\"), index + 1 < bytes.count {
                if bytes[index + 1] == UInt8(ascii: "Q") { isQuoted = true }
                if bytes[index + 1] == UInt8(ascii: "E") { isQuoted = false }
                output += bytes[index...(index + 1)]
                index += 2
                continue
            }
            if !isQuoted && !isInClass && byte == UInt8(ascii: "[") {
                isInClass = true
                output.append(byte)
                index += 1
                // A bracket that comes first is a member of the class.
                if index < bytes.count, bytes[index] == UInt8(ascii: "^") {
                    output.append(bytes[index])
                    index += 1
                }
                if index < bytes.count, bytes[index] == UInt8(ascii: "]") {
                    output.append(bytes[index])
                    index += 1
                }
                continue
            }
            if isInClass && byte == UInt8(ascii: "]") { isInClass = false }
            if !isQuoted && !isInClass && bytes[index...].starts(with: Array("(?<".utf8)) && startsName(bytes, index + 3) {
                output += Array("(?P<".utf8)
                index += 3
                continue
            }
            output.append(byte)
            index += 1
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Whether a group's name begins here; `(?<=` and `(?<!` are none.
    private static func startsName(_ bytes: [UInt8], _ index: Int) -> Bool {
        guard index < bytes.count else { return false }
        return bytes[index] != UInt8(ascii: "=") && bytes[index] != UInt8(ascii: "!")
    }
}
