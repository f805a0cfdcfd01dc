internal import ArgumentParser
internal import Foundation
internal import OTLP
internal import Simulation

/// Runs thousands of schedules of the simulated cluster on all processors:
///
///     swift run -c release simulate --schedules 1000
///     swift run -c release simulate --weather stormy --first 17 --schedules 1 --notes
@main struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs schedules of a simulated cluster and says which of them break a law.")

    @Option(help: "orderly, lossy or stormy; all of them unless given.") var weather: [Weather] = []
    @Option(help: "The first seed.") var first: UInt64 = 1
    @Option(help: "Schedules of each weather.") var schedules: UInt64 = 1000
    @Option(help: "Schedules that run at the same time.") var jobs: Int = ProcessInfo.processInfo.activeProcessorCount
    @Flag(help: "Print what happens in each schedule.") var notes = false
    @Option(help: "With --notes: a trace whose way is noted, too, as 32 hexadecimal digits.") var trace: String?
    @Option(help: "Write a JUnit report here.") var junit: String?
    @Option(help: "Build a fault into the nodes, in the weather in which it matters: every schedule that finds it fails.")
    var sabotage: Sabotage?
    @Flag(help: "With --sabotage: only the circumstances in which the fault matters, without the fault. No schedule may fail.")
    var sound = false

    func validate() throws {
        guard !sound || sabotage != nil else { throw ValidationError("--sound asks for a --sabotage") }
        guard jobs > 0, schedules > 0 else { throw ValidationError("there must be something to do") }
        guard trace == nil || followed != nil else { throw ValidationError("not a trace id: \(trace ?? "")") }
    }

    private var followed: TraceID? {
        guard let trace, trace.count == 32, let high = UInt64(trace.prefix(16), radix: 16),
            let low = UInt64(trace.suffix(16), radix: 16)
        else { return nil }
        return TraceID(high: high, low: low)
    }

    /// Some schedules of one weather.
    private struct Part: Sendable {
        var weather: Weather
        var seeds: Range<UInt64>
        var totals = SimulationTotals()
        var failures: [String] = []
    }

    func run() async throws {
        let weathers = weather.isEmpty ? sabotage.map { [$0.weather] } ?? Weather.allCases : weather
        let end = first + schedules
        let parts = stride(from: first, to: end, by: 20).flatMap { start in
            weathers.map { Part(weather: $0, seeds: start..<min(start + 20, end)) }
        }
        let started = ContinuousClock.now
        var results: [Weather: Part] = [:]
        await withTaskGroup(of: Part.self) { group in
            var waiting = parts[...]
            func startNext() {
                guard let part = waiting.popFirst() else { return }
                group.addTask { play(part) }
            }
            for _ in 0..<jobs { startNext() }
            for await part in group {
                for failure in part.failures { print(failure) }
                var result = results[part.weather] ?? Part(weather: part.weather, seeds: first..<end)
                result.totals.add(part.totals)
                result.failures += part.failures
                results[part.weather] = result
                startNext()
            }
        }
        for weather in weathers {
            guard let totals = results[weather]?.totals else { continue }
            print("\(weather): \(totals)")
            if schedules >= 100, let problem = totals.problem(weather) {
                results[weather]?.failures.append(problem)
                print("\(weather): \(problem)")
            }
        }
        print("\(UInt64(weathers.count) * schedules) schedules in \((ContinuousClock.now - started).components.seconds) s")
        if let junit {
            let report = Self.report(weathers.compactMap { results[$0] })
            try report.write(toFile: junit, atomically: true, encoding: .utf8)
        }
        if results.values.contains(where: { !$0.failures.isEmpty }) { throw ExitCode(1) }
    }

    private func play(_ part: Part) -> Part {
        var part = part
        for seed in part.seeds {
            let simulation = Simulation(seed: seed, weather: part.weather)
            simulation.keepsNotes = notes
            simulation.followed = followed
            if let sabotage, sound { simulation.prepare(for: sabotage) } else { simulation.sabotage = sabotage }
            simulation.run()
            if notes { print(simulation.notes.joined(separator: "\n")) }
            part.totals.add(simulation)
            if !simulation.problems.isEmpty {
                part.failures.append(
                    "seed \(seed), \(part.weather):\n    " + simulation.problems.joined(separator: "\n    "))
            }
        }
        return part
    }

    /// One case for each weather.
    private static func report(_ parts: [Part]) -> String {
        func quote(_ text: String) -> String {
            text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing("\"", with: "&quot;")
        }
        var output = "<testsuites><testsuite name=\"simulate\">\n"
        for part in parts {
            let name = "\(part.weather), seeds \(part.seeds.lowerBound) to \(part.seeds.upperBound - 1)"
            output += "<testcase classname=\"simulate\" name=\"\(quote(name))\">"
            if !part.failures.isEmpty {
                let some = part.failures.prefix(10).joined(separator: "\n")
                output += "<failure message=\"\(part.failures.count) failures\">\(quote(some))</failure>"
            }
            output += "<system-out>\(quote(part.totals.description))</system-out></testcase>\n"
        }
        return output + "</testsuite></testsuites>\n"
    }
}

extension Weather: ExpressibleByArgument {}
extension Sabotage: ExpressibleByArgument {}
