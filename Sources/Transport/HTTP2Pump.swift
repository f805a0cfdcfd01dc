package import NIOCore
package import NativeCore

/// Moves a session's output into a channel as fast as the peer takes it, and no faster.
///
/// Pending output stays inside the session (a few hundred bytes per open stream, or the unsent part of a request) until the
/// channel is writable again, so a peer that does not read costs a bounded amount.
package enum HTTP2Pump {
    /// Frames are gathered into writes of about this size.
    private static let writeBytes = 256 << 10

    /// Writes what the session has to say. Returns false when the session is beyond use.
    package static func pump(_ session: inout HTTP2Session, _ context: ChannelHandlerContext) -> Bool {
        var wrote = false
        defer { if wrote { context.flush() } }
        while context.channel.isWritable {
            var buffer = context.channel.allocator.buffer(capacity: 1024)
            do {
                let count = try session.output(limit: writeBytes) { frame in
                    _ = buffer.writeBytes(frame)
                }
                if count == 0 { return true }
            } catch {
                return false
            }
            wrote = true
            context.write(NIOAny(buffer), promise: nil)
        }
        return true
    }
}
