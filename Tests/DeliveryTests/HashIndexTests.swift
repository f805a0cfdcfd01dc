import Telemetry
import Testing

@testable import Delivery

@Suite struct HashIndexTests {
    @Test func findsEveryEntryOfAHash() {
        var table = HashIndex(minimumSlots: 16)
        for index in 0..<3000 as Range<Int32> { table.insert(UInt64(index) % 700, index: index) }
        var found: [Int32] = []
        var cursor = table.start(5)
        while let index = table.next(5, cursor: &cursor) { found.append(index) }
        #expect(found.sorted() == [5, 705, 1405, 2105, 2805])
        table.removeAll()
        cursor = table.start(5)
        let nothing = table.next(5, cursor: &cursor)
        #expect(nothing == nil)
        table.insert(5, index: 9)
        cursor = table.start(5)
        let again = table.next(5, cursor: &cursor)
        #expect(again == 9)
    }
}
