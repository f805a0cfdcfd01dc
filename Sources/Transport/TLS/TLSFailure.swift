internal import NIOSSL
package import Telemetry

/// Why a handshake failed, for a counter and for people.
package struct TLSFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package var reason: TLSFailureReason
    /// What happened, and which side found it.
    package var description: String

    package init(_ reason: TLSFailureReason, _ description: String) {
        self.reason = reason
        self.description = description
    }
}

extension TLSFailure {
    /// Reads what the TLS library reports.
    ///
    /// The library says that a certificate did not verify, but not why; its times tell the most frequent reason.
    /// - Parameters:
    ///   - peerValidity: of the other side's certificate, if it has sent one.
    ///   - now: seconds since 1970.
    package init(_ error: any Error, side: TLSSide, peerValidity: X509Validity?, now: Int64) {
        let peer = side == .server ? "client" : "server"
        if let error = error as? NIOSSLExtraError, error == .failedToValidateHostname {
            self.init(.wrongHost, "the server's certificate is for other names: \(clean("\(error)"))")
            return
        }
        if let error = error as? NIOSSLError {
            switch error {
            case .handshakeFailed(let inner): self = Self.handshake("\(inner)", peer, peerValidity, now)
            case .uncleanShutdown, .shutdownFailed:
                self.init(.disconnected, "the \(peer) left during the handshake")
            case .unableToValidateCertificate, .noCertificateToValidate:
                self.init(.noClientCertificate, "the \(peer) sent no certificate")
            default: self.init(.other, clean("\(error)"))
            }
            return
        }
        // After the handshake, alerts come as errors of their own: TLS 1.3 judges a client's certificate that late.
        self = Self.handshake("\(error)", peer, peerValidity, now)
    }

    /// Whether an error says no more than that the connection ended: the other side closed TCP without closing TLS first, as
    /// many do, or the network broke.
    package static func isAbruptEnd(_ error: any Error) -> Bool {
        switch error {
        case NIOSSLError.uncleanShutdown: true
        case is BoringSSLError, is NIOSSLExtraError: false
        case let error as NIOSSLError: if case .handshakeFailed = error { false } else { true }
        default: true
        }
    }

    /// The library's names of reasons (`openssl/ssl.h`), which stand in its error texts.
    private static func handshake(
        _ text: String, _ peer: String, _ peerValidity: X509Validity?, _ now: Int64
    ) -> TLSFailure {
        func says(_ names: String...) -> Bool { names.contains { text.contains($0) } }
        if says("CERTIFICATE_VERIFY_FAILED") { return unverified(peer, peerValidity, now) }
        if says("PEER_DID_NOT_RETURN_A_CERTIFICATE") {
            return TLSFailure(.noClientCertificate, "the client sent no certificate, and one is demanded")
        }
        if says("ALERT_CERTIFICATE_REQUIRED") {
            return TLSFailure(.noClientCertificate, "the \(peer) demands a certificate (`cert_file`, `key_file`)")
        }
        if says("ALERT_CERTIFICATE_EXPIRED") {
            return TLSFailure(.expired, "the \(peer) says that this node's certificate has expired")
        }
        if says("ALERT_UNKNOWN_CA") {
            return TLSFailure(.unknownAuthority, "the \(peer) does not trust the authority of this node's certificate")
        }
        if says("ALERT_CERTIFICATE_UNKNOWN", "ALERT_BAD_CERTIFICATE", "ALERT_UNSUPPORTED_CERTIFICATE",
            "ALERT_CERTIFICATE_REVOKED", "ALERT_ACCESS_DENIED")
        {
            return TLSFailure(
                .badCertificate, "the \(peer) does not accept this node's certificate (its name or its use, most often)")
        }
        if says("UNSUPPORTED_PROTOCOL", "ALERT_PROTOCOL_VERSION", "NO_SUPPORTED_VERSIONS_ENABLED") {
            return TLSFailure(.protocolVersion, "no TLS version that both sides allow")
        }
        if says("HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "WRONG_VERSION_NUMBER") {
            return TLSFailure(.plainText, "the \(peer) speaks plain text, not TLS")
        }
        if says("NO_SHARED_CIPHER", "NO_SHARED_GROUP", "NO_COMMON_SIGNATURE_ALGORITHMS", "ALERT_HANDSHAKE_FAILURE",
            "NO_APPLICATION_PROTOCOL", "WRONG_CURVE", "ALERT_INSUFFICIENT_SECURITY")
        {
            return TLSFailure(.noCommonParameters, "no cipher suite, curve or protocol that both sides allow")
        }
        // Some clients (OpenSSL 3) send this alert before they encrypt, which reads as a record that can't be decrypted.
        if peer == "client", says("BAD_PACKET_LENGTH", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC", "BAD_DECRYPT") {
            return TLSFailure(
                .badCertificate, "the client broke off when it saw this node's certificate: it does not trust it, most often")
        }
        if says("EOF during", "zeroReturn", "syscallError", "Connection reset", "Broken pipe") {
            return TLSFailure(.disconnected, "the \(peer) left during the handshake")
        }
        return TLSFailure(.other, libraryReason(text).map { "what the \(peer) sent is no good TLS: \($0)" } ?? clean(text))
    }

    /// The library's name of a reason, out of a text such as `sslError([Error: 268435606 error:10000096:SSL
    /// routines:OPENSSL_internal:EXCESSIVE_MESSAGE_SIZE at ssl/s3_both.cc:434])`, which names its source files too.
    private static func libraryReason(_ text: String) -> String? {
        guard let mark = text.firstRange(of: "OPENSSL_internal:") else { return nil }
        let name = text[mark.upperBound...].prefix { ($0.isASCII && ($0.isLetter || $0.isNumber)) || $0 == "_" }
        return name.isEmpty ? nil : String(name)
    }

    private static func unverified(_ peer: String, _ validity: X509Validity?, _ now: Int64) -> TLSFailure {
        if let validity, validity.notAfter < now {
            let date = CalendarDate(seconds: validity.notAfter)
            return TLSFailure(.expired, "the \(peer)'s certificate expired on \(date)")
        }
        if let validity, validity.notBefore > now {
            let date = CalendarDate(seconds: validity.notBefore)
            return TLSFailure(.notYetValid, "the \(peer)'s certificate is not valid before \(date)")
        }
        return TLSFailure(.unknownAuthority, "the \(peer)'s certificate is signed by no authority that is trusted here")
    }
}

/// Text that may hold a peer's bytes: printable, on one line, not long.
private func clean(_ text: String) -> String {
    String(text.unicodeScalars.prefix(300).map { $0.value >= 0x20 && $0.value != 0x7f ? Character($0) : " " })
}
