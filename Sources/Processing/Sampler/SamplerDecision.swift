internal import OTLP

/// Which coin decided; the Collector's names for its metric.
enum SamplerSource: String, Sendable, CaseIterable {
    case traceIDHash = "trace_id_hash"
    case traceIDW3C = "trace_id_w3c"
    case randomness = "sampling_randomness"
    case priority = "sampling_priority"
    case missing = "missing_randomness"
}

/// What the attribute `sampling.priority` asks for.
enum SamplingPriority: Sendable, Equatable {
    case none
    case drop
    case keep

    /// 0 drops and a positive number keeps, also as text; anything else is as if it were absent.
    init(_ value: AttributeValueRange?, in bytes: Span<UInt8>) {
        let number: Double?
        switch value?.kind {
        case .int: number = value.map { Double($0.integer(in: bytes)) }
        case .double: number = value?.double(in: bytes)
        case .string: number = value.flatMap { GoNumbers.double($0.range.bytes(in: bytes)) }
        default: number = nil
        }
        switch number {
        case .some(let number) where number == 0: self = .drop
        case .some(let number) where number > 0: self = .keep
        default: self = .none
        }
    }
}

/// How the sampler decides about one span.
struct SamplerDecision: Sendable, Equatable {
    let isKept: Bool
    let source: SamplerSource
    /// The span's new tracestate; nil if it stays as it is.
    let traceState: [UInt8]?
}

/// The three ways of sampling, bit for bit those of the Collector.
struct SamplerRule: Sendable {
    enum Mode: Sendable, Equatable {
        /// A hash of the trace id and a seed, 14 bits of it.
        case hashSeed(UInt32, SamplingThreshold)
        /// The span's own randomness against a threshold, unless it came with a higher one.
        case equalizing(SamplingThreshold)
        /// The probability with which it came, times this one.
        case proportional(Double, precision: Int)
        case never
    }

    let mode: Mode
    /// Whether a span whose sampling information is wrong or missing is dropped; otherwise it is kept.
    let failsClosed: Bool

    func decide(_ traceID: TraceID, traceState text: [UInt8], _ priority: SamplingPriority) -> SamplerDecision {
        var state = ConsistentTraceState(text)
        var isFault = state == nil
        var source = SamplerSource.missing
        // Missing randomness passes every threshold but the last.
        var randomness = SamplingThreshold.limit - 1
        let hasTraceID = traceID.high != 0 || traceID.low != 0
        if case .never = mode {
            // Only a priority keeps a span then, so that is what decides; no threshold is checked against the span's randomness.
            source = .priority
        } else if case .hashSeed(let seed, _) = mode {
            if hasTraceID {
                source = .traceIDHash
                randomness = Self.hashedRandomness(traceID, seed)
            }
            if state?.randomness != nil || state?.threshold != nil {
                // Consistent sampling is in use: this mode must not touch it.
                isFault = true
                state = nil
            } else if hasTraceID {
                state?.randomness = randomness
            }
        } else if let own = state?.randomness {
            source = .randomness
            randomness = own
        } else if state != nil, hasTraceID {
            source = .traceIDW3C
            randomness = traceID.low & (SamplingThreshold.limit - 1)
        }
        if source == .missing { isFault = true }
        if !isFault, let arriving = state?.threshold, !arriving.keeps(randomness) {
            isFault = true
            state?.threshold = nil
        }
        var threshold = isFault ? (failsClosed ? SamplingThreshold.never : .always) : decide(state?.threshold)
        switch priority {
        case .none: break
        case .drop:
            threshold = .never
            source = .priority
        case .keep:
            threshold = .always
            source = .priority
        }
        guard threshold.keeps(randomness) else { return SamplerDecision(isKept: false, source: source, traceState: nil) }
        guard var state else { return SamplerDecision(isKept: true, source: source, traceState: nil) }
        // A threshold only ever rises.
        if state.threshold.map({ $0 <= threshold }) ?? true { state.threshold = threshold }
        return SamplerDecision(isKept: true, source: source, traceState: state.text)
    }

    private func decide(_ arriving: SamplingThreshold?) -> SamplingThreshold {
        switch mode {
        case .never: return .never
        case .hashSeed(_, let threshold): return threshold
        case .equalizing(let threshold): return max(threshold, arriving ?? .always)
        case .proportional(let ratio, let precision):
            return SamplingThreshold(probability: (arriving ?? .always).probability * ratio, precision: precision) ?? .never
        }
    }

    /// 56 bits made of an FNV-1a hash (32 bits) over the seed and the trace id; the first 14 decide.
    static func hashedRandomness(_ traceID: TraceID, _ seed: UInt32) -> UInt64 {
        var hash: UInt32 = 0x811c_9dc5
        func add(_ byte: UInt8) { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        for shift in stride(from: UInt32(0), to: 32, by: 8) { add(UInt8(truncatingIfNeeded: seed >> shift)) }
        for word in [traceID.high, traceID.low] {
            for shift in stride(from: 56, through: 0, by: -8) { add(UInt8(truncatingIfNeeded: word >> UInt64(shift))) }
        }
        let bucket = UInt64(hash & 0x3fff)
        let unused = UInt64(hash >> 18)
        let mixed = (unused ^ (unused << 10)) & 0xfff_ffff
        return (0x3fff - bucket) << 42 | mixed << 14 | bucket
    }
}
