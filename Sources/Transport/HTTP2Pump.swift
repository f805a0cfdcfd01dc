package import NIOCore
package import NativeCore

/// Moves a session's output into a channel as fast as the peer takes it, and no faster.
///
/// Pending output stays inside the session (a few hundred bytes per open stream, or the unsent part of a request) until the
/// channel is writable again, so a peer that does not read costs a bounded amount.
///
/// Writing to a channel may call its handler back (writability, closing), so the session is never held meanwhile: the owner
/// takes frames, then writes them. `HTTP2Pump` remembers that it is at work, and a call from within does nothing.
package struct HTTP2Pump {
    /// Frames are gathered into writes of about this size.
    private static let writeBytes = 256 << 10
    private var isAtWork = false

    package init() {}

    /// Whether the owner may begin; it must call `end()` when it is done.
    package mutating func begin() -> Bool {
        if isAtWork { return false }
        isAtWork = true
        return true
    }

    package mutating func end() { isAtWork = false }

    /// The next frames of a session, or nil when it has nothing to say.
    ///
    /// - Throws: when the session is beyond use.
    package static func frames(
        _ session: inout HTTP2Session, _ allocator: ByteBufferAllocator
    ) throws(HTTP2SessionError) -> ByteBuffer? {
        var buffer = allocator.buffer(capacity: 1024)
        let count = try session.output(limit: writeBytes) { frame in _ = buffer.writeBytes(frame) }
        return count == 0 ? nil : buffer
    }
}
