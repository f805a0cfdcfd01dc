/// Builds the requests of one family: the traces of an instance, spread over `requestsPerTrace` requests.
///
/// Each request is what one agent sends: its node's pods as resources, two instrumentation libraries in each, and under
/// them the spans of many traces mixed.
struct TrafficBuilder {
    private let settings: TrafficSettings
    private let family: Int
    /// How many attributes a span keeps, and the mean length of its free text: what tunes the span's size.
    private let tuning: Tuning
    private var random: SplitMix64

    struct Tuning {
        var attributes: Int
        var textBytes: Double
    }

    private struct PreparedSpan {
        var message: [UInt8]
        var patch: SpanPatch
    }

    init(settings: TrafficSettings, family: Int, tuning: Tuning) {
        self.settings = settings
        self.family = family
        self.tuning = tuning
        random = SplitMix64(seed: mix64(settings.seed &+ UInt64(family) &* 0x1000_0001))
    }

    /// The requests of the family, one for each part of its traces. `outcomes` has one entry a trace.
    mutating func build(outcomes: [TraceOutcome]) -> [TrafficTemplate] {
        let parts = settings.requestsPerTrace
        // [part][service][scope]
        var groups = [[[[PreparedSpan]]]](
            repeating: [[[PreparedSpan]]](
                repeating: [[PreparedSpan]](repeating: [], count: 2), count: Shop.Service.allCases.count),
            count: parts)
        for (trace, outcome) in outcomes.enumerated() {
            addTrace(UInt32(trace), outcome, to: &groups)
        }
        return groups.enumerated().map { part, services in request(part: part, services: services) }
    }

    // MARK: traces

    private mutating func addTrace(
        _ trace: UInt32, _ outcome: TraceOutcome, to groups: inout [[[[PreparedSpan]]]]
    ) {
        let journey = Shop.journeys[random.below(Shop.journeys.count)]
        let count = settings.spansPerTrace
        let steps = (0..<count).map { Shop.step($0, of: journey) }
        var failed = [Bool](repeating: false, count: count)
        let culprit = outcome == .failed ? random.below(count) : -1
        if culprit >= 0 {
            failed[culprit] = true
            // An error usually climbs to the root; sometimes a caller copes with it.
            var climber = culprit
            while climber > 0, random.fraction() < 0.8 {
                climber = steps[climber].parent
                failed[climber] = true
            }
        }
        let times = schedule(steps, outcome)
        for (index, step) in steps.enumerated() {
            let attributes = attributes(of: step, failed: failed[index])
            let (message, timesOffset) = span(
                step, attributes: attributes, failed: failed[index], thrown: index == culprit)
            let patch = SpanPatch(
                span: 0, times: UInt32(timesOffset), trace: trace, index: UInt32(index),
                parent: step.parent < 0 ? SpanPatch.noParent : UInt32(step.parent), start: times[index].start,
                duration: times[index].duration)
            let part = index * settings.requestsPerTrace / count
            groups[part][step.service.rawValue][step.operation.scope].append(
                PreparedSpan(message: message, patch: patch))
        }
    }

    /// Start (before the instance's time) and duration of every span; children lie within their parents.
    private mutating func schedule(
        _ steps: [Shop.Step], _ outcome: TraceOutcome
    ) -> [(start: Int64, duration: Int64)] {
        let share = random.fraction()
        let whole: Int64 =
            outcome == .slow
            ? Int64(1.05e9 + 2e9 * share * share)
            : Int64(4e6 + 396e6 * share * share * share)
        let ended = Int64(20e6 * random.fraction())
        var times: [(start: Int64, duration: Int64)] = []
        times.reserveCapacity(steps.count)
        for step in steps {
            guard step.parent >= 0 else {
                times.append((-ended - whole, whole))
                continue
            }
            let parent = times[step.parent]
            let duration = Int64(Double(parent.duration) * (0.1 + 0.7 * random.fraction()))
            let slack = Double(parent.duration - duration)
            times.append((parent.start + Int64(slack * random.fraction()), duration))
        }
        return times
    }

    private mutating func attributes(of step: Shop.Step, failed: Bool) -> [Attribute] {
        let text = Int(random.fraction() * 2 * tuning.textBytes)
        let all = SpanAttributes.make(
            for: step, circumstances: .init(failed: failed, textBytes: text), random: &random)
        // The eleventh is error.type, which a failed span keeps.
        return Array(all.prefix(tuning.attributes)) + all.dropFirst(10)
    }

    // MARK: messages

