internal import NativeCore
internal import OTLP
internal import Synchronization

/// What an exporter proves itself with: `auth: {authenticator: ...}` of an exporter, client side.
package struct RequestCredentialsSettings: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case bearer(scheme: String, header: String)
        case basic
    }

    package var kind: Kind
    /// The token or password, if the configuration holds it.
    package var secret: Secret?
    /// A file that holds it, re-read when it changes; it wins.
    package var file: String?
    /// Of `basic`.
    package var user: Secret?
    package var userFile: String?

    package init(kind: Kind, secret: Secret? = nil, file: String? = nil) {
        self.kind = kind
        self.secret = secret
        self.file = file
    }
}

/// The header field that goes with every request of an exporter, as of now. Shared by all exporters that name the same
/// extension.
package final class RequestCredentials: Reloadable {
    private struct State {
        var value: Secret
        var version = 1
        var signatures: [FileStamp?]
        var failure: String?
    }

    /// A file of one token or password is no longer.
    private static let fileLimit = 64 << 10

    package let name: String
    package let settings: RequestCredentialsSettings
    private let state: Mutex<State>

    /// Reads the files. Blocks.
    package init(_ settings: RequestCredentialsSettings, name: String) throws(CredentialProblem) {
        self.settings = settings
        self.name = name
        let signatures = Self.signatures(settings)
        state = Mutex(State(value: try Self.value(settings), signatures: signatures))
    }

    /// The field's name, in lower case.
    package var headerName: String {
        switch settings.kind {
        case .bearer(_, let header): header.lowercased()
        case .basic: "authorization"
        }
    }

    /// The field's value, and a number that changes with it.
    package var current: (value: Secret, version: Int) { state.withLock { ($0.value, $0.version) } }

    package func reload(now: Int64, uptime: Int64) -> ReloadOutcome {
        let signatures = Self.signatures(settings)
        guard state.withLock({ $0.signatures != signatures }) else { return .unchanged }
        let result: Result<Secret, CredentialProblem>
        do throws(CredentialProblem) {
            result = .success(try Self.value(settings))
        } catch {
            result = .failure(error)
        }
        return state.withLock { state in
            state.signatures = signatures
            switch result {
            case .success(let value):
                state.failure = nil
                if value == state.value { return .unchanged }
                state.value = value
                state.version += 1
                return .taken("new credentials")
            case .failure(let problem):
                if state.failure == problem.description { return .unchanged }
                state.failure = problem.description
                return .failed(problem.description)
            }
        }
    }

    private static func signatures(_ settings: RequestCredentialsSettings) -> [FileStamp?] {
        [settings.file, settings.userFile].compactMap(\.self).map { try? FileStamp(path: $0) }
    }

    private static func value(_ settings: RequestCredentialsSettings) throws(CredentialProblem) -> Secret {
        let secret = try text(settings.secret, settings.file)
        switch settings.kind {
        case .bearer(let scheme, _):
            return Secret(scheme.isEmpty ? secret : "\(scheme) \(secret)")
        case .basic:
            let user = try text(settings.user, settings.userFile)
            let pair = Array("\(user):\(secret)".utf8)
            return Secret("Basic " + String(decoding: Base64.encode(pair.span, isPadded: true), as: UTF8.self))
        }
    }

    /// The first line of the file, or what the configuration holds.
    private static func text(_ secret: Secret?, _ file: String?) throws(CredentialProblem) -> String {
        guard let file else { return secret?.revealed ?? "" }
        let bytes: [UInt8]
        do {
            bytes = try RegularFile.read(file, limit: fileLimit)
        } catch {
            throw CredentialProblem("cannot read \(file): \(error.text)")
        }
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard !line.isEmpty, line.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
            throw CredentialProblem("\(file): visible ASCII on the first line is expected")
        }
        return String(decoding: line, as: UTF8.self)
    }
}
