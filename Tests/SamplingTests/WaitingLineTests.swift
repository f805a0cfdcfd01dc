import TestSupport
import Testing

@testable import Sampling

@Suite struct WaitingLineTests {
    @Test(arguments: 0..<20 as Range<UInt64>) func isFirstInFirstOutAndMovesEachOnce(seed: UInt64) {
        var random = SeededGenerator(seed)
        var line = WaitingLine<Int>()
        var model: [Int] = []
        var put = 0
        var wrong = 0
        for _ in 0..<3000 {
            if random.chance(52) {
                line.append(put)
                model.append(put)
                put += 1
            } else if line.popFirst() != (model.isEmpty ? nil : model.removeFirst()) {
                wrong += 1
            }
            if line.count != model.count || line.isEmpty != model.isEmpty || Array(line.waiting) != model { wrong += 1 }
            if let first = model.first, line.first != first { wrong += 1 }
        }
        #expect(wrong == 0 && line.movedElements <= put)
    }
}
