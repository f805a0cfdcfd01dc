internal import NativeCore
package import NIOSSL
internal import Synchronization

/// What reading credentials again came to.
package enum ReloadOutcome: Sendable, Equatable {
    case unchanged
    /// New content is in force; with what to say about it.
    case taken(String)
    /// New content can't be used, and the old stays in force; with what is wrong.
    case failed(String)
}

/// Something that is read from files and read again while the node runs: certificates, tokens, password files.
package protocol Reloadable: AnyObject, Sendable {
    /// For the log: `receiver otlp: tls`.
    var name: String { get }

    /// Looks whether files changed, and takes over what they hold now. Blocks: not for an event loop. Called by one thread.
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - uptime: monotonic nanoseconds.
    func reload(now: Int64, uptime: Int64) -> ReloadOutcome
}

/// The TLS side of a listener or a client as it is now. Connections take the context of the moment when they are made, and
/// keep it for life; renewed certificates are for those that come after.
package final class TLSCredentials: Reloadable {
    private struct State {
        var material: TLSMaterial
        var signatures: [FileStamp?]
        var readAt: Int64
        /// The problem that was told last, so that it is told once.
        var failure: String?
    }

    package let name: String
    package let settings: TLSSettings
    private let state: Mutex<State>

    /// Reads the files. Blocks.
    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - uptime: monotonic nanoseconds.
    package init(_ settings: TLSSettings, name: String, now: Int64, uptime: Int64) throws(TLSProblems) {
        self.name = name
        self.settings = settings
        // Signatures first: a change after this is seen as a change.
        let signatures = Self.signatures(settings)
        let material = try TLSMaterial.load(settings, now: now)
        state = Mutex(State(material: material, signatures: signatures, readAt: uptime))
    }

    /// For a new connection.
    package var context: NIOSSLContext { state.withLock { $0.material.context } }

    /// When this side's own certificate ends, seconds since 1970; nil without one.
    package var expires: Int64? { state.withLock { $0.material.expires } }

    package var warnings: [TLSProblem] { state.withLock { $0.material.warnings } }

    package func reload(now: Int64, uptime: Int64) -> ReloadOutcome {
        let signatures = Self.signatures(settings)
        let isDue = state.withLock { state in
            if signatures != state.signatures { return true }
            guard let interval = settings.reloadInterval, !settings.files.isEmpty else { return false }
            return uptime - state.readAt >= interval
        }
        guard isDue else { return .unchanged }
        let result: Result<TLSMaterial, TLSProblems>
        do throws(TLSProblems) {
            result = .success(try TLSMaterial.load(settings, now: now))
        } catch {
            result = .failure(error)
        }
        return state.withLock { state in
            state.signatures = signatures
            state.readAt = uptime
            switch result {
            case .success(let material):
                state.failure = nil
                if material.fingerprint == state.material.fingerprint { return .unchanged }
                state.material = material
                let until = material.expires.map { "valid until \(CalendarDate(seconds: $0))" } ?? "authorities changed"
                return .taken(([until] + material.warnings.map(\.message)).joined(separator: "; "))
            case .failure(let problems):
                if state.failure == problems.description { return .unchanged }
                state.failure = problems.description
                return .failed(problems.description)
            }
        }
    }

    /// Changed authorities of a server count only if the configuration says so.
    private static func signatures(_ settings: TLSSettings) -> [FileStamp?] {
        var watched = settings
        if !settings.reloadsAuthorities { watched.authorities = nil }
        return watched.files.map { try? FileStamp(path: $0) }
    }
}
