import TestSupport
import Testing

@testable import Telemetry

@Suite struct LedgerTests {
    /// Workers that pass spans around by random events, each keeping its own cells consistent.
    struct Workers {
        var cells: [LedgerCells]
        /// Spans handed from a worker to another, and offered to a destination, not yet taken.
        var mailboxes: [Int]
        var offers: [Int]
        let homes: [Int]

        init(workers: Int, destinations: Int) {
            cells = Array(
                repeating: LedgerCells(destinationCount: destinations), count: workers)
            mailboxes = Array(repeating: 0, count: workers)
            offers = Array(repeating: 0, count: destinations)
            homes = (0..<destinations).map { $0 % workers }
        }

        mutating func step(using random: inout some RandomNumberGenerator) {
            let worker = Int.random(in: cells.indices, using: &random)
            let destination = Int.random(in: offers.indices, using: &random)
            let home = homes[destination]
            switch Int.random(in: 0..<9, using: &random) {
            case 0:
                let spans = Int.random(in: 0...1000, using: &random)
                cells[worker].accepted += spans
                cells[worker].buffered += spans
            case 1:  // accepted for another worker
                let spans = Int.random(in: 0...1000, using: &random)
                cells[worker].accepted += spans
                cells[worker].handedToOtherWorkers += spans
                mailboxes[Int.random(in: mailboxes.indices, using: &random)] += spans
            case 2:
                cells[worker].takenFromOtherWorkers += mailboxes[worker]
                cells[worker].buffered += mailboxes[worker]
                mailboxes[worker] = 0
            case 3:
                let spans = Int.random(in: 0...cells[worker].buffered, using: &random)
                cells[worker].buffered -= spans
                if Bool.random(using: &random) {
                    cells[worker].notSampled += spans
                } else {
                    cells[worker].droppedByPolicy += spans
                }
            case 4:
                let spans = Int.random(in: 0...cells[worker].buffered, using: &random)
                cells[worker].buffered -= spans
                cells[worker].sampled += spans
                for index in offers.indices {
                    if Int.random(in: 0..<10, using: &random) == 0 {
                        cells[worker].destinations[index].lose(spans, .queueFull)
                    } else {
                        cells[worker].destinations[index].offered += spans
                        offers[index] += spans
                    }
                }
            case 5:
                cells[home].destinations[destination].taken += offers[destination]
                cells[home].destinations[destination].queued += offers[destination]
                offers[destination] = 0
            case 6, 7:
                let queued = cells[home].destinations[destination].queued
                let spans = Int.random(in: 0...queued, using: &random)
                cells[home].destinations[destination].queued -= spans
                cells[home].destinations[destination].sent += spans
            default:
                let queued = cells[home].destinations[destination].queued
                let spans = Int.random(in: 0...queued, using: &random)
                cells[home].destinations[destination].queued -= spans
                let reason = LossReason.allCases.randomElement(using: &random) ?? .permanent
                cells[home].destinations[destination].lose(spans, reason)
            }
        }
    }

    static let names = ["otlp/tempo", "jaeger"]

