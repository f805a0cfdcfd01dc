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

    /// Bytes of one write, at most.
    fileprivate static let writeBytes = 256 << 10
    /// No frame is begun behind this: `HTTP2Settings.sendFrameBytes` and a header have room.
    private static let fillBytes = writeBytes - (64 << 10) - 16
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
    /// - Throws: when the session is beyond use.
    package static func frames(
        _ session: inout HTTP2Session, _ allocator: ByteBufferAllocator, expected: Int = 0
    ) throws(HTTP2SessionError) -> ByteBuffer? {
        var buffer = allocator.buffer(capacity: capacity(expected))
        return try fill(&buffer, from: &session) == 0 ? nil : buffer
    }

    /// - Parameter expected: how many bytes of bodies wait in a session, so that its buffer need not grow step by step.
    fileprivate static func capacity(_ expected: Int) -> Int { min(1024 + expected + expected >> 8, writeBytes) }

    fileprivate static func fill(_ buffer: inout ByteBuffer, from session: inout HTTP2Session) throws(HTTP2SessionError) -> Int {
        try session.output(limit: fillBytes) { frame in _ = buffer.writeBytes(frame) }
    }
}

/// Where the connections of one loop that send much put their frames: memory that the processor has at hand, instead of some from
/// the allocator for every write (7 % of what three nodes cost flat out).
///
/// Shares its storage with what was written last, and has it alone again when that is out; what a slow peer has not taken keeps its
/// own. Holds at most 256 KiB. Confined to its loop.
package final class FrameBuffer {
    private var buffer = ByteBuffer()

    package init() {}

    /// The next frames of a session, as `HTTP2Pump.frames`.
    package func frames(_ session: inout HTTP2Session, expected: Int) throws(HTTP2SessionError) -> ByteBuffer? {
        buffer.clear(minimumCapacity: HTTP2Pump.capacity(expected))
        return try HTTP2Pump.fill(&buffer, from: &session) == 0 ? nil : buffer
    }
}
