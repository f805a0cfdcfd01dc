package import NIOPosix
internal import NativeCore
internal import OTLP
internal import Synchronization

/// What was found about a request's credentials.
package enum AuthVerdict: Sendable, Equatable {
    case accepted
    /// None came.
    case missing
    /// They are not those of anybody who is known.
    case wrong
    /// Too many checks of passwords are under way; the client may come back.
    case busy
}

/// Checks the credentials of requests: what stands behind `auth: {authenticator: ...}` of a receiver.
///
/// Shared by all workers; what it knows is replaced when its files change. A request costs a SHA-256 of its header and a
/// comparison with every known credential, all of them, so that the time tells nothing. Hashed passwords are slow on
/// purpose: they are checked on a thread of their own, and who was right is remembered (as a digest) until the passwords change.
package final class RequestAuthenticator: Reloadable {
    private struct State {
        var book: CredentialBook
        var signature: FileStamp?
        var failure: String?
        /// Headers that were found right, by digest; emptied when it is full and when passwords change.
        var verified: Set<SHA256.Digest> = []
        /// Checks under way, with those who wait for them.
        var pending: [SHA256.Digest: [@Sendable (AuthVerdict) -> Void]] = [:]
        var generation = 0
    }

    /// Remembered credentials, and passwords checked at a time.
    private static let verifiedLimit = 4096
    private static let pendingLimit = 64
    private static let waiterLimit = 4096

    package let name: String
    package let settings: AuthenticatorSettings
    private let state: Mutex<State>
    private let pool: NIOThreadPool?

    /// Reads the credentials. Blocks.
    /// - Parameters:
    ///   - name: the extension's id.
    ///   - pool: where hashed passwords are checked; nil checks them at once (tests).
    package init(
        _ settings: AuthenticatorSettings, name: String, pool: NIOThreadPool?
    ) throws(CredentialProblem) {
        self.name = name
        self.settings = settings
        self.pool = pool
        let signature = settings.file.flatMap { try? FileStamp(path: $0) }
        state = Mutex(State(book: try CredentialBook.load(settings), signature: signature))
    }

    /// The name of the header that carries the credentials, in lower case.
    package var headerName: String { settings.headerName }

    /// Value of `WWW-Authenticate` for those who are refused (RFC 9110 §11.6.1).
    package var challenge: String { settings.challenge }

    /// Judges the value of the credentials' header.
    ///
    /// - Parameters:
    ///   - value: nil if the request has no such header.
    ///   - later: called once, from any thread, if the verdict takes time.
    /// - Returns: the verdict, or nil if `later` will be told.
    package func check(
        _ value: ArraySlice<UInt8>?, _ later: @escaping @Sendable (AuthVerdict) -> Void
    ) -> AuthVerdict? {
        guard let value, !value.isEmpty else { return .missing }
        let digest = SHA256.digest(of: value)
        let step: CheckStep = state.withLock { state in
            switch state.book.check(value, digest) {
            case .right: return .done(.accepted)
            case .wrong: return .done(.wrong)
            case .hashed(let password, let hash, let isKnown):
                if state.verified.contains(digest) { return .done(.accepted) }
                if let waiters = state.pending[digest] {
                    guard waiters.count < Self.waiterLimit else { return .done(.busy) }
                    state.pending[digest]?.append(later)
                    return .wait
                }
                guard state.pending.count < Self.pendingLimit else { return .done(.busy) }
                state.pending[digest] = [later]
                return .begin(password: password, hash: hash, isKnown: isKnown, generation: state.generation)
            }
        }
        switch step {
        case .done(let verdict): return verdict
        case .wait: return nil
        case .begin(let password, let hash, let isKnown, let generation):
            let work: @Sendable () -> Void = {
                let isRight = PasswordHash.matches(password, hash: hash) && isKnown
                self.finish(digest, isRight: isRight, generation: generation)
            }
            if let pool {
                pool.submit { state in
                    if case .active = state { work() } else { self.abandon(digest) }
                }
            } else {
                work()
            }
            return nil
        }
    }

    private enum CheckStep {
        case done(AuthVerdict)
        case wait
        case begin(password: [UInt8], hash: String, isKnown: Bool, generation: Int)
    }

    private func finish(_ digest: SHA256.Digest, isRight: Bool, generation: Int) {
        let waiters = state.withLock { state in
            if isRight, generation == state.generation {
                if state.verified.count >= Self.verifiedLimit { state.verified.removeAll(keepingCapacity: true) }
                state.verified.insert(digest)
            }
            return state.pending.removeValue(forKey: digest) ?? []
        }
        for waiter in waiters { waiter(isRight ? .accepted : .wrong) }
    }

    private func abandon(_ digest: SHA256.Digest) {
        let waiters = state.withLock { $0.pending.removeValue(forKey: digest) ?? [] }
        for waiter in waiters { waiter(.busy) }
    }

    package func reload(now: Int64, uptime: Int64) -> ReloadOutcome {
        guard let file = settings.file else { return .unchanged }
        let signature = try? FileStamp(path: file)
        guard state.withLock({ $0.signature != signature }) else { return .unchanged }
        let result: Result<CredentialBook, CredentialProblem>
        do throws(CredentialProblem) {
            result = .success(try CredentialBook.load(settings))
        } catch {
            result = .failure(error)
        }
        return state.withLock { state in
            state.signature = signature
            switch result {
            case .success(let book):
                state.failure = nil
                if book == state.book { return .unchanged }
                state.book = book
                state.verified.removeAll()
                state.generation += 1
                return .taken("\(book.count) credentials")
            case .failure(let problem):
                if state.failure == problem.description { return .unchanged }
                state.failure = problem.description
                return .failed(problem.description)
            }
        }
    }
}
