/// A queue: first in, first out, amortized O(1) both ways, in one array.
///
/// What has left stays at the front of the array until it is the larger part; then the rest moves up.
struct WaitingLine<Element> {
    private var elements: [Element] = []
    private var start = 0
    /// How many elements were moved within the array since the beginning: never more than were put in.
    private(set) var movedElements = 0

    var count: Int { elements.count - start }
    var isEmpty: Bool { start == elements.count }

    /// Those that wait, first one first.
    var waiting: ArraySlice<Element> { elements[start...] }

    /// The first in the line; the line must not be empty.
    var first: Element {
        _read { yield elements[start] }
        _modify { yield &elements[start] }
    }

    mutating func append(_ element: Element) { elements.append(element) }

    /// Takes the first out; nil if there is none.
    mutating func popFirst() -> Element? {
        guard start < elements.count else { return nil }
        let first = elements[start]
        start += 1
        if start == elements.count {
            elements.removeAll(keepingCapacity: elements.capacity <= 1024)
            start = 0
        } else if start >= 32 && start * 2 > elements.count {
            movedElements += elements.count - start
            elements.removeFirst(start)
            start = 0
        }
        return first
    }
}
