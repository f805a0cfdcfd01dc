package import ConfigTree

/// `status_code`: keeps traces in which some span has one of `status_codes` (OK, ERROR, UNSET).
package struct StatusCodePolicy: SamplingPolicy {
    package static let typeName = "status_code"

    let wanted: UInt64

    package init?(_ block: inout ConfigReader, predicates: inout PredicateCompiler) {
        let names = block.strings("status_codes")
        if names.isEmpty {
            block.error(
                "expected at least one status code to filter on; supported: OK, ERROR, UNSET", key: "status_codes")
            return nil
        }
        var bits: UInt64 = 0
        for name in names {
            let codes: [String: UInt32] = ["UNSET": 0, "OK": 1, "ERROR": 2]
            guard let code = codes[name] else {
                block.error("unknown status code `\(name)`; supported: OK, ERROR, UNSET", key: "status_codes")
                continue
            }
            guard let bit = predicates.bit(for: .statusCode(code)) else {
                block.error("the policies use more than 64 different conditions", key: "status_codes")
                return nil
            }
            bits |= bit
        }
        wanted = bits
    }

    /// - Parameter codes: of OTLP (0 UNSET, 1 OK, 2 ERROR). Nil if the set has no room for another predicate.
    package init?(codes: [UInt32], predicates: inout PredicateCompiler) {
        var bits: UInt64 = 0
        for code in codes {
            guard let bit = predicates.bit(for: .statusCode(code)) else { return nil }
            bits |= bit
        }
        wanted = bits
    }

    package func decide(_ trace: borrowing TraceSummary, _ context: inout DecisionContext) -> PolicyVerdict {
        trace.predicates & wanted != 0 ? .sampled : .notSampled
    }
}
