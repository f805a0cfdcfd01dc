internal import OTLP

/// A condition on one span that is checked as the span arrives.
package enum SpanPredicate: Hashable, Sendable {
    /// The span's status code is this one (0 UNSET, 1 OK, 2 ERROR).
    case statusCode(UInt32)
}

/// Collects the predicates of all policies of a set and gives each distinct one a bit.
///
/// The same predicate in ten policies gets one bit and is checked once per span.
package struct PredicateCompiler {
    /// More distinct predicates than this do not fit into a trace's summary.
    package static let maximumPredicates = 64

    private var bits: [SpanPredicate: UInt64] = [:]

    package init() {}

    /// The bit that says that the predicate held for some span, or nil when there are more than 64 distinct ones.
    package mutating func bit(for predicate: SpanPredicate) -> UInt64? {
        if let known = bits[predicate] { return known }
        guard bits.count < Self.maximumPredicates else { return nil }
        let bit: UInt64 = 1 << UInt64(bits.count)
        bits[predicate] = bit
        return bit
    }

    /// The finished program.
    func program() -> PredicateProgram {
        var program = PredicateProgram()
        for (predicate, bit) in bits {
            switch predicate {
            case .statusCode(let code): program.statusBits[Int(code & 3)] |= bit
            }
        }
        return program
    }
}

/// The predicates of a policy set in the form in which spans are checked.
struct PredicateProgram: Sendable {
    /// Bits to set, by status code.
    var statusBits: [4 of UInt64] = [0, 0, 0, 0]

    /// Sets the predicate bits of every span of a request.
    ///
    /// - Complexity: O(spans).
    func evaluate(_ index: inout RequestIndex) {
        var records = index.records.mutableSpan
        for position in records.indices {
            records[position].predicates = statusBits[Int(records[position].flags.statusCode)]
        }
    }
}
