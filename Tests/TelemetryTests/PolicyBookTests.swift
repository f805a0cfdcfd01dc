import Testing

@testable import Telemetry

@Suite struct PolicyBookTests {
    @Test func aNameKeepsItsNumberAndItsSeries() throws {
        let metrics = try NodeMetrics(NodeMetricsTests.settings())
        var book = PolicyBook(names: ["errors", "slow"], metrics: metrics)
        let before = book.layout.slotCount
        #expect(book.numbers(of: ["slow", "new", "errors"]) { $0 } == [1, 2, 0])
        #expect(book.layout.slotCount > before && book.policies.count == 3)
        let grown = book.layout.slotCount
        #expect(book.numbers(of: ["new"]) { $0 } == [2] && book.layout.slotCount == grown)
        // Old cells stay where they were.
        let cells = MetricCells(metrics.layout)
        cells.add(book.policies[0].traces.sampled, 3)
        cells.adopt(book.layout)
        cells.add(book.policies[2].traces.sampled, 4)
        #expect(cells.value(of: metrics.policies[0].traces.sampled) == 3)
        #expect(cells.value(of: book.policies[2].traces.sampled) == 4)
    }

    @Test func furtherNamesShareOneNumber() throws {
        var book = PolicyBook(names: ["errors", "slow"], metrics: try NodeMetrics(NodeMetricsTests.settings()))
        let numbers = book.numbers(of: (0..<PolicyBook.maximumNames + 50).map { "p\($0)" }) { $0 }
        let last = UInt16(PolicyBook.maximumNames)
        #expect(numbers.last == last && numbers.filter { $0 == last }.count == 52)
        #expect(book.names.last == PolicyBook.otherName && book.names.count == PolicyBook.maximumNames + 1)
        #expect(book.policies.count == book.names.count)
    }

    @Test func infoIsThatInForceAlone() throws {
        let book = PolicyBook(names: ["errors", "slow"], metrics: try NodeMetrics(NodeMetricsTests.settings()))
        for version in 1...3 {
            let layout = book.layout(version: version, hash: "h\(version)")
            let family = try #require(layout.families.first { $0.family.name == "tailgate_policy_info" })
            #expect(family.series.map(\.labelValues) == [["\(version)", "h\(version)"]])
        }
    }
}
