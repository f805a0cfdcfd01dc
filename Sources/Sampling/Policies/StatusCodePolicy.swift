package import ConfigTree

/// `status_code`: keeps traces in which some span has one of `status_codes` (OK, ERROR, UNSET).
package struct StatusCodePolicy: SamplingPolicy {
    package static let typeName = "status_code"

    package static var schema: PolicySchema {
        PolicySchema(
            "Keeps traces in which a span has one of the status codes.",
            fields: [
                PolicyField("status_codes", .textList, "The codes.", isRequired: true, allowed: codeNames),
                SpanMatch.field,
            ])
    }

    package static let codeNames = ["OK", "ERROR", "UNSET"]
    static let codes: [String: UInt32] = ["UNSET": 0, "OK": 1, "ERROR": 2]

    let spans: MatchedSpans

    package init?(_ block: inout ConfigReader, _ builder: inout PolicyBuilder) {
        let names = block.strings("status_codes")
        if names.isEmpty {
            block.error(
                "expected at least one status code to filter on; supported: OK, ERROR, UNSET", key: "status_codes")
            return nil
        }
        var wanted: [SpanPredicate] = []
        for name in names {
            if let code = Self.codes[name] {
                wanted.append(.statusCode(code))
            } else {
                block.error("unknown status code `\(name)`; supported: OK, ERROR, UNSET", key: "status_codes")
            }
        }
        let match = block.oneOf("match", default: SpanMatch.anySpan)
        if match == .anySpan {
            var bits = PredicateBits()
            for predicate in wanted { builder.add(predicate, to: &bits, &block, key: "status_codes") }
            spans = MatchedSpans(bits: bits, isInverted: false)
        } else {
            spans = builder.match(.any(wanted), match, &block, key: "status_codes")
        }
    }

    /// - Parameter codes: of OTLP (0 UNSET, 1 OK, 2 ERROR). Nil if the set has no room for another predicate.
    package init?(codes: [UInt32], predicates: inout PredicateCompiler) {
        var bits = PredicateBits()
        for code in codes {
            guard let bit = predicates.bit(for: .statusCode(code)) else { return nil }
            bits.insert(bit)
        }
        spans = MatchedSpans(bits: bits, isInverted: false)
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        spans.holds(trace, context) ? .sampled : .notSampled
    }
}
