import NIOCore
import NIOEmbedded
import Telemetry
import Testing

@testable import Transport

@Suite struct GuardTests {
    @Test func addressesAreCountedByWhoHasThem() throws {
        func key(_ text: String) throws -> PeerAddress { PeerAddress(try SocketAddress(ipAddress: text, port: 1)) }
        #expect(try key("10.0.0.1") == key("10.0.0.1"))
        #expect(try key("10.0.0.1") != key("10.0.0.2"))
        #expect(try key("::ffff:10.0.0.1") == key("10.0.0.1"))
        // One customer has a whole /64.
        #expect(try key("2001:db8:0:1::1") == key("2001:db8:0:1:ffff::9"))
        #expect(try key("2001:db8:0:1::1") != key("2001:db8:0:2::1"))
        #expect(try key("::1") != key("0.0.0.1") && key("::1") != key("::2"))
        #expect(PeerAddress(nil) == .local)
        #expect(PeerAddress(try SocketAddress(unixDomainSocketPath: "/tmp/x")) == .local)
    }

    @Test func connectionsAreCountedInAllAndByAddress() {
        let limiter = ConnectionLimiter(maximumConnections: 3)
        let (one, two) = (PeerAddress(high: 0, low: 1), PeerAddress(high: 0, low: 2))
        func refusal(_ address: PeerAddress, _ most: Int = 2, now: Int64 = 0) -> ConnectionRefusalReason? {
            switch limiter.admit(address, maximumPerAddress: most, now: now) {
            case .success: nil
            case .failure(let refusal): refusal.reason
            }
        }
        #expect(refusal(one) == nil && refusal(one) == nil)
        #expect(refusal(one) == .address)
        #expect(refusal(two) == nil)
        #expect(refusal(two) == .total)
        #expect(limiter.count == 3)
        limiter.release(one)
        #expect(refusal(two) == nil)
        // A Unix socket is bounded by the total alone.
        limiter.release(two)
        limiter.release(two)
        #expect(refusal(.local, 0) == nil)
        limiter.release(PeerAddress(high: 9, low: 9))
        #expect(limiter.count == 2)
    }

    @Test func oneLineInTenSecondsForEachKind() {
        var throttle = LogThrottle()
        func admit(_ key: String, _ now: Int64) -> Int? { throttle.admit(key, now: now) }
        #expect(admit("a", 0) == 0)
        #expect(admit("b", 0) == 0)
        for now in 1...7 { #expect(admit("a", Int64(now)) == nil) }
        #expect(admit("a", LogThrottle.interval - 1) == nil)
        #expect(admit("a", LogThrottle.interval) == 8)
        #expect(admit("a", LogThrottle.interval + 1) == nil)
        #expect(admit("b", LogThrottle.interval) == 0)
    }

    @Test func framesThatMoveNothingAreForgivenToAPoint() {
        var allowance = FrameAllowance()
        allowance.burst = 100
        allowance.perSecond = 10
        allowance.perUsefulFrame = 8
        var flood = FrameFlood(allowance, now: 0)
        func isFlood(idle: Int, useful: Int, now: Int64) -> Bool { flood.isFlood(idle: idle, useful: useful, now: now) }
        #expect(!isFlood(idle: 100, useful: 0, now: 0))
        #expect(isFlood(idle: 1, useful: 0, now: 999_999_999))
        flood = FrameFlood(allowance, now: 0)
        #expect(!isFlood(idle: 100, useful: 0, now: 0))
        #expect(!isFlood(idle: 10, useful: 0, now: 1_000_000_000))
        #expect(isFlood(idle: 1, useful: 0, now: 1_000_000_000))
        // Three for each request, for ever.
        flood = FrameFlood(allowance, now: 0)
        for _ in 0..<10_000 { #expect(!isFlood(idle: 3, useful: 2, now: 0)) }
        // What was saved up is bounded.
        #expect(!isFlood(idle: 0, useful: .max, now: 1 << 60))
        #expect(isFlood(idle: 101, useful: 1 << 40, now: 1))
        flood = FrameFlood(allowance, now: 0)
        #expect(isFlood(idle: .max, useful: .max, now: 0))
    }
}

@Suite struct ConnectionGateTests {
    /// TLS on a port without it is told by its first byte: closed, counted, and nothing of a protocol is made for it.
    @Test func tlsOnAPlainPort() throws {
        let node = Node(try makePlan())
        let channel = EmbeddedChannel(loop: node.loop)
        try node.server.adopt(channel, receiver: 0)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        try channel.writeInbound(ByteBuffer(bytes: [0x16, 0x03, 0x01]))
        node.loop.run()
        #expect(!channel.isActive)
        #expect(node.worker.cells.value(of: node.plan.metrics.security.serverFailures[.tlsOnPlainPort]) == 1)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.connections) == 0)
        #expect(node.server.connectionCount == 0)
    }

    @Test func theFirstByteHasItsTime() throws {
        let node = Node(try makePlan { $0.limits[0].firstByteTimeout = 1_000_000_000 })
        let channel = EmbeddedChannel(loop: node.loop)
        try node.server.adopt(channel, receiver: 0)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        node.loop.advanceTime(by: .milliseconds(999))
        #expect(channel.isActive)
        node.loop.advanceTime(by: .milliseconds(1))
        #expect(!channel.isActive)
        #expect(node.worker.cells.value(of: node.plan.metrics.ingress.connectionsClosed[.tooSlow]) == 1)
    }
}
