import ConfigTree
import OTLP
import TestSupport
import Testing

@testable import Sampling

/// What requests cost is known before, and is enough: random requests through shards of all kinds.
@Suite struct RequestCostTests {
    /// A shape of requests: how many spans and groups, how large.
    struct Shape {
        var resources: Int
        var scopes: Int
        var spansPerScope: Int
        var resourceBytes: Int
        var scopeBytes: Int
        var spanBytes: Int
        var traces: Int

        init(_ random: inout SeededGenerator) {
            resources = 1 + random.below([1, 4, 40][random.below(3)])
            scopes = 1 + random.below([1, 3, 60][random.below(3)])
            spansPerScope = 1 + random.below([1, 8, 200][random.below(3)])
            while resources * scopes * spansPerScope > 600 {
                scopes = max(1, scopes / 2)
                spansPerScope = max(1, spansPerScope / 2)
                resources = max(1, resources / 2)
            }
            resourceBytes = [0, 300, 40_000, 400_000][random.below(4)]
            scopeBytes = [0, 40, 40, 90_000][random.below(4)]
            spanBytes = [0, 0, 400, 5_000, 1_000_000][random.below(5)]
            while resources * resourceBytes > 1 << 20 { resourceBytes /= 2 }
            while resources * scopes * scopeBytes > 1 << 20 { scopeBytes /= 2 }
            while resources * scopes * spansPerScope * spanBytes > 4 << 20 { spanBytes /= 2 }
            traces = 1 + random.below(random.chance(50) ? 5 : 3000)
        }
    }

    static func header(_ field: Int, _ number: Int, _ bytes: Int) -> [UInt8] {
        let text = Array("name-\(number)-".utf8) + [UInt8](repeating: 120, count: bytes)
        return Encode.bytes(1, Encode.bytes(1, Encode.text(1, "service.name") + Encode.bytes(2, Encode.bytes(1, text))))
    }

    static func body(_ shape: Shape, _ random: inout SeededGenerator) -> [UInt8] {
        var body: [UInt8] = []
        let first = random.next() >> 20
        var id: UInt64 = 0
        for resource in 0..<shape.resources {
            var message = header(1, resource + random.below(3), shape.resourceBytes)
            for scope in 0..<shape.scopes {
                var spans = header(1, scope, shape.scopeBytes)
                for _ in 0..<shape.spansPerScope {
                    id += 1
                    var span = TestSpan(trace: TraceID(high: 1, low: first + UInt64(random.below(shape.traces))), id: id)
                    span.isRoot = random.chance(20)
                    span.status = random.chance(20) ? 2 : 0
                    if random.chance(30) { (span.start, span.end) = (0, 0) }
                    span.attributes = random.chance(50) ? ["k\(random.below(90))": "1"] : [:]
                    // Not the span's own filler: that is made byte by byte.
                    let filler = [UInt8](repeating: 97, count: shape.spanBytes > 0 ? random.below(shape.spanBytes) : 0)
                    spans += Encode.bytes(2, span.bytes + Encode.bytes(5, filler))
                }
                message += Encode.bytes(2, spans)
            }
            body += Encode.bytes(1, message)
        }
        return body
    }

    /// Policies with so many predicates.
    static func policies(_ count: Int) -> PolicySet? {
        var nodes: [ConfigNode] = []
        if count == 0 { nodes.append(.map(["name": "all", "type": "always_sample"])) }
        for number in 0..<count {
            let name = ConfigNode(stringLiteral: "p\(number)")
            let key = ConfigNode(stringLiteral: "k\(number)")
            nodes.append(.map(["name": name, "type": "string_attribute", "string_attribute": .map(["key": key, "values": ["1"]])]))
        }
        return build(nodes).set
    }

    final class OneShard {
        var shard: Shard
        init(_ shard: consuming Shard) { self.shard = shard }
    }

