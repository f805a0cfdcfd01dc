import Cluster
import Delivery
import Logging
import NIOCore
import NIOEmbedded
import Synchronization

@testable import Sampling
@testable import Transport

private let millisecond: Int64 = 1_000_000

/// A lane that writes down what it is told, and takes a ring over at once or when the test says so.
final class FakeLane: DrivenLane {
    enum Word: Equatable {
        case adopt(UInt64)
        case sweep(UInt64, epoch: UInt64)
        case reachable(String, Bool)
    }

    private struct State {
        var words: [Word] = []
        var isSlow = false
        var waiting: [@Sendable () -> Void] = []
    }

    private let state = Mutex(State())

    /// What it was told of rings.
    var rings: [Word] { words.filter { if case .reachable = $0 { false } else { true } } }
    var words: [Word] { state.withLock { $0.words } }
    /// Rings stay where they are until `goOn`.
    var isSlow: Bool {
        get { state.withLock { $0.isSlow } }
        set { state.withLock { $0.isSlow = newValue } }
    }

    /// Says that it has taken over the oldest ring that it has not said it of.
    func goOn() { state.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }?() }

    func adopt(_ ring: HashRing, _ done: @escaping @Sendable () -> Void) {
        let isDone = state.withLock { state in
            state.words.append(.adopt(ring.version))
            if state.isSlow { state.waiting.append(done) }
            return !state.isSlow
        }
        if isDone { done() }
    }

    func beginSweep(_ ring: HashRing, epoch: UInt64, isOrdered: Bool) {
        state.withLock { $0.words.append(.sweep(ring.version, epoch: epoch)) }
    }

    func reachable(_ peer: String, _ isReachable: Bool) { state.withLock { $0.words.append(.reachable(peer, isReachable)) } }
}

/// Calls that wait until somebody carries them out.
final class FakePeers: PeerCalls {
    struct Call {
        let address: String
        let method: PeerMethod
        let message: [UInt8]
        let done: (PeerAnswer) -> Void

        var isExchange: Bool { if case .exchange = method { true } else { false } }
    }

    private(set) var open: [Call] = []
    private(set) var givenUp: [String] = []
    private(set) var isClosed = false
    private(set) var calls = 0
    /// The message of the latest call.
    private(set) var latest: [UInt8]?
    /// The most calls of one peer that were under way.
    private(set) var mostOpen = 0

    func call(
        _ address: String, _ method: PeerMethod, _ message: [UInt8], timeout: Int64, _ done: @escaping (PeerAnswer) -> Void
    ) {
        calls += 1
        latest = message
        open.append(Call(address: address, method: method, message: message, done: done))
        mostOpen = max(mostOpen, open.count { $0.address == address })
    }

    func giveUp(_ address: String) {
        givenUp.append(address)
        open.removeAll { $0.address == address }
    }

    func close() {
        isClosed = true
        open = []
    }

    /// The calls that the test carries out now; the others stay open.
    func take(_ isTaken: (Call) -> Bool) -> [Call] {
        let taken = open.filter(isTaken)
        open.removeAll(where: isTaken)
        return taken
    }
}

/// Lines of a log, without their metadata.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    func count(_ text: String) -> Int { lines.withLock { lines in lines.count { $0.contains(text) } } }

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { lines.lines.withLock { $0.append("\(event.message)") } }
    }
}

/// A node of which only the driver is real.
final class DrivenNode {
    let driver: ClusterDriver
    let shared: ClusterShared
    let lanes: [FakeLane]
    let peers = FakePeers()
    let log = LogLines()
    let states: [PolicyStates]
    /// How its clock differs from the loop's: a jump forward is a process that was stopped.
    let skew = Skew()
    private let clock: () -> Int64
    /// What peers' reloads come to here; nil: they get no answer.
    var reload: PeerAnswer?
    /// Nobody gets an answer of it, not even that there is none.
    var isSilent = false

    final class Skew {
        var nanoseconds: Int64 = 0
    }

    init(_ address: String, number: UInt64, lanes: Int, settings: ClusterSettings, loop: EmbeddedEventLoop) {
        states = [PolicyStates(), PolicyStates(.shadow)]
        var plan = ClusterPlan(
            address: address, weight: 1, incarnation: number, settings: settings, workerCount: lanes, policyHash: 1)
        plan.policyStates = states
        shared = ClusterShared(plan)
        self.lanes = (0..<lanes).map { _ in FakeLane() }
        let clock = { [skew] in Int64(loop.now.uptimeNanoseconds) + skew.nanoseconds }
        self.clock = clock
        driver = ClusterDriver(
            shared, lanes: self.lanes, peers: peers, on: loop, logger: log.logger,
            clock: clock, resolveNow: {})
        driver.start()
    }

    /// As its driver has it.
    var now: Int64 { clock() }
}

/// Drivers on one loop with a clock that the test moves; what they say to each other takes 20 ms.
final class DrivenCluster {
    let loop = EmbeddedEventLoop()
    private(set) var nodes: [String: DrivenNode] = [:]
    var settings = ClusterSettings()

    init() { loop.advanceTime(by: .seconds(1000)) }

    @discardableResult
    func add(_ address: String, lanes: Int = 2) -> DrivenNode {
        let node = DrivenNode(address, number: UInt64(nodes.count + 1), lanes: lanes, settings: settings, loop: loop)
        nodes[address] = node
        return node
    }

    /// All nodes read this list.
    func resolve(_ addresses: [String]) {
        for node in sorted { node.driver.resolved(.complete(addresses.map { RingMember($0) })) }
    }

    func advance(milliseconds: Int64) {
        for _ in 0..<milliseconds / 20 {
            loop.advanceTime(by: .nanoseconds(20 * millisecond))
            for node in sorted { deliver(node) }
        }
    }

    private var sorted: [DrivenNode] { nodes.sorted { $0.key < $1.key }.map(\.value) }

    private func deliver(_ node: DrivenNode) {
        let calls = node.peers.take { call in
            guard let target = nodes[call.address] else { return true }
            return call.isExchange ? !target.isSilent : target.reload != nil
        }
        for call in calls {
            guard let target = nodes[call.address], !target.peers.isClosed else {
                call.done(.notSent)
                continue
            }
            guard call.isExchange else {
                if let answer = target.reload { call.done(answer) }
                continue
            }
            let answer = target.driver.asked(call.message)
            call.done(answer.map { Self.ok($0) } ?? .notSent)
        }
    }

    static func ok(_ message: [UInt8], code: Int = 0) -> PeerAnswer {
        .answered(.status(code: code, message: message, retryDelay: nil, rejectedSpans: 0))
    }
}
