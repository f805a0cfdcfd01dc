internal import Glibc

/// Which file a path leads to, and whether it was changed since: equal stamps mean the same content, but for changes within one tick
/// of the file system's clock that leave the size as it was.
package struct FileStamp: Sendable, Equatable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    /// Nanoseconds since 1970, of the content and of the inode.
    private let modified: Int64
    private let changed: Int64

    /// Looks at what the path leads to, through symbolic links.
    package init(path: String) throws(FileError) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw FileError(code: errno) }
        self.init(status)
    }

    fileprivate init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        changed = Int64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_ctim.tv_nsec)
    }
}

/// A file that is read whole. Calls block.
package struct WholeFile: Sendable {
    package let bytes: [UInt8]
    /// Nil if it was changed while it was read.
    package let stamp: FileStamp?

    /// Reads at most `limit` bytes of a regular file; one more than the caller allows tells it that the file is too large.
    package init(path: String, limit: Int) throws(FileError) {
        // Without O_NONBLOCK opening a pipe would wait for its writer.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileError(code: errno) }
        defer { close(descriptor) }
        let before = try Self.status(descriptor)
        guard before.st_mode & S_IFMT == S_IFREG else {
            throw FileError(code: before.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
        }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while content.count < limit {
            let wanted = min(chunk.count, limit - content.count)
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, wanted) }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(code: errno)
            }
            if count == 0 { break }
            content += chunk[..<count]
        }
        bytes = content
        let (first, second) = (FileStamp(before), FileStamp(try Self.status(descriptor)))
        stamp = first == second ? first : nil
    }

    private static func status(_ descriptor: Int32) throws(FileError) -> stat {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileError(code: errno) }
        return status
    }
}
