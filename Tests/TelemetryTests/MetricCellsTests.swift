import Testing

@testable import Telemetry

@Suite struct MetricCellsTests {
    static let requests = MetricFamily("r_total", .counter, labels: ["k"], help: "R.")
    static let level = MetricFamily("l", .gauge, help: "L.")
    static let time = MetricFamily(
        "t_seconds", .histogram(bounds: [1, 10, 100]), unit: "seconds", decimalPlaces: 3,
        help: "T.")

    @Test func countersGaugesAndHistogramsKeepApart() throws {
        var catalog = MetricCatalog()
        let a = try catalog.counter(Self.requests, "a")
        let h = try catalog.histogram(Self.time)
        let b = try catalog.counter(Self.requests, "b")
        let g = try catalog.gauge(Self.level)
        let cells = MetricCells(catalog.layout())
        cells.add(a)
        cells.add(a, 4)
        cells.add(b, 7)
        cells.set(g, 12)
        cells.add(g, -20)
        cells.observe(h, 3, count: 2)
        #expect(cells.value(of: a) == 5)
        let snapshot = cells.snapshot()
        #expect(snapshot.value(of: a) == 5)
        #expect(snapshot.value(of: b) == 7)
        #expect(snapshot.value(of: g) == -8)
        #expect(snapshot.count(of: h) == 2)
        #expect(snapshot.sum(of: h) == 6)
    }

    @Test(arguments: [
        (0, 0), (1, 0), (2, 1), (10, 1), (11, 2), (100, 2), (101, 3), (Int.max / 2, 3), (-5, 0),
    ])
    func aValueFallsIntoTheFirstBucketThatHoldsIt(value: Int, bucket: Int) throws {
        var catalog = MetricCatalog()
        let other = try catalog.counter(Self.requests, "a")
        let h = try catalog.histogram(Self.time)
        let cells = MetricCells(catalog.layout())
        cells.observe(h, value)
        var expected = [0, 0, 0, 0, 0]
        expected[bucket] = 1
        expected[4] = value
        #expect(cells.snapshot().slots == [0] + expected)
        #expect(cells.value(of: other) == 0)
    }

    @Test func aSecondHistogramUsesItsOwnBounds() throws {
        var catalog = MetricCatalog()
        let wide = MetricFamily("w", .histogram(bounds: [1000]), help: "W.")
        _ = try catalog.histogram(Self.time)
        let h = try catalog.histogram(wide)
        let cells = MetricCells(catalog.layout())
        cells.observe(h, 1000)
        cells.observe(h, 1001)
        #expect(cells.snapshot().slots.suffix(3) == [1, 1, 2001])
    }

    @Test func aSnapshotStaysAsItWas() throws {
        var catalog = MetricCatalog()
        let a = try catalog.counter(Self.requests, "a")
        let cells = MetricCells(catalog.layout())
        cells.add(a, 1)
        let before = cells.snapshot()
        cells.add(a, 1)
        #expect(before.value(of: a) == 1)
        #expect(cells.snapshot().value(of: a) == 2)
    }

    @Test func theSameSeriesGetsTheSamePlace() throws {
        var catalog = MetricCatalog()
        let first = try catalog.counter(Self.requests, "a")
        let again = try catalog.counter(Self.requests, "a")
        #expect(first == again)
        #expect(catalog.layout().slotCount == 1)
    }

    @Test func anExtendedLayoutKeepsPlacesAndCounts() throws {
        var catalog = MetricCatalog()
        let a = try catalog.counter(Self.requests, "a")
        let cells = MetricCells(catalog.layout())
        cells.add(a, 3)
        let early = cells.snapshot()
        var extended = MetricCatalog(extending: catalog.layout())
        let b = try extended.counter(Self.requests, "b")
        let h = try extended.histogram(Self.time)
        #expect(try extended.counter(Self.requests, "a") == a)
        cells.adopt(extended.layout())
        cells.add(b, 5)
        cells.observe(h, 2)
        // a worker that has not adopted it yet counts as 0 in what it lacks, on either side
        for sum in [
            MetricSnapshot.sum([early, cells.snapshot()]),
            MetricSnapshot.sum([cells.snapshot(), early]),
        ] {
            #expect(sum.value(of: a) == 6)
            #expect(sum.value(of: b) == 5)
            #expect(sum.count(of: h) == 1)
        }
        #expect(early.value(of: b) == 0)
    }

    @Test func seriesOfAFamilyAreLimited() throws {
        var catalog = MetricCatalog()
        for index in 0..<MetricCatalog.seriesLimit {
            _ = try catalog.counter(Self.requests, "\(index)")
        }
        #expect(
            throws: MetricCatalogError.tooManySeries(
                family: "r_total", limit: MetricCatalog.seriesLimit)
        ) { try catalog.counter(Self.requests, "one more") }
    }

    @Test func aVeryLargeSumWrapsAndDoesNotTrap() throws {
        var catalog = MetricCatalog()
        let a = try catalog.counter(Self.requests, "a")
        let cells = MetricCells(catalog.layout())
        cells.set(a, total: .max)
        cells.add(a, 1)
        #expect(cells.value(of: a) == .min)
        _ = MetricSnapshot.sum([cells.snapshot(), cells.snapshot()])
    }
}