    /// Any number of requests in a row make the shards grow by no more than they cost together.
    @Test(arguments: 0..<40 as Range<UInt64>)
    func growthIsAtMostTheCost(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let policies = try #require(Self.policies([0, 1, 70, 200][random.below(4)]))
        var settings = ShardSettings()
        settings.decisionWait = second
        settings.tuning.decisionWaitAfterRootReceived = random.chance(30) ? 100 * millisecond : 0
        settings.tuning.maximumTraceBytes = random.chance(20) ? 20_000 : 0
        settings.isSpanIngest = random.chance(25)
        settings.decisionRecords = random.chance(50) ? 500 : 0
        settings.maximumBytes = 256 << 20
        settings.sampledCacheSize = 100
        settings.notSampledCacheSize = 100
        let shadow = random.chance(30) ? Self.policies(3) : nil
        let version =
            if let shadow { PolicyVersion(number: 1, policies: shadow, shadow: shadow) } else { PolicyVersion(number: 1, policies: policies) }
        let count = [1, 1, 2, 5][random.below(4)]
        let shards = (0..<count).map { _ in OneShard(Shard(settings: settings, version: version, keys: testKeys, now: 0)) }
        var now: Int64 = 0
        var reserved = shards.reduce(0) { $0 + $1.shard.heldBytes + $1.shard.standingBytes }
        for step in 0..<12 {
            let shape = Shape(&random)
            let bytes = Self.body(shape, &random)
            var walked = RequestIndex()
            try RequestWalker(keys: testKeys, interest: version.interest).walk(bytes.span, into: &walked)
            Shard.leaveOutOversized(&walked)
            let cost = shards[0].shard.cost(of: walked, shards: count)
            let other = version.evaluatePredicates(&walked, body: bytes.span)
            var spans = 0
            for (number, one) in shards.enumerated() {
                let result = one.shard.ingest(
                    body: bytes.span, index: walked, shard: UInt64(number), of: UInt64(count), now: now, shadow: other)
                #expect(result.spansWithoutRoom == 0 && result.oversizedSpans == 0)
                spans += result.bufferedSpans + result.lateAges.count
            }
            #expect(spans == walked.records.count)
            reserved += cost.bytes
            let held = shards.reduce(0) { $0 + $1.shard.heldBytes }
            #expect(held <= reserved, "step \(step): \(held) held, \(reserved) reserved after \(shape), \(cost)")
            if random.chance(15) {
                now += 2 * second
                for one in shards {
                    _ = one.shard.decideAll(now: now)
                    one.shard.trim()
                }
                // What is held now is what later growth counts from.
                reserved = shards.reduce(0) { $0 + $1.shard.heldBytes + $1.shard.standingBytes }
            }
        }
    }

    /// Ordinary requests are not refused for what they would never take.
    @Test(arguments: [1, 2, 4]) func ordinaryRequestsCostAboutWhatTheyTake(shards count: Int) throws {
        var random = SeededGenerator(5)
        let policies = try #require(Self.policies(3))
        var settings = ShardSettings()
        settings.maximumBytes = 256 << 20
        let shards = (0..<count).map { _ in OneShard(Shard(settings: settings, policies: policies, now: 0)) }
        let before = shards.reduce(0) { $0 + $1.shard.heldBytes }
        var cost = 0
        for request in 0..<100 as Range<UInt64> {
            var groups: [(TestGroup, [TestSpan])] = []
            for group in 0..<4 {
                let spans = (0..<32 as Range<UInt64>).map { number -> TestSpan in
                    let id = TraceID(high: 1, low: request * 16 + number / 2 + 1)
                    return TestSpan(trace: id, id: number + 1, filler: 350)
                }
                groups.append((TestGroup(group, filler: 300), spans))
            }
            let bytes = makeRequest(groups)
            let walked = index(bytes, policies)
            cost += shards[0].shard.cost(of: walked, shards: count).bytes
            for (number, one) in shards.enumerated() {
                _ = one.shard.ingest(body: bytes.span, index: walked, shard: UInt64(number), of: UInt64(count), now: 0)
            }
        }
        _ = random.next()
        let grown = shards.reduce(0) { $0 + $1.shard.heldBytes } - before
        #expect(Double(cost) <= 2.5 * Double(grown), "\(cost) for \(grown)")
    }

    /// One resource with thousands of scopes is written once, not thousands of times.
    @Test func aResourceOfManyScopesIsWrittenOnce() throws {
        let policies = try #require(Self.policies(0))
        var settings = ShardSettings()
        settings.maximumBytes = 64 << 20
        var shard = Shard(settings: settings, policies: policies, now: 0)
        var message = Self.header(1, 1, 400_000)
        for scope in 0..<3500 {
            let span = TestSpan(trace: TraceID(high: 1, low: UInt64(scope + 1)))
            message += Encode.bytes(2, Self.header(1, scope, 0) + Encode.bytes(2, span.bytes))
        }
        let walked = index(Encode.bytes(1, message), policies)
        let cost = shard.cost(of: walked)
        #expect(cost.bytes < 2 << 20, "\(cost)")
        let result = shard.take(Encode.bytes(1, message), policies, now: 0)
        let used = shard.usedSegmentBytes
        #expect(result.bufferedSpans == 3500 && used == SegmentStore.segmentBytes)
    }
}
