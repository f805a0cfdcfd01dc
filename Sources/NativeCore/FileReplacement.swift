internal import Glibc

/// A file that is written beside its place and put there when it is whole: whoever looks at the path finds the old file, the new one,
/// or none, but never a part of one. For what commands write. Calls block; use it from one thread at a time.
///
/// The new file gets the old one's permissions, and stands where a symbolic link leads, not in its place. What is no regular file (a
/// terminal, `/dev/null`, a pipe) has nothing to keep: it is written to directly.
package final class FileReplacement {
    package let path: String
    /// Where the bytes are until `commit`; the path itself if there is nothing to be replaced.
    package let partialPath: String
    private let finalPath: String
    private let mode: mode_t?
    private var descriptor: Int32
    private var isDirect: Bool { partialPath == finalPath }

    /// Creates the file beside its place.
    package init(path: String) throws(FileError) {
        if path.isEmpty || path.utf8.contains(0) { throw FileError(code: ENOENT) }
        self.path = path
        var status = stat()
        let exists = unsafe stat(path, &status) == 0
        if exists, status.st_mode & S_IFMT != S_IFREG {
            finalPath = path
            partialPath = path
            mode = nil
            // ENXIO for a pipe that nobody reads, where the call would wait otherwise.
            descriptor = unsafe open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
            if descriptor < 0 { throw FileError(code: errno) }
            _ = fcntl(descriptor, F_SETFL, 0)
            return
        }
        finalPath = exists ? Self.resolved(path) : path
        mode = exists ? status.st_mode & 0o7777 : nil
        let place = finalPath
        for attempt in 0..<100 {
            let name = "\(place).\(getpid())\(attempt == 0 ? "" : "-\(attempt)").partial"
            let opened = unsafe open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            if opened >= 0 {
                descriptor = opened
                partialPath = name
                return
            }
            if errno != EEXIST { throw FileError(code: errno) }
        }
        throw FileError(code: EEXIST)
    }

    deinit { abandon(keepsPartial: false) }

    /// Writes all of `bytes`. After an error the file is good for nothing but `abandon`.
    package func append(_ bytes: Span<UInt8>) throws(FileError) {
        var offset = 0
        while offset < bytes.count {
            let rest = bytes.extracting(offset...)
            let count = unsafe rest.withUnsafeBufferPointer { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { throw FileError(code: count < 0 ? errno : EIO) }
            offset += count
        }
    }

    /// Puts the file in its place. It is on the disk then, as far as the system knows. After an error it can be abandoned.
    package func commit() throws(FileError) {
        if !isDirect {
            if let mode { _ = fchmod(descriptor, mode) }
            // Some file systems tell of a full disk only now.
            if fsync(descriptor) != 0 { throw FileError(code: errno) }
            if unsafe rename(partialPath, finalPath) != 0 { throw FileError(code: errno) }
        }
        close(descriptor)
        descriptor = -1
    }

    /// Gives up: what stood at the path stays. Does nothing after `commit`.
    /// - Parameter keepsPartial: what was written stays at `partialPath`.
    package func abandon(keepsPartial: Bool) {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
        if !keepsPartial, !isDirect { unsafe _ = unlink(partialPath) }
    }

    /// Writes a whole file.
    package static func write(_ bytes: Span<UInt8>, to path: String) throws(FileError) {
        let file = try FileReplacement(path: path)
        try file.append(bytes)
        try file.commit()
    }

    private static func resolved(_ path: String) -> String {
        guard let name = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(name) }
        return unsafe String(cString: name)
    }
}
