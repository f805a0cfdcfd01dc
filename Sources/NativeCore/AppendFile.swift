internal import Glibc

/// Why a file can't be opened or written: the system's error number.
package struct FileError: Error, Sendable, Equatable {
    package var code: Int32

    /// The system's own text for the number.
    package var text: String { unsafe String(cString: strerror(code)) }
}

/// A file that is only ever appended to. Calls block: use it from a thread of its own, one at a time.
package final class AppendFile: @unchecked Sendable {
    private let descriptor: Int32

    /// Opens or creates a file; with `truncates` an existing one is emptied first.
    package init(path: String, truncates: Bool) throws(FileError) {
        let flags = O_WRONLY | O_CREAT | O_CLOEXEC | (truncates ? O_TRUNC : O_APPEND)
        descriptor = unsafe open(path, flags, 0o644)
        if descriptor < 0 { throw FileError(code: errno) }
    }

    deinit { close(descriptor) }

    /// Writes all of `bytes`. After an error a part of them may be in the file.
    package func append(_ bytes: Span<UInt8>) throws(FileError) {
        var offset = 0
        while offset < bytes.count {
            let written = unsafe bytes.withUnsafeBufferPointer { buffer -> Int in
                guard let base = buffer.baseAddress else { return 0 }
                return unsafe write(descriptor, base + offset, buffer.count - offset)
            }
            if written < 0 {
                if errno == EINTR { continue }
                throw FileError(code: errno)
            }
            offset += written
        }
    }
}
