/// How much room a body that is coming in gets, in steps.
///
/// A body is one array. Until it is whole, its room on the heap is doubled when it is nearly full, but never beyond the length that
/// the body says it has; so what is reserved is at most twice what has come, or the first step.
package enum BodyRoom {
    /// Bodies with at least this much room are moved before they are full, so that memory can be asked for first; smaller ones grow
    /// when they are full, by themselves.
    private static let ahead = 1 << 20
    /// What one read from a socket brings, at most.
    private static let read = 256 << 10

    /// The room that a body needs next; nil: it has enough for now.
    /// - Parameters:
    ///   - count: bytes that have come.
    ///   - capacity: bytes that there is room for.
    ///   - declared: the length that the body says it has; nil if it does not.
    package static func next(count: Int, capacity: Int, declared: Int?) -> Int? {
        guard count > mark(capacity: capacity, declared: declared) else { return nil }
        guard let declared, declared >= count else { return 2 * capacity }
        // Not a step that leaves a small rest for another.
        return declared < capacity / 4 * 9 ? declared : 2 * capacity
    }

    /// With more bytes than this, a body needs another step.
    package static func mark(capacity: Int, declared: Int?) -> Int {
        if let declared, declared <= capacity { return capacity }
        return capacity < ahead ? capacity : capacity - read
    }
}
