/// The prepared requests of a run, and the knowledge of which trace comes out how.
///
/// Traffic is a sequence of *instances*: instance n is `tracesPerInstance` fresh traces, sent as `requestsPerTrace`
/// requests made from the templates of family n mod `families`. Everything follows from the settings, so that a
/// checker that knows them can tell what became of any trace id.
///
/// Memory: about `templates` x `spansPerRequest` x (`spanBytes` + 40) bytes; 16 MB as set out by default.
package struct TrafficCatalog: Sendable {
    package let settings: TrafficSettings
    package let identity: TraceIdentity
    /// [family][part]
    let templates: [[TrafficTemplate]]
    /// [family * tracesPerInstance + trace]
    private let outcomes: [TraceOutcome]

    /// - Precondition: `settings.problems` is empty.
    package init(settings: TrafficSettings) {
        precondition(settings.problems.isEmpty)
        self.settings = settings
        identity = TraceIdentity(seed: settings.seed)
        let traces = settings.tracesPerInstance
        let outcomes = Self.outcomes(settings)
        let tuning = Self.tune(settings)
        templates = (0..<settings.families).map { family in
            var builder = TrafficBuilder(settings: settings, family: family, tuning: tuning)
            return builder.build(outcomes: Array(outcomes[family * traces..<(family + 1) * traces]))
        }
        self.outcomes = outcomes
    }

    /// Spans of one instance, over all of its requests.
    package var spansPerInstance: Int { settings.tracesPerInstance * settings.spansPerTrace }

    /// Mean spans in a request.
    package var spansPerRequest: Double { Double(spansPerInstance) / Double(settings.requestsPerTrace) }

    /// Mean bytes of a request message.
    package var bytesPerRequest: Double {
        let all = templates.joined()
        return Double(all.reduce(0) { $0 + $1.bytes.count - TrafficTemplate.prefixLength }) / Double(all.count)
    }

    /// How the trace with this id comes out, or nil if it isn't of this traffic.
    package func outcome(of id: TraceWords) -> TraceOutcome? {
        identity.number(of: id).map(outcome(ofTrace:))
    }

    /// How a trace comes out, by its number: instance x `tracesPerInstance` + trace in the instance.
    package func outcome(ofTrace number: UInt64) -> TraceOutcome {
        outcomes[Int(number % UInt64(outcomes.count))]
    }

    // MARK: making

    /// Exactly the wanted shares over all families, at random places.
    private static func outcomes(_ settings: TrafficSettings) -> [TraceOutcome] {
        let count = settings.families * settings.tracesPerInstance
        let failed = Int((Double(count) * settings.errorPercent / 100).rounded())
        let slow = min(count - failed, Int((Double(count) * settings.slowPercent / 100).rounded()))
        var list = [TraceOutcome](repeating: .ordinary, count: count)
        for index in 0..<failed { list[index] = .failed }
        for index in failed..<(failed + slow) { list[index] = .slow }
        var random = SplitMix64(seed: mix64(settings.seed ^ 0x6f75_7463_6f6d_6573))
        list.shuffle(using: &random)
        return list
    }

    /// Spans on which the tuning is tried, about: the size of traces must not multiply its work.
    private static let tuningSpans = 2048

    /// Finds how many attributes, and how much free text in one of them, give spans of the wanted mean length.
    private static func tune(_ settings: TrafficSettings) -> TrafficBuilder.Tuning {
        var sample = settings
        sample.spansPerTrace = min(settings.spansPerTrace, tuningSpans)
        sample.requestsPerTrace = min(settings.requestsPerTrace, sample.spansPerTrace)
        sample.spansPerRequest = max(tuningSpans / sample.requestsPerTrace, 1)
        sample.templates = sample.requestsPerTrace
        let outcomes = [TraceOutcome](repeating: .ordinary, count: sample.tracesPerInstance)
        func meanSpanBytes(_ tuning: TrafficBuilder.Tuning) -> Double {
            var builder = TrafficBuilder(settings: sample, family: 0, tuning: tuning)
            let made = builder.build(outcomes: outcomes)
            let bytes = made.reduce(0) { $0 + $1.spanBytes }
            return Double(bytes) / Double(made.reduce(0) { $0 + $1.spans })
        }
        let wanted = Double(settings.spanBytes)
        var tuning = TrafficBuilder.Tuning(attributes: 10, textBytes: 0)
        var reached = meanSpanBytes(tuning)
        while reached > wanted, tuning.attributes > 0 {
            tuning.attributes -= 1
            reached = meanSpanBytes(tuning)
        }
        guard tuning.attributes > SpanAttributes.textPosition else { return tuning }
        // Longer text also takes longer lengths, so a second step corrects the first.
        for _ in 0..<3 {
            tuning.textBytes = max(0, tuning.textBytes + wanted - reached)
            reached = meanSpanBytes(tuning)
        }
        return tuning
    }
}