    /// The Span message with room for ids and times, and the offset of its times.
    private func span(
        _ step: Shop.Step, attributes: [Attribute], failed: Bool, thrown: Bool
    ) -> (message: [UInt8], timesOffset: Int) {
        var writer = MessageWriter()
        writer.data(1, [UInt8](repeating: 0, count: 16))
        writer.data(2, [UInt8](repeating: 0, count: 8))
        if step.parent >= 0 { writer.data(4, [UInt8](repeating: 0, count: 8)) }
        writer.text(5, step.operation.spanName)
        writer.integer(6, step.operation.kind)
        let timesOffset = writer.count
        writer.fixed64(7, 0)
        writer.fixed64(8, 0)
        for attribute in attributes { writer.attribute(9, attribute) }
        if thrown {
            writer.message(11) { event in
                event.text(2, "exception")
                event.attribute(3, Attribute("exception.type", "shop.\(step.service.name).OutOfService"))
                event.attribute(3, Attribute("exception.message", "the upstream answered too late"))
            }
        }
        if failed {
            writer.message(15) { status in
                status.text(2, "the upstream answered too late")
                status.integer(3, 2)
            }
        }
        // Sampled, random trace id; and for a child: its parent is remote.
        writer.fixed32(16, step.parent < 0 ? 0x103 : 0x303)
        return (writer.bytes, timesOffset)
    }

    private mutating func request(part: Int, services: [[[PreparedSpan]]]) -> TrafficTemplate {
        var message = MessageWriter()
        var patches: [SpanPatch] = []
        for service in Shop.Service.allCases {
            let scopes = services[service.rawValue]
            guard scopes.contains(where: { !$0.isEmpty }) else { continue }
            let first = patches.count
            var body = MessageWriter()
            let resource = resource(of: service, part: part)
            body.message(1) { writer in
                for attribute in resource { writer.attribute(1, attribute) }
            }
            for (scope, spans) in scopes.enumerated() where !spans.isEmpty {
                let start = patches.count
                let content = scopeSpans(service, scope, spans, &patches)
                body.data(2, content)
                Self.move(&patches, from: start, by: body.count - content.count)
            }
            body.text(3, "https://opentelemetry.io/schemas/1.44.0")
            message.data(1, body.bytes)
            Self.move(&patches, from: first, by: message.count - body.count)
        }
        let spanBytes = services.joined().joined().reduce(0) { $0 + $1.message.count }
        return TrafficTemplate(message: message.bytes, patches: patches, spanBytes: spanBytes)
    }

    /// The content of a ScopeSpans message. Appends the patches, with offsets within that content.
    private func scopeSpans(
        _ service: Shop.Service, _ scope: Int, _ spans: [PreparedSpan], _ patches: inout [SpanPatch]
    ) -> [UInt8] {
        var writer = MessageWriter()
        writer.message(1) { inner in
            inner.text(1, "\(service.language).instrumentation.\(scope == 0 ? "server" : "database")")
            inner.text(2, "2.\(7 + service.rawValue).0")
        }
        for span in spans {
            writer.data(2, span.message)
            var patch = span.patch
            patch.span = UInt32(writer.count - span.message.count)
            patch.times += patch.span
            patches.append(patch)
        }
        return writer.bytes
    }

    private static func move(_ patches: inout [SpanPatch], from first: Int, by distance: Int) {
        for index in first..<patches.count {
            patches[index].span += UInt32(distance)
            patches[index].times += UInt32(distance)
        }
    }

    private mutating func resource(of service: Shop.Service, part: Int) -> [Attribute] {
        let pod = SpanAttributes.hexadecimal(random.next())
        return [
            Attribute("service.name", service.name),
            Attribute("service.namespace", "shop"),
            Attribute("service.version", "3.\(service.rawValue).\(random.below(4))"),
            Attribute("service.instance.id", pod),
            Attribute("deployment.environment.name", "production"),
            Attribute("telemetry.sdk.name", "opentelemetry"),
            Attribute("telemetry.sdk.language", service.language),
            Attribute("telemetry.sdk.version", "1.\(30 + service.rawValue).0"),
            Attribute("k8s.cluster.name", "eu-1"),
            Attribute("k8s.namespace.name", "shop"),
            Attribute("k8s.node.name", "node-\(family)-\(part)"),
            Attribute("k8s.deployment.name", service.name),
            Attribute("k8s.pod.name", "\(service.name)-\(pod.prefix(10))-\(pod.suffix(5))"),
        ]
    }
}
