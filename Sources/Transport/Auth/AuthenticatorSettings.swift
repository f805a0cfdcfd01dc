/// How clients prove who they are: `bearertokenauth` or `basicauth` of the configuration, server side.
package struct AuthenticatorSettings: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        /// A token behind `scheme`; with an empty scheme the header is the token alone.
        case bearer(scheme: String, header: String)
        /// User and password (RFC 7617).
        case basic
    }

    package var kind: Kind
    /// Tokens, or htpasswd lines, from the configuration.
    package var inline: [Secret]
    /// A file of tokens or htpasswd lines, one each; read again when it changes.
    package var file: String?

    package init(kind: Kind, inline: [Secret] = [], file: String? = nil) {
        self.kind = kind
        self.inline = inline
        self.file = file
    }

    package var headerName: String {
        switch kind {
        case .bearer(_, let header): header.lowercased()
        case .basic: "authorization"
        }
    }

    package var challenge: String {
        switch kind {
        case .bearer(let scheme, _): scheme.isEmpty ? "Bearer" : scheme
        case .basic: "Basic realm=\"tailgate\", charset=\"UTF-8\""
        }
    }
}

/// Why credentials can't be used. Says where, never what.
package struct CredentialProblem: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
}
