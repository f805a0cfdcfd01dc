internal import Cluster
internal import NIOPosix
internal import NativeCore
internal import Synchronization

/// Members from a file (`MemberFile`), which is read again when it was changed: written, renamed over, or reached by a symbolic link
/// that now leads elsewhere, as Kubernetes replaces mounted files.
///
/// Who writes a file in place leaves it half written for a moment, and a half list would take members out of the ring. So a changed
/// file is believed only when two looks in a row found the same change, and nothing changed while it was read.
package final class FileMemberResolver: MemberResolver {
    private struct State {
        var read: (stamp: FileStamp, resolution: MemberResolution)?
        /// A change that was seen once.
        var seen: FileStamp?
    }

    private let path: String
    package let interval: Int64
    private let state = Mutex(State())

    /// - Parameter interval: from one look to the next, nanoseconds. A change counts after one to two of them.
    package init(path: String, interval: Int64) {
        self.path = path
        self.interval = interval
    }

    package func resolve() async -> MemberResolution {
        // The file may be on a network: a thread that waits for it must be nobody else's.
        do {
            return try await NIOThreadPool.singleton.runIfActive { self.look() }
        } catch {
            return .failed(.unreadableFile(path, reason: "\(error)"))
        }
    }

    /// One look at the file; blocks.
    func look() -> MemberResolution {
        state.withLock { state in
            do throws(FileReadError) {
                let stamp = try stamp()
                if let read = state.read {
                    if read.stamp == stamp { return read.resolution }
                    if state.seen != stamp {
                        state.seen = stamp
                        return read.resolution
                    }
                }
                let file = try RegularFile(path: path, limit: MemberFile.maximumBytes)
                guard file.stamp == stamp else {
                    state.seen = file.stamp
                    return state.read?.resolution ?? .failed(.changingFile(path))
                }
                let resolution = parsed(file.bytes)
                state.read = (stamp, resolution)
                state.seen = nil
                return resolution
            } catch {
                return .failed(.unreadableFile(path, reason: error.text))
            }
        }
    }

    private func stamp() throws(FileReadError) -> FileStamp {
        do {
            return try FileStamp(path: path)
        } catch {
            throw .system(error.code)
        }
    }

    private func parsed(_ bytes: [UInt8]) -> MemberResolution {
        do {
            return .complete(try MemberFile.parse(bytes).map { RingMember($0.description) })
        } catch {
            return .failed(.badFile(path, error))
        }
    }
}
