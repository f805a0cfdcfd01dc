import Testing

@testable import Gateway

@Suite struct DescriptorBudgetTests {
    private func budget(_ limit: Int?, clustered: Bool = false, exporters: Int = 2, workers: Int = 2) -> DescriptorBudget {
        DescriptorBudget(
            limit: limit, workers: workers, listeners: 2, exporters: exporters, isClustered: clustered, hasHealthCheck: true)
    }

    /// All parts together never need more than there is, unless the limit is absurd.
    @Test(arguments: [160, 256, 1024, 4096, 65_536, 1 << 20]) func everythingFits(limit: Int) throws {
        for clustered in [false, true] {
            let made = budget(limit, clustered: clustered)
            let clients = try #require(made.clients)
            let taken = made.parts.reduce(0) { $0 + $1.count }
            #expect(clients >= 16)
            #expect(taken + clients <= limit)
            #expect(made.admin >= 4 && made.admin <= AdminLimits().connections)
            #expect((made.peers > 0) == clustered)
        }
    }

    @Test func aTightLimitIsWarnedOf() {
        #expect(budget(256).warning?.contains("limit of 256 file descriptors") == true)
        #expect(budget(65_536).warning == nil)
        #expect(budget(nil).warning == nil && budget(nil).clients == nil)
        // However many exporters there are, somebody can connect.
        #expect(budget(64, exporters: 100).clients == 16)
    }

    @Test func exportersAndWorkersTakeFromTheClients() throws {
        let few = try #require(budget(1024).clients)
        #expect(try #require(budget(1024, exporters: 10).clients) == few - 4 * 8)
        #expect(try #require(budget(1024, workers: 8).clients) == few - 3 * 6)
    }
}
