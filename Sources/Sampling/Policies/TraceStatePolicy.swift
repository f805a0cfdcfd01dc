package import ConfigTree
internal import OTLP

/// `trace_state`: keeps traces in which a span's W3C tracestate holds a key with one of the values.
package struct TraceStatePolicy: SamplingPolicy {
    package static let typeName = "trace_state"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces in which a span's tracestate holds the key with one of the values.", fields: fields,
            notes: "A tracestate that breaks the W3C rules holds nothing. Empty values, and values that with the key are longer than 255 bytes, are ignored.")
    }

    static var fields: [PolicyField] {
        [
            PolicyField("key", .text, default: "\"\"", "The key in the tracestate.", isRequired: true),
            PolicyField("values", .textList, default: "[]", "The values, each whole."),
        ]
    }

    let bits: PredicateBits

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        guard let test = Self.test(&block) else {
            bits = PredicateBits()
            return
        }
        bits = builder.bits(.traceState(test), &block, key: nil)
    }

    /// What the block asks for; nil with a warning if nothing can match.
    static func test(_ block: inout ConfigReader) -> TraceStateTest? {
        let key = block.string("key", default: "")
        let values = block.strings("values")
        let usable = values.filter { !$0.isEmpty && key.utf8.count + $0.utf8.count < 256 }
        guard !usable.isEmpty, TraceStateSyntax.isKey(Array(key.utf8).span, 0..<key.utf8.count) else {
            block.warning("no tracestate can hold this key with one of these values, so nothing matches")
            return nil
        }
        return TraceStateTest(key: key, values: Set(usable))
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        bits.intersects(trace, context) ? .sampled : .notSampled
    }
}
