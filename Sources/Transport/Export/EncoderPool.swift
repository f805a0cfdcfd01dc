package import Delivery
package import NIOCore
internal import NIOPosix
internal import NativeCore
internal import Synchronization

/// Threads that bring messages into their coding, so that no event loop waits for it: compressing takes 10 ms for a megabyte,
/// in which nobody's request would be answered.
///
/// Shared by all destinations and peers of a node. What waits here is bounded by those who ask: a destination has
/// `num_consumers` requests under way at most, a peer `ClusterSettings.maximumInFlight`. Each thread holds a coder (340 KB)
/// and what it is making.
package final class EncoderPool: Sendable {
    /// A coder that one thread uses at a time.
    private final class Encoder: Sendable {
        /// Made when it is first used.
        let deflater = Mutex<Deflater?>(nil)
    }

    /// Messages up to this size are compressed where they are: that holds a loop for 34 us at most (measured: 12 us for
    /// 512 bytes, 34 for 4 KiB, 94 for 16 KiB, 834 for 64 KiB; to a thread and back 6 us of work), and they need not wait for
    /// a thread that is busy with a large one.
    package static let inPlaceBytes = 4096

    private let threads: NIOThreadPool
    private let idle: Mutex<[Encoder]>

    /// - Parameter threads: how many messages are coded at a time.
    package init(threads count: Int) {
        threads = NIOThreadPool(numberOfThreads: max(1, count))
        idle = Mutex((0..<max(1, count)).map { _ in Encoder() })
        threads.start()
    }

    /// Makes the form of a request that `ExportRequest.use` asked for; whoever waits for it is called from a thread of the
    /// pool.
    package func make(_ request: ExportRequest) {
        threads.submit { [self] state in
            guard state == .active else { return }
            request.make { encode($0) }
        }
    }

    /// Compresses a message, and calls `done` on `loop` with the form: the message itself, if it would not be smaller.
    package func encode(_ message: [UInt8], on loop: any EventLoop, _ done: @escaping (EncodedForm) -> Void) {
        let form = threads.runIfActive(eventLoop: loop) { [self] in
            let bytes = encode(message.span)
            return bytes.count < message.count
                ? EncodedForm(coding: .gzip, bytes: bytes) : EncodedForm(coding: .identity, bytes: message)
        }
        form.assumeIsolated().whenComplete { result in
            // The pool has ended before the work began: the message can go as it is.
            done((try? result.get()) ?? EncodedForm(coding: .identity, bytes: message))
        }
    }

    /// Runs something that takes long on a thread of the pool, and calls `done` on `loop` with what it gave; nil if the pool
    /// has ended.
    package func run<Value: Sendable>(
        on loop: any EventLoop, _ work: @escaping @Sendable () -> Value, _ done: @escaping (Value?) -> Void
    ) {
        threads.runIfActive(eventLoop: loop, work).assumeIsolated().whenComplete { done(try? $0.get()) }
    }

    private func encode(_ message: Span<UInt8>) -> [UInt8] {
        // As many encoders as threads.
        let encoder = idle.withLock { $0.popLast() } ?? Encoder()
        defer { idle.withLock { $0.append(encoder) } }
        return encoder.deflater.withLock { deflater in
            if deflater == nil { deflater = Deflater() }
            return deflater?.gzip(message) ?? []
        }
    }

    /// Ends the threads when what they are doing is done; what waits is not done any more.
    package func shutdown() async { try? await threads.shutdownGracefully() }
}
