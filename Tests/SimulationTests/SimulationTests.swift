import Foundation
import Testing

/// Schedules of a simulated cluster. A failing schedule names its seed; to run it alone and see what happened:
///
///     TAILGATE_SIMULATION_SEED=17 TAILGATE_SIMULATION_WEATHER=stormy swift test --filter SimulationTests
///
/// `TAILGATE_SIMULATION_SCHEDULES=2000` runs so many of each weather instead of the few that fit into every test run (about 0.15 s
/// each in a debug build); `TAILGATE_SIMULATION_FIRST` is the first seed.
@Suite struct SimulationTests {
    static func number(_ name: String) -> UInt64? { ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } }

    static var seeds: Range<UInt64> {
        if let seed = number("TAILGATE_SIMULATION_SEED") { return seed..<seed + 1 }
        let first = number("TAILGATE_SIMULATION_FIRST") ?? 1
        // Continuous integration runs thousands over all weathers.
        let usual: UInt64 = ProcessInfo.processInfo.environment["CI"] == nil ? 100 : 700
        return first..<first + (number("TAILGATE_SIMULATION_SCHEDULES") ?? usual)
    }

    static var weathers: [Weather] {
        let wanted = ProcessInfo.processInfo.environment["TAILGATE_SIMULATION_WEATHER"]
        return Weather.allCases.filter { wanted == nil || $0.rawValue == wanted }
    }

    @Test(arguments: weathers) func everySpanEndsOnceAndEveryTraceIsDecidedOnce(weather: Weather) throws {
        let isReplay = Self.number("TAILGATE_SIMULATION_SEED") != nil
        var totals = Totals()
        for seed in Self.seeds {
            let simulation = Simulation(seed: seed, weather: weather)
            simulation.keepsNotes = isReplay
            simulation.run()
            if isReplay { print(simulation.notes.joined(separator: "\n")) }
            totals.add(simulation)
            if !simulation.problems.isEmpty {
                Issue.record("seed \(seed), \(weather):\n\(simulation.problems.joined(separator: "\n"))")
                totals.failures += 1
                if totals.failures >= 5 { break }
            }
        }
        print("simulation, \(weather): \(totals)")
        // A simulation in which nothing happens proves nothing.
        #expect(isReplay || totals.spans > 100 * totals.schedules)
    }

    /// The test of the test: each of these faults is found within a few schedules.
    @Test(arguments: Sabotage.allCases) func aFaultIsFound(sabotage: Sabotage) throws {
        for seed in 1...80 as ClosedRange<UInt64> {
            let simulation = Simulation(seed: seed, weather: .orderly)
            simulation.sabotage = sabotage
            simulation.run()
            guard !simulation.problems.isEmpty else { continue }
            // The fault was it, and not what was made of the settings to see it.
            let sound = Simulation(seed: seed, weather: .orderly)
            sound.prepare(for: sabotage)
            sound.run()
            #expect(sound.problems.isEmpty, "seed \(seed) fails without the fault, too")
            print("simulation: \(sabotage) is found by seed \(seed): \(simulation.problems[0])")
            return
        }
        Issue.record("80 schedules and nothing found")
    }

    /// Without the fault, the circumstances in which it is looked for are green.
    @Test(arguments: Sabotage.allCases.filter(\.needsCircumstances)) func theCircumstancesOfAFaultAreSound(sabotage: Sabotage) throws {
        for seed in 1...40 as ClosedRange<UInt64> {
            let simulation = Simulation(seed: seed, weather: .orderly)
            simulation.prepare(for: sabotage)
            simulation.run()
            if !simulation.problems.isEmpty {
                Issue.record("seed \(seed):\n\(simulation.problems.joined(separator: "\n"))")
            }
        }
    }

    /// The same seed is the same run: what a failure prints can be replayed.
    @Test func aSeedReplaysItsSchedule() throws {
        let runs = try (0..<2).map { _ in
            let simulation = Simulation(seed: 7, weather: .stormy)
            simulation.keepsNotes = true
            simulation.run()
            return simulation.notes + ["\(simulation.acceptedSpans) \(simulation.now)"]
        }
        #expect(runs[0] == runs[1])
    }
}

private struct Totals: CustomStringConvertible {
    var schedules = 0
    var traces = 0
    var spans = 0
    var lost = 0
    var heldByCrashed = 0
    var split = 0
    var doubled = 0
    var alarms = 0
    var failures = 0

    mutating func add(_ simulation: Simulation) {
        schedules += 1
        traces += simulation.traceCount
        spans += simulation.acceptedSpans
        lost += simulation.lostSpans
        heldByCrashed += simulation.lostWithCrashes
        split += simulation.splitTraces
        doubled += simulation.doubledSpans
        alarms += simulation.falseAlarms
    }

    var description: String {
        "\(schedules) schedules, \(traces) traces, \(spans) spans taken; lost \(lost) (\(heldByCrashed) were in crashed nodes), "
            + "split traces \(split), doubled spans \(doubled), live nodes taken for dead \(alarms), failures \(failures)"
    }
}
