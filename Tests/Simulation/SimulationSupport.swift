import OTLP
import TestSupport

extension SeededGenerator {
    /// Nanoseconds between two numbers of milliseconds.
    mutating func milliseconds(_ range: ClosedRange<Int>) -> Int64 {
        Int64(range.lowerBound) * 1_000_000 + Int64(next() % UInt64((range.count) * 1_000_000))
    }
}

let millisecond: Int64 = 1_000_000
let second: Int64 = 1_000_000_000

/// A queue of things to do, by time; those of one time in the order in which they were put in.
struct EventQueue {
    private struct Entry {
        var at: Int64
        var order: UInt64
        var action: () -> Void
    }

    private var heap: [Entry] = []
    private var order: UInt64 = 0

    var nextTime: Int64? { heap.first?.at }
    var isEmpty: Bool { heap.isEmpty }

    private func isBefore(_ left: Int, _ right: Int) -> Bool {
        heap[left].at == heap[right].at ? heap[left].order < heap[right].order : heap[left].at < heap[right].at
    }

    mutating func add(at: Int64, _ action: @escaping () -> Void) {
        order += 1
        heap.append(Entry(at: at, order: order, action: action))
        var child = heap.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> (at: Int64, action: () -> Void)? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) { least = child }
                if least == parent { break }
                heap.swapAt(parent, least)
                parent = least
            }
        }
        return (first.at, first.action)
    }
}

/// A span of the workload. Its message has the ids at fixed places, so that they are found again at the destination.
struct WorkSpan {
    var trace: TraceID
    var id: UInt64
    var isError: Bool
    var service: Int

    var bytes: [UInt8] {
        var bytes: [UInt8] = [0x0a, 16]
        bytes += trace.bytes
        bytes += [0x12, 8]
        for shift in stride(from: UInt64(56), through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: id >> shift)) }
        bytes += [0x2a, 4, 110, 97, 109, 101]
        if isError { bytes += [0x7a, 2, 0x18, 2] }
        return bytes
    }

    /// The id of a span made by `bytes`.
    static func id(of span: Span<UInt8>) -> UInt64 {
        guard span.count >= 28 else { return 0 }
        var id: UInt64 = 0
        for offset in 20..<28 { id = id << 8 | UInt64(span[offset]) }
        return id
    }
}

/// An OTLP request of these spans, one ResourceSpans for each service.
func encode(_ spans: [WorkSpan]) -> [UInt8] {
    var output: [UInt8] = []
    for service in Set(spans.map(\.service)).sorted() {
        var scope: [UInt8] = [0x0a, 3, 0x0a, 1, 115]
        for span in spans where span.service == service { scope.appendField(2, bytes: span.bytes) }
        let name = Array("service-\(service)".utf8)
        var value: [UInt8] = []
        value.appendField(1, bytes: name)
        var attribute: [UInt8] = []
        attribute.appendField(1, bytes: Array("service.name".utf8))
        attribute.appendField(2, bytes: value)
        var resource: [UInt8] = []
        resource.appendField(1, bytes: attribute)
        var message: [UInt8] = []
        message.appendField(1, bytes: resource)
        message.appendField(2, bytes: scope)
        output.appendField(1, bytes: message)
    }
    return output
}
