internal import Glibc

/// A regular file that was read whole: the one way in which configurations, policies, certificates, keys, tokens and lists of
/// members are read.
///
/// Symbolic links are followed, as Kubernetes mounts secrets and configurations behind them. Pipes, sockets, devices and directories
/// are refused without being opened, so that nobody waits for a writer that never comes. A file that has more than the limit, grows
/// beyond it while it is read, or never ends costs the limit at most. Calls block for as long as the disk does: not for an event loop.
package struct RegularFile: Sendable {
    package let bytes: [UInt8]
    /// Nil if the file was changed while it was read.
    package let stamp: FileStamp?

    /// - Parameter limit: bytes that the file may have.
    package init(path: String, limit: Int) throws(FileReadError) {
        let (descriptor, before) = try OpenRegularFile.open(path)
        defer { close(descriptor) }
        if Int(before.st_size) > limit { throw .tooLarge(limit: limit) }
        bytes = try OpenRegularFile.readAll(descriptor, limit: limit)
        var after = stat()
        guard unsafe fstat(descriptor, &after) == 0 else { throw .system(errno) }
        let (first, second) = (FileStamp(before), FileStamp(after))
        stamp = first == second ? first : nil
    }

    /// The content alone.
    package static func read(_ path: String, limit: Int) throws(FileReadError) -> [UInt8] {
        try RegularFile(path: path, limit: limit).bytes
    }
}

/// A regular file, or standard input, that is read piece by piece. Closed when it is released. Calls block.
package final class FileReader {
    /// Bytes that the file had when it was opened; nil for standard input. What is appended meanwhile is not read, so that reading ends.
    package let size: Int?
    /// Bytes that were read.
    package private(set) var position = 0
    private let descriptor: Int32

    /// Opens a regular file; anything else is refused without being opened.
    package init(path: String) throws(FileReadError) {
        let (descriptor, status) = try OpenRegularFile.open(path)
        self.descriptor = descriptor
        size = Int(status.st_size)
    }

    private init(standardInput: Void) {
        descriptor = STDIN_FILENO
        size = nil
    }

    /// What comes on standard input, whatever it is: for commands that are given `-` in place of a path.
    package static func standardInput() -> FileReader { FileReader(standardInput: ()) }

    deinit { if descriptor != STDIN_FILENO { close(descriptor) } }

    /// The next bytes, at most `count`; empty at the end.
    package func next(_ count: Int) throws(FileReadError) -> [UInt8] {
        let wanted = size.map { min(count, max(0, $0 - position)) } ?? count
        let piece = try OpenRegularFile.readSome(descriptor, wanted)
        position += piece.count
        return piece
    }

    /// All that is left.
    package func readAll(limit: Int) throws(FileReadError) -> [UInt8] {
        let content = try OpenRegularFile.readAll(descriptor, limit: limit)
        position += content.count
        return content
    }
}

private enum OpenRegularFile {
    /// Opens for reading, and says what was opened.
    static func open(_ path: String) throws(FileReadError) -> (descriptor: Int32, status: stat) {
        // C would read the path up to there.
        if path.utf8.contains(0) { throw .system(ENOENT) }
        var status = stat()
        // Before opening: to open a device or the end of a pipe is an event for somebody.
        guard unsafe stat(path, &status) == 0 else { throw .system(errno) }
        try check(status)
        // Should a pipe have taken its place meanwhile: without O_NONBLOCK, opening it would wait for its writer.
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw .system(errno) }
        do throws(FileReadError) {
            guard unsafe fstat(descriptor, &status) == 0 else { throw .system(errno) }
            try check(status)
        } catch {
            close(descriptor)
            throw error
        }
        return (descriptor, status)
    }

    private static func check(_ status: stat) throws(FileReadError) {
        let kind = FileKind(mode: status.st_mode)
        guard kind == .regular else { throw .notRegular(kind) }
    }

    static func readAll(_ descriptor: Int32, limit: Int) throws(FileReadError) -> [UInt8] {
        var content: [UInt8] = []
        while true {
            let piece = try readSome(descriptor, 64 << 10)
            if piece.isEmpty { return content }
            guard piece.count <= limit - content.count else { throw .tooLarge(limit: limit) }
            content += piece
        }
    }

    static func readSome(_ descriptor: Int32, _ wanted: Int) throws(FileReadError) -> [UInt8] {
        var code: Int32 = 0
        let piece = unsafe [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while true {
                let found = unsafe read(descriptor, buffer.baseAddress, wanted)
                if found < 0, errno == EINTR { continue }
                if found < 0 { code = errno }
                count = max(0, found)
                return
            }
        }
        if code != 0 { throw .system(code) }
        return piece
    }
}
