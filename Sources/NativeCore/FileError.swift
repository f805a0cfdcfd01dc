internal import Glibc

/// Why a file can't be opened or written: the system's error number.
package struct FileError: Error, Sendable, Equatable {
    package var code: Int32

    package init(code: Int32) { self.code = code }

    /// Nobody reads the pipe, or it is a socket.
    package static let noReader = ENXIO

    /// The system's own text for the number.
    package var text: String { unsafe String(cString: strerror(code)) }
}

/// What a path leads to.
package enum FileKind: Sendable, Equatable {
    case regular
    case directory
    /// A FIFO.
    case pipe
    case socket
    case device

    init(mode: mode_t) {
        switch mode & S_IFMT {
        case S_IFREG: self = .regular
        case S_IFDIR: self = .directory
        case S_IFIFO: self = .pipe
        case S_IFSOCK: self = .socket
        default: self = .device
        }
    }

    /// With its article: "a directory".
    package var text: String {
        switch self {
        case .regular: "a regular file"
        case .directory: "a directory"
        case .pipe: "a pipe"
        case .socket: "a socket"
        case .device: "a device"
        }
    }
}

/// Why a file can't be read.
package enum FileReadError: Error, Sendable, Equatable {
    /// The system's error number.
    case system(Int32)
    /// Something else stands there. It was not opened.
    case notRegular(FileKind)
    /// The file has more bytes than the reader allows.
    case tooLarge(limit: Int)

    /// Why, as a clause that goes behind the file's path: "it is a directory".
    package var text: String {
        switch self {
        case .system(ENOENT): "there is no such file"
        case .system(EACCES), .system(EPERM): "this process may not read it"
        case .system(ELOOP): "its symbolic links lead in a circle"
        case .system(let code): "reading it failed: \(FileError(code: code).text)"
        case .notRegular(.directory): "it is a directory"
        case .notRegular(let kind): "it is \(kind.text), and a regular file is expected"
        case .tooLarge(let limit): "it is larger than \(Self.size(limit)); that is the limit"
        }
    }

    private static func size(_ bytes: Int) -> String {
        if bytes >= 1 << 20, bytes & (1 << 20 - 1) == 0 { return "\(bytes >> 20) MiB" }
        if bytes >= 1 << 10, bytes & (1 << 10 - 1) == 0 { return "\(bytes >> 10) KiB" }
        return "\(bytes) bytes"
    }
}
