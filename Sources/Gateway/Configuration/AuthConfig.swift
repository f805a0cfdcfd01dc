internal import ConfigTree
package import Transport

/// `extensions.bearertokenauth[/name]` or `extensions.basicauth[/name]`.
package struct AuthExtensionConfig: Sendable, Equatable {
    package var id: ComponentID
    /// For receivers and the admin endpoint: who may come in. Nil if the extension is for clients only.
    package var server: AuthenticatorSettings?
    /// For exporters: what they show. Nil if the extension is for servers only.
    package var client: RequestCredentialsSettings?

    package init(id: ComponentID) { self.id = id }
}

/// `auth: {authenticator: ID}`, and where it stands.
package struct AuthReference: Sendable, Equatable {
    package var id: ComponentID
    var position: SourcePosition
    var keyPath: String

    /// The place in the file is no part of what is configured.
    package static func == (left: AuthReference, right: AuthReference) -> Bool { left.id == right.id }
}

extension AuthReference {
    /// Reads `auth` from the map of its owner; nil if absent or wrong.
    static func read(_ reader: inout ConfigReader) -> AuthReference? {
        guard reader.node("auth")?.value != .null, var auth = reader.map("auth") else { return nil }
        auth.notSupported(["request_params"], because: "credentials come in a header; leave the key out")
        let name = auth.placedText("authenticator")
        if name == nil { auth.error("`authenticator` is missing; name an extension, such as `authenticator: bearertokenauth`") }
        auth.finish()
        guard let name else { return nil }
        guard let id = ComponentID(parsing: name.text) else {
            auth.error("\"\(clipped(name.text))\" is no extension; write `type` or `type/name`", key: "authenticator")
            return nil
        }
        return AuthReference(id: id, position: name.position, keyPath: name.keyPath)
    }
}

extension AuthExtensionConfig {
    /// - Parameter id: its type is one of the authenticators that Tailgate has.
    init(_ id: ComponentID, _ reader: inout ConfigReader) {
        self.id = id
        if id.type.hasPrefix("bearer") { readBearer(&reader) } else { readBasic(&reader) }
        reader.finish()
    }

    /// `scheme`, `header`, `token`, `tokens`, `filename`.
    private mutating func readBearer(_ reader: inout ConfigReader) {
        let scheme = reader.string("scheme", default: "Bearer")
        if !isHeaderValue(scheme) { reader.error("visible ASCII is expected", key: "scheme") }
        let header = reader.nonEmpty("header") ?? "Authorization"
        if !isHeaderName(header.lowercased()) {
            reader.error("\"\(clipped(header))\" is no name of a header that can be set", key: "header")
        }
        let file = reader.nonEmpty("filename")
        let token = reader.secret("token")
        let tokens = reader.secrets("tokens")
        let isBroken = reader.isWritten("token") && token == nil || reader.isWritten("tokens") && tokens.isEmpty
        if token != nil, !tokens.isEmpty {
            reader.error("`token` and `tokens` say the same in two ways; keep `tokens`", key: "token")
        }
        if file != nil, token != nil || !tokens.isEmpty {
            reader.warning("has no effect: `filename` stands above it, as in the Collector", key: token == nil ? "tokens" : "token")
        }
        let inline = file == nil ? (token.map { [$0] } ?? []) + tokens : []
        if file == nil, inline.isEmpty {
            if !isBroken { reader.error("there is no token; write `token: ${env:TOKEN}`, `tokens: [...]` or `filename: ...`") }
            return
        }
        let key = file != nil ? "filename" : token != nil ? "token" : "tokens"
        let settings = AuthenticatorSettings(kind: .bearer(scheme: scheme, header: header), inline: inline, file: file)
        guard check(&reader, key, { () throws(CredentialProblem) in _ = try RequestAuthenticator(settings, name: "", pool: nil) })
        else { return }
        server = settings
        client = RequestCredentialsSettings(
            kind: .bearer(scheme: scheme, header: header), secret: inline.first, file: file)
    }

    /// `htpasswd: {inline, file}` for servers or `client_auth: {username, password, ...}` for clients.
    private mutating func readBasic(_ reader: inout ConfigReader) {
        if reader.isWritten("htpasswd"), reader.isWritten("client_auth") {
            reader.error("`htpasswd` is for receivers and `client_auth` for exporters; give each an extension of its own", key: "client_auth")
        }
        if !reader.isWritten("htpasswd"), !reader.isWritten("client_auth") {
            reader.error("`htpasswd` (for receivers) or `client_auth` (for exporters) is missing")
        }
        if var section = reader.map("htpasswd") {
            let file = section.nonEmpty("file")
            let text = section.secret("inline")
            let lines = text?.revealed.split(whereSeparator: \.isNewline).map { Secret(String($0)) } ?? []
            if file == nil, lines.isEmpty, !section.isWritten("inline") {
                section.error("`inline` or `file` is missing: lines of `user:password`, as `htpasswd -B` makes them")
            }
            let settings = AuthenticatorSettings(kind: .basic, inline: lines, file: file)
            if file != nil || !lines.isEmpty,
                check(&section, file == nil ? "inline" : "file", { () throws(CredentialProblem) in
                    _ = try RequestAuthenticator(settings, name: "", pool: nil)
                })
            {
                server = settings
            }
            section.finish()
        }
        if var section = reader.map("client_auth") {
            var settings = RequestCredentialsSettings(kind: .basic)
            settings.user = section.secret("username")
            settings.userFile = section.nonEmpty("username_file")
            settings.secret = section.secret("password")
            settings.file = section.nonEmpty("password_file")
            if settings.user == nil, settings.userFile == nil { section.error("`username` or `username_file` is missing") }
            if settings.secret == nil, settings.file == nil { section.error("`password` or `password_file` is missing") }
            if settings.user?.revealed.contains(":") == true { section.error("a user's name can't hold a colon", key: "username") }
            let made = settings
            if check(&section, settings.file == nil ? "username_file" : "password_file", { () throws(CredentialProblem) in
                _ = try RequestCredentials(made, name: "")
            }) {
                client = settings
            }
            section.finish()
        }
    }

    /// Reads the credentials once, and reports under `key` what is wrong with them.
    private func check(
        _ reader: inout ConfigReader, _ key: String, _ read: () throws(CredentialProblem) -> Void
    ) -> Bool {
        do throws(CredentialProblem) {
            try read()
            return true
        } catch {
            reader.error(error.description, key: key)
            return false
        }
    }
}

extension ConfigReader {
    /// Whether the key has a value.
    mutating func isWritten(_ key: String) -> Bool { has(key) && node(key)?.value != .null }

    /// A text with its place; nil if absent, null or wrong.
    mutating func placedText(_ key: String) -> PlacedText? {
        guard let text = stringIfPresent(key), let position = node(key)?.position else { return nil }
        return PlacedText(text: text, position: position, keyPath: path(of: key))
    }
}
