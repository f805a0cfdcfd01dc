import Foundation

/// Lines on standard error.
enum StandardError {
    static func print(_ line: String) { write(line + "\n") }

    /// Text as it is. That it can't be written (a full disk, a reader that is gone) is nothing that could be told anywhere: it is passed
    /// over, where `FileHandle.write(_:)` would end the process.
    static func write(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }
}
