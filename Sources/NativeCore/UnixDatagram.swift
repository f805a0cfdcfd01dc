internal import Glibc

/// Sends single datagrams to a Unix domain socket, as the notify protocol of service managers has it.
package enum UnixDatagram {
    /// Bytes of a socket's path at most, the closing NUL included: `sizeof(sockaddr_un.sun_path)`.
    package static let maximumPathBytes = 108

    /// Sends `bytes` as one datagram. Blocks for a second at most.
    ///
    /// - Parameter path: a path in the file system, or `@name` for a socket in the abstract namespace.
    /// - Throws: the system's error number: ENAMETOOLONG for a path that is too long, EINVAL for an empty one or one with a NUL
    ///   in it, ENOENT or ECONNREFUSED if nobody listens, EAGAIN if the receiver's queue stays full.
    package static func send(_ bytes: Span<UInt8>, to path: String) throws(FileError) {
        var name = Array(path.utf8)
        guard !name.isEmpty, !name.contains(0), name != [UInt8(ascii: "@")] else { throw FileError(code: EINVAL) }
        guard name.count < maximumPathBytes else { throw FileError(code: ENAMETOOLONG) }
        // An abstract name starts with a NUL and ends with its length; a path ends with a NUL.
        if name[0] == UInt8(ascii: "@") { name[0] = 0 } else { name.append(0) }

        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        if descriptor < 0 { throw FileError(code: errno) }
        defer { close(descriptor) }
        var patience = timeval(tv_sec: 1, tv_usec: 0)
        _ = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))

        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size - maximumPathBytes + name.count)
        while true {
            let sent = unsafe bytes.withUnsafeBytes { message in
                unsafe withUnsafePointer(to: address) { pointer in
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe sendto(descriptor, message.baseAddress, message.count, Int32(MSG_NOSIGNAL), $0, length)
                    }
                }
            }
            if sent >= 0 { return }
            if errno != EINTR { throw FileError(code: errno) }
        }
    }
}
