internal import NativeCore
internal import OTLP

/// The credentials that are accepted, as digests and hashes. A value; reading it again makes a new one.
struct CredentialBook: Sendable, Equatable {
    /// No file of tokens or passwords is longer, and none has more entries: every request is compared with all of them.
    private static let fileLimit = 1 << 20
    static let entryLimit = 1000

    private enum Book: Sendable, Equatable {
        /// Digests of whole header values.
        case values([SHA256.Digest])
        case users([User])
    }

    private struct User: Sendable, Equatable {
        var name: SHA256.Digest
        var password: Password
    }

    private enum Password: Sendable, Equatable {
        case plain(SHA256.Digest)
        /// For crypt(3).
        case hash(Secret)
    }

    private let book: Book

    var count: Int {
        switch book {
        case .values(let digests): digests.count
        case .users(let users): users.count
        }
    }

    /// What a look at the book says about a header's value.
    enum Finding {
        case right
        case wrong
        /// The password must be put through crypt(3). For an unknown user with another's hash, so that it takes as long.
        case hashed(password: [UInt8], hash: String, isKnown: Bool)
    }

    /// Reads what the settings name.
    static func load(_ settings: AuthenticatorSettings) throws(CredentialProblem) -> CredentialBook {
        var lines = settings.inline.enumerated().map { (place: "entry \($0 + 1)", text: Array($1.revealed.utf8)) }
        if let path = settings.file {
            let bytes: [UInt8]
            do {
                bytes = try RegularFile.read(path, limit: fileLimit)
            } catch {
                throw CredentialProblem("cannot read \(path): \(error.text)")
            }
            for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
                lines.append((place: "\(path):\(index + 1)", text: Array(trimmed(line))))
            }
        }
        lines.removeAll { $0.text.isEmpty }
        guard !lines.isEmpty else {
            throw CredentialProblem(settings.file.map { "\($0) holds no credentials; one on each line is expected" } ?? "there are no credentials")
        }
        guard lines.count <= entryLimit else {
            throw CredentialProblem("there are \(lines.count) credentials; at most \(entryLimit) are allowed")
        }
        switch settings.kind {
        case .bearer(let scheme, _):
            var digests: [SHA256.Digest] = []
            let prefix = scheme.isEmpty ? [] : Array(scheme.utf8) + [0x20]
            for line in lines {
                guard line.text.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                    throw CredentialProblem("\(line.place): a token is visible ASCII without blanks")
                }
                digests.append(SHA256.digest(of: prefix + line.text))
            }
            return CredentialBook(book: .values(digests))
        case .basic:
            var users: [User] = []
            for line in lines where line.text.first != UInt8(ascii: "#") { users.append(try user(line.text, line.place)) }
            return CredentialBook(book: .users(users))
        }
    }

    private static func user(_ line: [UInt8], _ place: String) throws(CredentialProblem) -> User {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0, colon + 1 < line.count else {
            throw CredentialProblem("\(place): `user:password` is expected, as `htpasswd` writes it")
        }
        let name = SHA256.digest(of: line[..<colon])
        let text = String(decoding: line[(colon + 1)...], as: UTF8.self)
        guard text.hasPrefix("$") || text.hasPrefix("{") else {
            return User(name: name, password: .plain(SHA256.digest(of: text.utf8)))
        }
        if text.hasPrefix("$apr1$") || text.hasPrefix("{") {
            throw CredentialProblem(
                "\(place): Apache's MD5 and SHA-1 password hashes are not accepted; make a bcrypt hash with `htpasswd -B`")
        }
        // crypt(3) writes bcrypt as $2b$; htpasswd's $2y$ is the same.
        guard PasswordHash.isSupported(text) else {
            throw CredentialProblem(
                "\(place): this system's crypt(3) does not know the password's hash; make a bcrypt hash with `htpasswd -B`")
        }
        return User(name: name, password: .hash(Secret(text)))
    }

    /// Looks at all entries, whichever fits.
    /// - Parameter digest: of `value`.
    func check(_ value: ArraySlice<UInt8>, _ digest: SHA256.Digest) -> Finding {
        switch book {
        case .values(let digests):
            var isKnown = false
            for known in digests where known == digest { isKnown = true }
            return isKnown ? .right : .wrong
        case .users(let users):
            guard let (name, password) = Self.basicCredentials(value) else { return .wrong }
            return Self.check(users, name, password)
        }
    }

    private static func check(_ users: [User], _ name: ArraySlice<UInt8>, _ password: ArraySlice<UInt8>) -> Finding {
        let wanted = SHA256.digest(of: name)
        let given = SHA256.digest(of: password)
        var isRight = false
        var found: Secret?
        var decoy: Secret?
        for user in users {
            let isUser = user.name == wanted
            switch user.password {
            case .plain(let digest): if (digest == given) && isUser { isRight = true }
            case .hash(let hash):
                if isUser { found = hash }
                decoy = hash
            }
        }
        if isRight { return .right }
        if let found { return .hashed(password: Array(password), hash: found.revealed, isKnown: true) }
        if let decoy { return .hashed(password: Array(password), hash: decoy.revealed, isKnown: false) }
        return .wrong
    }

    /// `Basic base64(user:password)`.
    private static func basicCredentials(
        _ value: ArraySlice<UInt8>
    ) -> (name: ArraySlice<UInt8>, password: ArraySlice<UInt8>)? {
        let scheme = value.prefix(6).map { $0 | 0x20 }
        guard scheme.elementsEqual("basic ".utf8) else { return nil }
        let text = Array(trimmed(value.dropFirst(6)))
        guard let plain = Base64.decode(text.span), let colon = plain.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        return (plain[..<colon], plain[(colon + 1)...])
    }
}

/// Without blanks and carriage returns at both ends.
private func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var bytes = bytes
    while let last = bytes.last, last == 0x20 || last == 0x0d || last == 0x09 { bytes.removeLast() }
    while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
    return bytes
}
