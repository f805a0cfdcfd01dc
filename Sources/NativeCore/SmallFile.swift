internal import Glibc

/// What tells one state of a file from the next without reading it: if any of this differs, the content may differ.
package struct FileSignature: Sendable, Equatable {
    package var device: UInt64
    package var inode: UInt64
    package var size: Int64
    /// Last change of content, and last change of anything about it; nanoseconds since 1970.
    package var modified: Int64
    package var changed: Int64
}

/// Small files read whole: certificates, keys, tokens. Calls block: not for an event loop.
package enum SmallFile {
    /// The content of a regular file.
    ///
    /// Symbolic links are followed, as Kubernetes mounts secrets behind them. Pipes, devices and directories are refused
    /// without waiting for them.
    /// - Throws: the system's error number; `EISDIR` for a directory, `EINVAL` for what is no file, `EFBIG` if it has more
    ///   than `limit` bytes.
    package static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0 { throw FileError(code: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileError(code: errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw FileError(code: EISDIR)
        default: throw FileError(code: EINVAL)
        }
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = unsafe piece.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(code: errno)
            }
            if count == 0 { return content }
            if content.count + count > limit { throw FileError(code: EFBIG) }
            content.append(contentsOf: piece[..<count])
        }
    }

    /// The signature of what the path leads to now; nil if it leads nowhere.
    package static func signature(_ path: String) -> FileSignature? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        return FileSignature(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
            modified: nanoseconds(status.st_mtim), changed: nanoseconds(status.st_ctim))
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
