/// What came of many schedules.
package struct SimulationTotals: CustomStringConvertible, Sendable {
    package private(set) var schedules = 0
    package private(set) var traces = 0
    package private(set) var spans = 0
    package private(set) var lost = 0
    package private(set) var heldByCrashed = 0
    package private(set) var split = 0
    package private(set) var lateFromCustody = 0
    package private(set) var doubled = 0
    package private(set) var alarms = 0
    package private(set) var ratesJudged = 0
    package private(set) var failures = 0

    package init() {}

    /// Adds a schedule that has run.
    package mutating func add(_ simulation: Simulation) {
        schedules += 1
        traces += simulation.traceCount
        spans += simulation.acceptedSpans
        lost += simulation.lostSpans
        heldByCrashed += simulation.lostWithCrashes
        split += simulation.splitTraces
        lateFromCustody += simulation.lateFromCustody
        doubled += simulation.doubledSpans
        alarms += simulation.falseAlarms
        if simulation.isRateJudged { ratesJudged += 1 }
        if !simulation.problems.isEmpty { failures += 1 }
    }

    package mutating func add(_ other: SimulationTotals) {
        schedules += other.schedules
        traces += other.traces
        spans += other.spans
        lost += other.lost
        heldByCrashed += other.heldByCrashed
        split += other.split
        lateFromCustody += other.lateFromCustody
        doubled += other.doubled
        alarms += other.alarms
        ratesJudged += other.ratesJudged
        failures += other.failures
    }

    /// What is counted instead of forbidden must be rare, and a simulation in which nothing happens proves nothing.
    ///
    /// - Returns: what is wrong with the totals of a weather; nil if nothing is.
    package func problem(_ weather: Weather) -> String? {
        if spans < 100 * schedules { return "only \(spans) spans in \(schedules) schedules" }
        if schedules >= 20, ratesJudged < schedules / 4 { return "only \(ratesJudged) shared rates were judged in \(schedules) schedules" }
        let share = Double(lateFromCustody) / Double(max(1, traces))
        let allowed = switch weather {
        case .orderly: 0.0
        case .lossy: 0.005
        case .stormy: 0.02
        }
        return share > allowed ? "spans of \(lateFromCustody) traces of \(traces) were late from custody" : nil
    }

    package var description: String {
        "\(schedules) schedules, \(traces) traces, \(spans) spans taken; lost \(lost) (\(heldByCrashed) were in crashed nodes), "
            + "split traces \(split), traces with spans late from custody \(lateFromCustody), doubled spans \(doubled), live nodes taken for dead \(alarms), shared rates judged \(ratesJudged), failures \(failures)"
    }
}