    @Test(arguments: 0..<200 as Range<UInt64>)
    func balancesWheneverEachWorkerIsSnapshotAlone(seed: UInt64) {
        var random = SeededGenerator(seed)
        var workers = Workers(
            workers: Int.random(in: 1...4, using: &random), destinations: Self.names.count)
        for _ in 0..<50 {
            // one worker after the other, with life going on in between
            var snapshots: [LedgerCells] = []
            for worker in workers.cells.indices.shuffled(using: &random) {
                for _ in 0..<Int.random(in: 0..<20, using: &random) {
                    workers.step(using: &random)
                }
                snapshots.append(workers.cells[worker])
            }
            let ledger = Ledger(workers: snapshots, destinationNames: Self.names)
            #expect(ledger.difference == 0)
            #expect(
                ledger.accepted == ledger.buffered + ledger.notSampled + ledger.dropped
                    + ledger.sampled)
            for destination in ledger.destinations {
                #expect(
                    ledger.sampled == destination.queued + destination.sent + destination.lost)
            }
        }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func aSpanThatVanishesOrAppearsShows(seed: UInt64) {
        var random = SeededGenerator(seed)
        var workers = Workers(workers: 3, destinations: Self.names.count)
        for _ in 0..<300 { workers.step(using: &random) }
        let places: [WritableKeyPath<LedgerCells, Int>] = [
            \.accepted, \.handedToOtherWorkers, \.takenFromOtherWorkers, \.buffered, \.notSampled,
            \.droppedByPolicy, \.destinations[0].offered, \.destinations[1].taken,
            \.destinations[0].queued, \.destinations[1].sent,
        ]
        for place in places {
            for error in [1, -1] {
                var cells = workers.cells
                cells[Int.random(in: cells.indices, using: &random)][keyPath: place] += error
                let ledger = Ledger(workers: cells, destinationNames: Self.names)
                #expect(ledger.difference != 0)
            }
        }
        // one wrong figure moves a node's column and every destination's: still no balance
        var cells = workers.cells
        cells[0].sampled += 1
        #expect(Ledger(workers: cells, destinationNames: Self.names).difference == 3)
        cells = workers.cells
        cells[1].destinations[1].lose(1, .permanent)
        #expect(Ledger(workers: cells, destinationNames: Self.names).difference == 1)
    }

    static func example() -> Ledger {
        var one = LedgerCells(destinationCount: 2)
        one.accepted = 1_234_567
        one.buffered = 7
        one.notSampled = 1_000_000
        one.handedToOtherWorkers = 60
        one.sampled = 234_500
        for index in 0...1 { one.destinations[index].offered = 234_500 }
        var two = LedgerCells(destinationCount: 2)
        two.takenFromOtherWorkers = 50
        two.droppedByPolicy = 50
        two.destinations[0].taken = 234_000
        two.destinations[0].sent = 233_990
        two.destinations[0].lose(9, .queueFull)
        two.destinations[0].lose(1, .permanent)
        return Ledger(workers: [one, two], destinationNames: ["a\"b\n", "jaeger"])
    }

    @Test func json() {
        let text = String(decoding: Self.example().json(), as: UTF8.self)
        #expect(
            text == """
                {"accepted":1234567,"buffered":17,"not_sampled":1000000,"dropped":50,\
                "sampled":234500,"passed_through":0,"filtered":0,"forwarded":0,"handed_off":0,"held":0,"lost":0,"lost_by_reason":{},"from_peers":0,\
                "destinations":{"a\\"b\\u000a":{"offered":234500,"queued":500,"sent":233990,\
                "lost":10,"lost_by_reason":{"queue_full":9,"permanent":1},"difference":0},\
                "jaeger":{"offered":234500,"queued":234500,"sent":0,"lost":0,"lost_by_reason":{},\
                "difference":0}},"difference":0}

                """)
    }

    @Test func whatGoesToPeers() {
        var cells = LedgerCells(destinationCount: 0)
        cells.accepted = 100
        cells.fromPeers = 40
        cells.buffered = 10
        cells.notSampled = 20
        cells.forwarded = 50
        cells.handedOff = 15
        cells.held = 5
        let ledger = Ledger(workers: [cells, cells], destinationNames: [])
        #expect(ledger.difference == 0 && ledger.accepted == 200 && ledger.fromPeers == 80)
        #expect(ledger[.forwarded] == 100 && ledger[.handedOff] == 30 && ledger[.held] == 10)
        #expect(ledger.summary().contains("  held for peers          10"), "\(ledger.summary())")
        cells.held = 4
        #expect(Ledger(workers: [cells], destinationNames: []).difference == 1)
    }

    @Test func whatWasLostUndecided() {
        var cells = LedgerCells(destinationCount: 0)
        cells.accepted = 12
        cells.buffered = 2
        cells.lose(9, .noRoom)
        cells.lose(1, .tooLarge)
        let ledger = Ledger(workers: [cells, cells], destinationNames: [])
        #expect(ledger.difference == 0 && ledger[.lost] == 20)
        #expect(ledger.summary().contains("  lost undecided  20 (no_room 18, too_large 2)"), "\(ledger.summary())")
        #expect(String(decoding: ledger.json(), as: UTF8.self).contains("\"lost\":20,\"lost_by_reason\":{\"no_room\":18,\"too_large\":2}"))
        cells.lose(1, .tooLarge)
        #expect(Ledger(workers: [cells], destinationNames: []).difference == 1)
        for (index, reason) in UndecidedLossReason.allCases.enumerated() { #expect(reason.index == index) }
    }

    @Test func summary() {
        var cells = LedgerCells(destinationCount: 2)
        cells.accepted = 1_234_567
        cells.notSampled = 1_234_000
        cells.sampled = 567
        cells.destinations[0].offered = 567
        cells.destinations[0].taken = 567
        cells.destinations[0].sent = 560
        cells.destinations[0].lose(7, .queueFull)
        cells.destinations[1].offered = 567
        let ledger = Ledger(workers: [cells], destinationNames: ["tempo", "otlp/b"])
        #expect(
            ledger.summary().joined(separator: "\n") == """
                accepted            1,234,567
                  buffered                  0
                  not sampled       1,234,000
                  dropped                   0
                  sampled                 567
                    tempo: queued           0
                           sent           560
                           lost             7 (queue_full 7)
                    otlp/b: queued        567
                            sent            0
                            lost            0
                difference                  0
                """)
    }

    @Test func writesItselfIntoMetrics() throws {
        var catalog = MetricCatalog()
        let metrics = try LedgerMetrics(destinationNames: ["a", "jaeger"], in: &catalog)
        let cells = MetricCells(catalog.layout())
        metrics.write(Self.example(), into: cells)
        let text = String(
            decoding: PrometheusText.render(catalog.layout(), cells.snapshot(), as: .text),
            as: UTF8.self)
        for line in [
            "tailgate_ledger_spans{column=\"accepted\"} 1234567",
            "tailgate_ledger_spans{column=\"buffered\"} 17",
            "tailgate_ledger_spans{column=\"not_sampled\"} 1000000",
            "tailgate_ledger_destination_spans{destination=\"a\",column=\"queued\"} 500",
            "tailgate_ledger_destination_spans{destination=\"a\",column=\"lost\"} 10",
            "tailgate_lost_spans_total{destination=\"a\",reason=\"queue_full\"} 9",
            "tailgate_lost_spans_total{destination=\"jaeger\",reason=\"queue_full\"} 0",
            "tailgate_lost_spans_total{destination=\"undecided\",reason=\"no_room\"} 0",
            "tailgate_ledger_difference_spans 0",
        ] {
            #expect(text.contains(line + "\n"), "\(line)")
        }
    }
}

