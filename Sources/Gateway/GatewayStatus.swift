internal import NIOCore
internal import Transport
internal import Synchronization
internal import Foundation

/// The state of a node and since when it serves; read by probes from any thread.
final class GatewayStatus: Sendable {
    private let current = Atomic<Int>(GatewayState.starting.rawValue)
    /// The node's part in its cluster; nil: it is alone.
    private let cluster: ClusterShared?
    private let since = Mutex<(unixNanoseconds: Int64, uptime: Int64)>((0, 0))

    init(cluster: ClusterShared? = nil) { self.cluster = cluster }

    /// Whether requests are taken: it serves, and knows its peers if there are any.
    var isReady: Bool { state == .serving && cluster?.isReady != false }

    var state: GatewayState { GatewayState(rawValue: current.load(ordering: .acquiring)) ?? .stopped }

    /// Moves forward; false if the node was there already, or further.
    @discardableResult
    func enter(_ state: GatewayState) -> Bool {
        if state == .serving {
            let unix = Int64(Date().timeIntervalSince1970 * 1e9)
            since.withLock { $0 = (unix, Self.uptime) }
        }
        var known = current.load(ordering: .acquiring)
        while known < state.rawValue {
            let (exchanged, original) = current.compareExchange(
                expected: known, desired: state.rawValue, ordering: .acquiringAndReleasing)
            if exchanged { return true }
            known = original
        }
        return false
    }

    /// For the `health_check` extension.
    var healthCheckState: HealthCheckPage.State {
        guard isReady else { return .unavailable }
        let (unix, started) = since.withLock { $0 }
        return .available(since: unix, uptime: Self.uptime - started)
    }

    private static var uptime: Int64 { Int64(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds) }
}
