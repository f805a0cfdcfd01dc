internal import CShims

/// Password hashes as `crypt(3)` knows them: bcrypt, SHA-crypt, yescrypt, MD5-crypt.
package enum PasswordHash {
    /// Whether `crypt(3)` on this system knows the hash's method. Looks at the hash alone.
    package static func isSupported(_ hash: String) -> Bool { unsafe tg_crypt_supports(hash) == 1 }

    /// Whether the password gives this hash. As slow as the hash's cost asks for (bcrypt with cost 10: about 80 ms): not
    /// for an event loop. The comparison takes the same time wherever the hashes differ.
    ///
    /// Passwords with a zero byte or of 512 bytes and more match nothing: `crypt(3)` would cut them.
    package static func matches(_ password: [UInt8], hash: String) -> Bool {
        guard password.count < 512, !password.contains(0) else { return false }
        let terminated = password + [0]
        return unsafe terminated.withUnsafeBytes { bytes in
            guard let start = unsafe bytes.bindMemory(to: CChar.self).baseAddress else { return false }
            return unsafe tg_crypt_matches(start, hash) == 1
        }
    }
}
