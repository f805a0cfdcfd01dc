internal import Glibc

/// What `AppendFile` asks of a file. Used by one thread at a time.
package protocol AppendTarget: AnyObject {
    /// Bytes of a regular file; nil for what has no size, such as a pipe.
    func size() throws(FileError) -> Int?
    /// The last byte of a regular file that is not empty.
    func lastByte() throws(FileError) -> UInt8
    /// Appends at least one byte of `bytes`, which are not none; returns how many.
    func write(_ bytes: Span<UInt8>) throws(FileError) -> Int
    /// Cuts a regular file.
    func truncate(to size: Int) throws(FileError)
}

/// An open file of the system.
final class DescriptorTarget: AppendTarget {
    /// How long one write waits for a pipe or a terminal that takes nothing, milliseconds. The line is offered again later; who stops a
    /// node does not wait longer than this.
    private static let patience: Int32 = 200

    private let descriptor: Int32
    private let isRegular: Bool

    init(path: String, truncates: Bool) throws(FileError) {
        if path.utf8.contains(0) { throw FileError(code: ENOENT) }
        // Reading too, for the last byte, unless the file may only be written. O_APPEND throughout: who empties the file from outside
        // gets no hole of zeros in it.
        let flags = O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_APPEND | (truncates ? O_TRUNC : 0)
        var status = stat()
        let isOther = unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT != S_IFREG
        var opened = unsafe open(path, flags | (isOther || truncates ? O_WRONLY : O_RDWR), 0o644)
        if opened < 0, errno == EACCES, !isOther, !truncates { opened = unsafe open(path, flags | O_WRONLY, 0o644) }
        if opened < 0 { throw FileError(code: errno) }
        guard unsafe fstat(opened, &status) == 0 else {
            let code = errno
            close(opened)
            throw FileError(code: code)
        }
        descriptor = opened
        isRegular = status.st_mode & S_IFMT == S_IFREG
    }

    deinit { close(descriptor) }

    func size() throws(FileError) -> Int? {
        guard isRegular else { return nil }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileError(code: errno) }
        return Int(status.st_size)
    }

    func lastByte() throws(FileError) -> UInt8 {
        guard let size = try size(), size > 0 else { return UInt8(ascii: "\n") }
        var byte: UInt8 = 0
        while true {
            let count = unsafe withUnsafeMutableBytes(of: &byte) { unsafe pread(descriptor, $0.baseAddress, 1, size - 1) }
            // A file that may only be written does not tell. A line feed too many is an empty line; one too few, a broken one.
            if count < 0, errno == EBADF { return 0 }
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw FileError(code: errno) }
            return count == 1 ? byte : UInt8(ascii: "\n")
        }
    }

    func write(_ bytes: Span<UInt8>) throws(FileError) -> Int {
        var hasWaited = false
        while true {
            let count = unsafe bytes.withUnsafeBufferPointer { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { return count }
            // Zero bytes of some is no answer that a regular file may give.
            let code = count == 0 ? EIO : errno
            if code == EINTR { continue }
            guard code == EAGAIN, !hasWaited else { throw FileError(code: code) }
            hasWaited = true
            var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = unsafe poll(&request, 1, Self.patience)
        }
    }

    func truncate(to size: Int) throws(FileError) {
        while ftruncate(descriptor, size) != 0 {
            if errno != EINTR { throw FileError(code: errno) }
        }
    }
}
