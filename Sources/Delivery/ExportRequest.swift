import Synchronization

/// How the bytes of a request are coded on the wire.
package enum Coding: Sendable, Equatable, CaseIterable {
    /// As they are.
    case identity
    /// RFC 1952.
    case gzip
}

/// One export request: immutable bytes that all destinations share.
///
/// Every destination's queue holds a reference; the bytes live until the last one is done. A coded form is made once, by the
/// first destination that wants it, and shared like the message (`ExportRequest+Forms`).
package final class ExportRequest: Sendable {
    /// `ExportTraceServiceRequest`, uncompressed protobuf.
    package let identity: [UInt8]
    /// Spans in the message.
    package let spanCount: Int
    /// Traces in the message.
    package let traceCount: Int
    /// Number given by the worker, rising; halves of a split request keep their parent's.
    package let sequence: UInt64
    /// When it was assembled, in nanoseconds.
    package let createdAt: Int64

    /// Coded forms and who holds the request. Locked for a few instructions at a time, never while bytes are coded.
    let shared = Mutex(Shared())

    /// Wraps an assembled message.
    ///
    /// A message whose array has much more room than it needs is copied, so that a queue holds what it counts.
    package init(
        identity: [UInt8], spanCount: Int, traceCount: Int, sequence: UInt64, createdAt: Int64
    ) {
        self.identity = Self.exact(identity)
        self.spanCount = spanCount
        self.traceCount = traceCount
        self.sequence = sequence
        self.createdAt = createdAt
    }

    /// Wraps what `BatchAssembler.flush()` returned.
    package convenience init(_ batch: AssembledBatch, sequence: UInt64, createdAt: Int64) {
        self.init(
            identity: batch.message, spanCount: batch.spans, traceCount: batch.traces,
            sequence: sequence, createdAt: createdAt)
    }

    /// Bytes that the allocator holds for the message and its coded form.
    package var heldBytes: Int { shared.withLock { heldBytes($0) } }

    /// A queue holds this request from now on, and is charged for it.
    func hold(by charge: QueueCharge) {
        shared.withLock { shared in
            shared.holders.append(charge)
            charge.add(heldBytes(shared))
        }
    }

    /// A queue has done with this request.
    func release(by charge: QueueCharge) {
        shared.withLock { shared in
            guard let index = shared.holders.firstIndex(where: { $0 === charge }) else { return }
            shared.holders.remove(at: index)
            charge.add(-heldBytes(shared))
        }
    }

    private func heldBytes(_ shared: Shared) -> Int { allocatedBytes(of: identity) + shared.formBytes }

    /// The allocator's size classes are up to a quarter apart (jemalloc), so an exact array has that much room at most.
    private static func exact(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.capacity > bytes.count + bytes.count / 4 + 4096 else { return bytes }
        var copy: [UInt8] = []
        copy.reserveCapacity(bytes.count)
        copy.append(contentsOf: bytes)
        return copy
    }
}

/// Bytes that the allocator holds for an array: its room and its header. An empty one holds none.
func allocatedBytes(of array: [UInt8]) -> Int { array.capacity == 0 ? 0 : array.capacity + 32 }
