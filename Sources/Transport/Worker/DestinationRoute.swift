internal import Delivery
internal import NIOCore
internal import Synchronization

/// A worker's way to a destination that lives on some worker's loop.
package struct DestinationRoute: Sendable {
    private let home: NIOLoopBound<Destination>
    private let fullness: DestinationFullness
    private let homeLoop: any EventLoop

    /// Call on the destination's loop.
    package init(_ destination: Destination) {
        home = NIOLoopBound(destination, eventLoop: destination.eventLoop)
        homeLoop = destination.eventLoop
        fullness = destination.fullness
    }

    /// Whether the destination's queue has no room, as far as is known.
    var isFull: Bool { fullness.isFull }

    /// Hands a request over; the spans count as taken by the destination when it has them.
    ///
    /// - Parameter loop: on which this is called.
    func deliver(_ request: ExportRequest, from loop: any EventLoop) {
        if homeLoop === loop {
            home.value.take(request)
        } else {
            let home = home
            homeLoop.execute { home.value.take(request) }
        }
    }
}

/// Whether a destination's queue is full: written by its home, read by all workers.
package final class DestinationFullness: Sendable {
    private let flag = Atomic<Bool>(false)

    var isFull: Bool {
        get { flag.load(ordering: .relaxed) }
    }

    func set(_ isFull: Bool) { flag.store(isFull, ordering: .relaxed) }
}
