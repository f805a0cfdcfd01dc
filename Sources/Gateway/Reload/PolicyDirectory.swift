internal import ConfigTree
internal import Foundation
internal import Sampling
internal import Synchronization
internal import Telemetry
internal import Transport

/// Which policies are in force, which were, and how reloads went: written by the reloader, read by scrapes and pages.
final class PolicyDirectory: Sendable {
    /// A version as people know it.
    struct Entry: Sendable {
        /// Counts up from 1.
        let version: Int
        let hash: String
        let since: Date
    }

    struct State: Sendable {
        /// Versions known by number, the newest last. Bounded.
        var entries: [Entry]
        var inForce: PolicyInForce
        /// The configuration's file, or what stands for it.
        var source: String
        var reloadsOK = 0
        var reloadsFailed = 0
        /// What the last reload that changed nothing was refused for; nil if it was not.
        var lastProblems: String?
        /// Keys that differ from those in force and need a restart.
        var needsRestart: [String] = []

        var current: Entry { entries[entries.count - 1] }
    }

    /// Versions that are remembered by number.
    static let maximumEntries = 128

    private let state: Mutex<State>

    init(_ inForce: PolicyInForce, source: String) {
        let hash = inForce.version.policies.contentHash
        state = Mutex(
            State(entries: [Entry(version: 1, hash: hash, since: Date())], inForce: inForce, source: source))
    }

    var now: State { state.withLock { $0 } }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// A version that the workers know by its wrapping number.
    func entry(_ number: UInt16) -> Entry? {
        now.entries.last { UInt16(truncatingIfNeeded: $0.version) == number }
    }

    /// Enters the figures of reloads into the scrape's cells.
    func write(_ metrics: ReloadMetrics, versionsInUse: Int, into cells: MetricCells) {
        let state = now
        cells.set(metrics.ok, total: state.reloadsOK)
        cells.set(metrics.failed, total: state.reloadsFailed)
        cells.set(metrics.lastSuccess, Int(state.current.since.timeIntervalSince1970 * 1000))
        cells.set(metrics.lastOK, state.lastProblems == nil ? 1 : 0)
        cells.set(metrics.version, state.current.version)
        cells.set(metrics.versionsInUse, versionsInUse)
    }
}
