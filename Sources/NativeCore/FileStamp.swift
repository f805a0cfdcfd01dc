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

    /// Looks at what the path leads to, through symbolic links. Opens nothing, so that a pipe or a device costs no wait.
    package init(path: String) throws(FileError) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { throw FileError(code: errno) }
        self.init(status)
    }

    init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        changed = Int64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_ctim.tv_nsec)
    }
}
