package import NIOCore
package import NativeCore

/// Moves a session's output into a channel as fast as the peer takes it, and no faster.
///
/// Pending output stays inside the session (a few hundred bytes per open stream, or the unsent part of a request) until the
/// channel is writable again, so a peer that does not read costs a bounded amount.
///
/// Writing to a channel may call its handler back (writability, closing), so the session is never held meanwhile: frames are taken
/// from it, then written. A call from within such a callback does nothing.
package final class HTTP2Pump {
    /// What a run found.
    package enum Outcome {
        /// Everything is written, or the peer takes no more for now.
        case done
        /// A run is under way already, further up the stack.
        case busy
        /// The session is beyond use.
        case broken
    }

    /// Frames are gathered into writes of about this size.
    private static let writeBytes = 256 << 10
    private var isAtWork = false

    package init() {}

    /// Writes what the session has to say.
    ///
    /// - Parameter next: takes the next frames from the session; see `frames`.
    package func run(
        _ context: ChannelHandlerContext, _ next: () throws(HTTP2SessionError) -> ByteBuffer?
    ) -> Outcome {
        if isAtWork { return .busy }
        isAtWork = true
        defer { isAtWork = false }
        var wrote = true
        while wrote {
            wrote = false
            while context.channel.isWritable {
                do {
                    guard let frames = try next() else { break }
                    context.write(NIOAny(frames), promise: nil)
                    wrote = true
                } catch {
                    return .broken
                }
            }
            // What the flush lets out may make room for more.
            if wrote { context.flush() }
        }
        return .done
    }

    /// The next frames of a session, or nil when it has nothing to say.
    ///
    /// - Parameter expected: how many bytes of bodies wait in it, so that the buffer need not grow step by step.
    /// - Throws: when the session is beyond use.
    package static func frames(
        _ session: inout HTTP2Session, _ allocator: ByteBufferAllocator, expected: Int = 0
    ) throws(HTTP2SessionError) -> ByteBuffer? {
        var buffer = allocator.buffer(capacity: 1024 + min(expected + expected >> 8, writeBytes))
        let count = try session.output(limit: writeBytes) { frame in _ = buffer.writeBytes(frame) }
        return count == 0 ? nil : buffer
    }
}
