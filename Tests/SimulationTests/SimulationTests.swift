import Foundation
import Simulation
import Testing

/// Schedules of a simulated cluster, as many as fit into every test run; thousands are run by an optimized build (`simulate`).
/// A failing schedule names its seed; to run it alone and see what happened:
///
///     TAILGATE_SIMULATION_SEED=17 TAILGATE_SIMULATION_WEATHER=stormy swift test --filter SimulationTests
///
/// `TAILGATE_SIMULATION_SCHEDULES=2000` runs so many of each weather; `TAILGATE_SIMULATION_FIRST` is the first seed.
@Suite struct SimulationTests {
    /// Seeds that run one after the other, beside other such ranges.
    struct Part: Sendable, CustomTestStringConvertible {
        var weather: Weather
        var seeds: Range<UInt64>

        var testDescription: String { "\(weather), seeds \(seeds.lowerBound) to \(seeds.upperBound - 1)" }
    }

    static func number(_ name: String) -> UInt64? { ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) } }

    static var parts: [Part] {
        let wanted = ProcessInfo.processInfo.environment["TAILGATE_SIMULATION_WEATHER"]
        let weathers = Weather.allCases.filter { wanted == nil || $0.rawValue == wanted }
        if let seed = number("TAILGATE_SIMULATION_SEED") { return weathers.map { Part(weather: $0, seeds: seed..<seed + 1) } }
        let first = number("TAILGATE_SIMULATION_FIRST") ?? 1
        let end = first + (number("TAILGATE_SIMULATION_SCHEDULES") ?? 100)
        return stride(from: first, to: end, by: 25).flatMap { start in
            weathers.map { Part(weather: $0, seeds: start..<min(start + 25, end)) }
        }
    }

    @Test(arguments: parts) func everySpanEndsOnceAndEveryTraceIsDecidedOnce(part: Part) {
        let isReplay = Self.number("TAILGATE_SIMULATION_SEED") != nil
        var totals = SimulationTotals()
        for seed in part.seeds {
            let simulation = Simulation(seed: seed, weather: part.weather)
            simulation.keepsNotes = isReplay
            simulation.run()
            if isReplay { print(simulation.notes.joined(separator: "\n")) }
            totals.add(simulation)
            if !simulation.problems.isEmpty {
                Issue.record("seed \(seed), \(part.weather):\n\(simulation.problems.joined(separator: "\n"))")
                if totals.failures >= 5 { break }
            }
        }
        print("simulation, \(part.testDescription): \(totals)")
        #expect(isReplay || totals.problem(part.weather) == nil)
    }

    /// The test of the test: each of these faults is found within a few schedules.
    @Test(arguments: Sabotage.allCases) func aFaultIsFound(sabotage: Sabotage) {
        for seed in 1...20 as ClosedRange<UInt64> {
            let simulation = Simulation(seed: seed, weather: sabotage.weather)
            simulation.sabotage = sabotage
            simulation.run()
            guard !simulation.problems.isEmpty else { continue }
            // The fault was it, and not what was made of the settings to see it.
            let sound = Simulation(seed: seed, weather: sabotage.weather)
            sound.prepare(for: sabotage)
            sound.run()
            #expect(sound.problems.isEmpty, "seed \(seed) fails without the fault, too")
            print("simulation: \(sabotage) is found by seed \(seed): \(simulation.problems[0])")
            return
        }
        Issue.record("20 schedules and nothing found")
    }

    /// Without the fault, the circumstances in which it is looked for are green.
    @Test(arguments: Sabotage.allCases.filter(\.needsCircumstances)) func theCircumstancesOfAFaultAreSound(sabotage: Sabotage) {
        for seed in 1...40 as ClosedRange<UInt64> {
            let simulation = Simulation(seed: seed, weather: sabotage.weather)
            simulation.prepare(for: sabotage)
            simulation.run()
            if !simulation.problems.isEmpty {
                Issue.record("seed \(seed):\n\(simulation.problems.joined(separator: "\n"))")
            }
        }
    }

    /// The same seed is the same run: what a failure prints can be replayed.
    @Test func aSeedReplaysItsSchedule() {
        let runs = (0..<2).map { _ in
            let simulation = Simulation(seed: 7, weather: .stormy)
            simulation.keepsNotes = true
            simulation.run()
            return simulation.notes + ["\(simulation.acceptedSpans) \(simulation.now)"]
        }
        #expect(runs[0] == runs[1])
    }

    /// A schedule takes its memory with it: thousands are run in one process.
    @Test func aScheduleIsFreed() {
        weak var left: Simulation?
        do {
            let simulation = Simulation(seed: 3, weather: .stormy)
            simulation.run()
            left = simulation
        }
        #expect(left == nil)
    }
}
