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
/// Every destination's queue holds a reference; the bytes live until the last one is done. The
/// gzip form is made once, by the first destination that wants it.
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

    private let gzip = Mutex<[UInt8]?>(nil)

    /// Wraps an assembled message.
    package init(
        identity: [UInt8], spanCount: Int, traceCount: Int, sequence: UInt64, createdAt: Int64
    ) {
        self.identity = identity
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

    /// The bytes in the given coding; they share storage with this object.
    ///
    /// - Parameter compress: called at most once per request, for the first use of gzip. It runs
    ///   under the request's lock: a second destination that wants the same form waits for it
    ///   rather than compressing again, which would take as long.
    package func encoded(_ coding: Coding, using compress: (Span<UInt8>) -> [UInt8]) -> [UInt8] {
        switch coding {
        case .identity:
            return identity
        case .gzip:
            return gzip.withLock { form in
                if let form { return form }
                let bytes = identity
                let made = compress(bytes.span)
                form = made
                return made
            }
        }
    }

    /// Bytes of the gzip form, or 0 while nobody has asked for it.
    package var gzipBytes: Int { gzip.withLock { $0?.count ?? 0 } }
}
