internal import NativeCore

/// Looks at the configuration's files and asks for a reload when one of them is another one.
///
/// Files are polled by what `stat` says: that sees edits in place, files renamed over others, and the symbolic links that Kubernetes
/// turns around when a ConfigMap changes, on every file system. A change counts once two looks agree, so that a file
/// is not read while it is being written.
struct ConfigurationWatcher: Sendable {
    private static let settling = Duration.milliseconds(150)

    let reloader: Reloader
    let interval: Duration

    /// Runs until the task is cancelled.
    func run() async {
        var seen = await look()
        while !Task.isCancelled {
            guard (try? await Task.sleep(for: interval)) != nil else { return }
            var found = await look()
            guard found != seen else { continue }
            for _ in 0..<40 {
                guard (try? await Task.sleep(for: Self.settling)) != nil else { return }
                let again = await look()
                if again == found { break }
                found = again
            }
            if case .notNow = await reloader.reload("file") { continue }
            // The files may be others now. What changed since `found` shows at the next look.
            let files = await reloader.watchedFiles
            seen = files.map { path in found.first { $0.path == path } ?? Self.look(path) }
        }
    }

    struct Look: Equatable {
        var path: String
        /// Nil if there is nothing.
        var stamp: FileStamp?
    }

    private static func look(_ path: String) -> Look { Look(path: path, stamp: try? FileStamp(path: path)) }

    private func look() async -> [Look] { await reloader.watchedFiles.map(Self.look) }
}
