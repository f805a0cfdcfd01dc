package import NIOCore
package import NativeCore

/// Moves a session's output into a channel as fast as the peer takes it, and no faster.
///
/// Pending output stays inside the session (a few hundred bytes per open stream, or the unsent part of a request) until the
/// channel is writable again, so a peer that does not read costs a bounded amount.
package enum HTTP2Pump {
    /// Frames are gathered into writes of about this size.
    private static let writeBytes = 256 << 10

    /// Writes what the session has to say, without flushing it.
    ///
    /// Flush when this has returned, if it wrote: a flush may make the channel writable and call the handler back on the
    /// spot, which pumps again, and the session must not be borrowed any more by then.
    /// - Returns: `isUsable` is false when the session is beyond use.
    package static func write(
        _ session: inout HTTP2Session, _ context: ChannelHandlerContext
    ) -> (isUsable: Bool, wrote: Bool) {
        var wrote = false
        while context.channel.isWritable {
            var buffer = context.channel.allocator.buffer(capacity: 1024)
            do {
                let count = try session.output(limit: writeBytes) { frame in
                    _ = buffer.writeBytes(frame)
                }
                if count == 0 { return (true, wrote) }
            } catch {
                return (false, wrote)
            }
            wrote = true
            context.write(NIOAny(buffer), promise: nil)
        }
        return (true, wrote)
    }
}
