internal import Glibc

/// What `print` has written and the system has not yet taken.
package enum StandardOutput {
    /// Hands everything over. A full disk shows only here, as `print` says nothing of errors.
    package static func flush() throws(FileError) {
        if fflush(nil) != 0 { throw FileError(code: errno) }
    }
}
