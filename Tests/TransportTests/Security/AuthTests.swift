import Foundation
import NativeCore
import OTLP
import Synchronization
import Testing

@testable import Transport

@Suite struct AuthTests {
    @Test func secretsDoNotPrint() {
        let secret = Secret("hunter2")
        struct Holder { var inner: Secret; var list: [Secret] }
        let holder = Holder(inner: secret, list: [secret])
        var dumped = ""
        dump(holder, to: &dumped)
        for text in ["\(secret)", "\(holder)", String(reflecting: secret), String(reflecting: holder), dumped, "\([1: secret])"] {
            #expect(!text.contains("hunter2"), "\(text)")
        }
        #expect("\(secret)" == "[REDACTED]" && secret.revealed == "hunter2")
        let settings = TLSSource.text(Secret("-----BEGIN PRIVATE KEY-----"))
        #expect(!"\(settings)".contains("BEGIN"))
    }

    private func check(_ authenticator: RequestAuthenticator, _ value: String?) -> AuthVerdict? {
        let later = Mutex<AuthVerdict?>(nil)
        let bytes = value.map { Array($0.utf8)[...] }
        return authenticator.check(bytes) { verdict in later.withLock { $0 = verdict } } ?? later.withLock { $0 }
    }

    private func basic(_ pair: String) -> String { "Basic " + Data(pair.utf8).base64EncodedString() }

    @Test func bearerTokens() throws {
        let settings = AuthenticatorSettings(
            kind: .bearer(scheme: "Bearer", header: "Authorization"), inline: [Secret("a1"), Secret("b2")])
        let made = try RequestAuthenticator(settings, name: "t", pool: nil)
        #expect(made.headerName == "authorization" && made.challenge == "Bearer")
        for right in ["Bearer a1", "Bearer b2"] { #expect(check(made, right) == .accepted) }
        for wrong in ["Bearer a", "Bearer a11", "bearer a1", "a1", "Bearer  a1", "Bearer a1 ", "Basic a1", "Bearer"] {
            #expect(check(made, wrong) == .wrong, "\(wrong)")
        }
        #expect(check(made, nil) == .missing && check(made, "") == .missing)
        let bare = try RequestAuthenticator(
            AuthenticatorSettings(kind: .bearer(scheme: "", header: "X-Key"), inline: [Secret("a1")]), name: "t", pool: nil)
        #expect(check(bare, "a1") == .accepted && check(bare, "Bearer a1") == .wrong && bare.headerName == "x-key")
    }

    /// "opensesame" with bcrypt ($2y$, cost 5) and SHA-512, made by another implementation of crypt(3)'s methods.
    @Test func passwords() throws {
        let sha = "$6$rounds=1000$abcdefgh$"
        #expect(PasswordHash.isSupported(sha) && !PasswordHash.isSupported("$nope$x"))
        let lines = ["anna:plain", "# a comment:x", "bert:\(Self.bcrypt)"].map { Secret($0) }
        let made = try RequestAuthenticator(AuthenticatorSettings(kind: .basic, inline: lines), name: "u", pool: nil)
        #expect(check(made, basic("anna:plain")) == .accepted)
        #expect(check(made, basic("bert:opensesame")) == .accepted)
        #expect(check(made, basic("bert:opensesame")) == .accepted, "from memory")
        for wrong in ["anna:plain2", "bert:plain", "anna:opensesame", "carl:plain", "carl:opensesame", ":", "anna", "bert:opensesame\0"] {
            #expect(check(made, basic(wrong)) == .wrong, "\(wrong)")
        }
        #expect(check(made, "Basic !!!") == .wrong && check(made, "Basic") == .wrong)
        #expect(check(made, "basic " + Data("anna:plain".utf8).base64EncodedString()) == .accepted, "schemes ignore case")
    }

    private static let bcrypt = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.8igw9jrmlEHR8G./hJvpAZecHhYM7hi"

    /// Openwall's test vector for bcrypt: "U*U".
    @Test func bcryptVector() {
        let hash = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
        #expect(PasswordHash.matches(Array("U*U".utf8), hash: hash))
        #expect(!PasswordHash.matches(Array("U*V".utf8), hash: hash))
        #expect(!PasswordHash.matches(Array("U*U\0".utf8), hash: hash))
        #expect(!PasswordHash.matches([UInt8](repeating: 65, count: 600), hash: Self.bcrypt))
        #expect(!PasswordHash.matches([], hash: "*0") && !PasswordHash.matches([], hash: ""))
    }

    @Test(arguments: [
        ("a", "`user:password` is expected"), (":x", "`user:password` is expected"), ("a:", "`user:password` is expected"),
        ("a:$apr1$x$y", "`htpasswd -B`"), ("a:{SHA}xyz=", "`htpasswd -B`"), ("a:$99$x", "`htpasswd -B`"),
    ])
    func brokenLines(line: String, words: String) {
        #expect {
            _ = try RequestAuthenticator(AuthenticatorSettings(kind: .basic, inline: [Secret(line)]), name: "u", pool: nil)
        } throws: { error in
            "\(error)".contains(words) && "\(error)".contains("entry 1") && !"\(error)".contains("xyz")
        }
    }

    @Test func filesAreReadAgain() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("tokens-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        func write(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }
        try write("one\r\n\n")
        let kind = AuthenticatorSettings.Kind.bearer(scheme: "Bearer", header: "Authorization")
        let made = try RequestAuthenticator(AuthenticatorSettings(kind: kind, file: path), name: "t", pool: nil)
        #expect(check(made, "Bearer one") == .accepted && check(made, "Bearer two") == .wrong)
        #expect(made.reload(now: 0, uptime: 0) == .unchanged)
        try write("one\ntwo\n")
        #expect(made.reload(now: 0, uptime: 0) == .taken("2 credentials"))
        #expect(check(made, "Bearer two") == .accepted)
        try write("\n")
        guard case .failed(let why) = made.reload(now: 0, uptime: 0) else { throw Unexpected() }
        #expect(why.contains("holds no credentials"))
        #expect(made.reload(now: 0, uptime: 0) == .unchanged, "told once")
        #expect(check(made, "Bearer one") == .accepted, "the old stay")
        try FileManager.default.removeItem(atPath: path)
        guard case .failed = made.reload(now: 0, uptime: 0) else { throw Unexpected() }
        try write("three")
        #expect(made.reload(now: 0, uptime: 0) == .taken("1 credentials"))
        #expect(check(made, "Bearer one") == .wrong && check(made, "Bearer three") == .accepted)
    }

    @Test func outgoing() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("token-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try "first\nsecond".write(toFile: path, atomically: true, encoding: .utf8)
        let made = try RequestCredentials(
            RequestCredentialsSettings(kind: .bearer(scheme: "Bearer", header: "Authorization"), file: path), name: "x")
        #expect(made.current.value.revealed == "Bearer first" && made.headerName == "authorization")
        try "third".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(made.reload(now: 0, uptime: 0) == .taken("new credentials"))
        #expect(made.current.value.revealed == "Bearer third" && made.current.version == 2)
        var settings = RequestCredentialsSettings(kind: .basic, secret: Secret("pass:word"))
        settings.user = Secret("anna")
        let basic = try RequestCredentials(settings, name: "y")
        #expect(basic.current.value.revealed == "Basic YW5uYTpwYXNzOndvcmQ=")
    }

    struct Unexpected: Error {}
}
