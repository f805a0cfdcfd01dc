internal import OTLP

/// Writes the traces of tests as OTLP requests: what an application would have sent.
struct TestTraceBuilder {
    /// 2026-01-01T00:00:00Z, when every test begins.
    static let epoch: UInt64 = 1_767_225_600_000_000_000

    /// A request, and when it reaches the gateway, nanoseconds after the start of the test.
    struct Arrival {
        var time: Int64
        var body: [UInt8]
    }

    /// The trace number `number` of a group: one request for each moment at which spans of it arrive.
    static func arrivals(of group: TraceGroup, number: Int, traceID: TraceID) -> [Arrival] {
        let begin = group.start + group.every * Int64(number)
        var moments: [Int64] = []
        for span in group.spans where !moments.contains(span.arrives) { moments.append(span.arrives) }
        return moments.sorted().map { moment in
            Arrival(time: begin + moment, body: request(group, at: moment, begin: begin, traceID: traceID))
        }
    }

    /// A trace id that nobody chose: the same in every run, and as evenly spread as random ones.
    static func traceID(test: String, group: Int, number: Int) -> TraceID {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in test.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var state = hash &+ UInt64(truncatingIfNeeded: group) &* 0xd1b5_4a32_d192_ed03
        state = state &+ UInt64(truncatingIfNeeded: number) &* 0x9e37_79b9_7f4a_7c15
        let high = mixed(state)
        return TraceID(high: high == 0 ? 1 : high, low: mixed(state ^ 0x5851_f42d_4c95_7f2d))
    }

    /// SplitMix64's finalizer (Steele, Lea and Flood, OOPSLA 2014).
    private static func mixed(_ word: UInt64) -> UInt64 {
        var word = word
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }

    private static func request(_ group: TraceGroup, at moment: Int64, begin: Int64, traceID: TraceID) -> [UInt8] {
        // One ResourceSpans for each run of spans under the same resource and scope, as exporters send them.
        var body: [UInt8] = []
        var position = 0
        let spans = group.spans.enumerated().filter { $0.element.arrives == moment }
        while position < spans.count {
            let first = spans[position].element
            var scopeSpans: [UInt8] = []
            if !first.scope.isEmpty { scopeSpans.appendField(1, bytes: textField(1, first.scope)) }
            while position < spans.count, first.sharesResource(with: spans[position].element) {
                let (index, spec) = spans[position]
                for copy in 0..<spec.repeats {
                    scopeSpans.appendField(2, bytes: span(spec, index, copy, begin: begin, traceID: traceID))
                }
                position += 1
            }
            var resourceSpans: [UInt8] = []
            resourceSpans.appendField(1, bytes: resource(of: first))
            resourceSpans.appendField(2, bytes: scopeSpans)
            body.appendField(1, bytes: resourceSpans)
        }
        return body
    }

    private static func resource(of spec: SpanSpec) -> [UInt8] {
        var bytes: [UInt8] = []
        if !spec.resource.contains(where: { $0.key == "service.name" }) {
            bytes.appendField(1, bytes: keyValue("service.name", .text(spec.service)))
        }
        for (key, value) in spec.resource { bytes.appendField(1, bytes: keyValue(key, value)) }
        return bytes
    }

    static func spanID(_ index: Int, _ copy: Int) -> UInt64 {
        mixed(UInt64(truncatingIfNeeded: index &+ 1) &* 0x9e37_79b9 &+ UInt64(truncatingIfNeeded: copy) << 32) | 1
    }

    private static func span(_ spec: SpanSpec, _ index: Int, _ copy: Int, begin: Int64, traceID: TraceID) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendField(1, bytes: traceID.bytes)
        bytes.appendField(2, bytes: big(spanID(index, copy)))
        if !spec.traceState.isEmpty { bytes += textField(3, spec.traceState) }
        switch spec.parent {
        case .root: break
        case .span(let parent): bytes.appendField(4, bytes: big(spanID(parent, 0)))
        case .outside(let id): bytes.appendField(4, bytes: big(id))
        }
        bytes += textField(5, spec.name)
        bytes.appendField(6, varint: spec.kind)
        let start = epoch &+ UInt64(bitPattern: begin &+ spec.start)
        bytes.append(7 << 3 | 1)
        bytes += little(start)
        bytes.append(8 << 3 | 1)
        bytes += little(start &+ UInt64(bitPattern: spec.duration))
        for (key, value) in spec.attributes { bytes.appendField(9, bytes: keyValue(key, value)) }
        for event in spec.events {
            var inner: [UInt8] = [1 << 3 | 1]
            inner += little(epoch &+ UInt64(bitPattern: begin &+ event.time))
            inner += textField(2, event.name)
            for (key, value) in event.attributes { inner.appendField(3, bytes: keyValue(key, value)) }
            bytes.appendField(11, bytes: inner)
        }
        if spec.statusCode != 0 || !spec.statusMessage.isEmpty {
            var status: [UInt8] = []
            if !spec.statusMessage.isEmpty { status += textField(2, spec.statusMessage) }
            status.appendField(3, varint: spec.statusCode)
            bytes.appendField(15, bytes: status)
        }
        if spec.flags != 0 {
            bytes.appendVarint(16 << 3 | 5)
            bytes += little(UInt64(spec.flags)).prefix(4)
        }
        return bytes
    }

    private static func keyValue(_ key: String, _ value: AttributeSpec) -> [UInt8] {
        var bytes = textField(1, key)
        bytes.appendField(2, bytes: anyValue(value))
        return bytes
    }

    private static func anyValue(_ value: AttributeSpec) -> [UInt8] {
        var bytes: [UInt8] = []
        switch value {
        case .empty: break
        case .text(let text): bytes += textField(1, text)
        case .bool(let value): bytes += [2 << 3, value ? 1 : 0]
        case .int(let value):
            bytes.append(3 << 3)
            bytes.appendVarint(UInt64(bitPattern: value))
        case .double(let value):
            bytes.append(4 << 3 | 1)
            bytes += little(value.bitPattern)
        case .list(let items):
            var inner: [UInt8] = []
            for item in items { inner.appendField(1, bytes: anyValue(item)) }
            bytes.appendField(5, bytes: inner)
        case .map(let pairs):
            var inner: [UInt8] = []
            for pair in pairs { inner.appendField(1, bytes: keyValue(pair.key, pair.value)) }
            bytes.appendField(6, bytes: inner)
        }
        return bytes
    }

    private static func textField(_ number: UInt64, _ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.appendField(number, bytes: Array(text.utf8))
        return bytes
    }

    private static func little(_ word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
    }

    private static func big(_ word: UInt64) -> [UInt8] { little(word).reversed() }
}

extension SpanSpec {
    fileprivate func sharesResource(with other: SpanSpec) -> Bool {
        service == other.service && scope == other.scope && resource.count == other.resource.count
            && zip(resource, other.resource).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    }
}
