import Foundation
import NIOSSL
import Telemetry
import TestSupport
import Testing

@testable import Transport

/// 2026-01-01.
private let today: Int64 = 1_767_225_600

private func server(_ certificate: String, _ key: String) -> TLSSettings {
    var settings = TLSSettings(side: .server)
    settings.certificate = .text(Secret(certificate))
    settings.key = .text(Secret(key))
    return settings
}

@Suite struct TLSMaterialTests {
    private func problems(_ settings: TLSSettings) -> [TLSProblem] {
        do throws(TLSProblems) {
            _ = try TLSMaterial.load(settings, now: today)
            return []
        } catch {
            return error.all
        }
    }

    @Test func whatFitsLoads() throws {
        let material = try TLSMaterial.load(server(Certificates.one, Certificates.oneKey), now: today)
        #expect(material.warnings.isEmpty && material.expires == 4_733_510_400)
        var client = TLSSettings(side: .client)
        client.authorities = .text(Secret(Certificates.one + "\n" + Certificates.expired))
        client.cipherSuites = TLSNames.cipherSuites.map(\.number)
        client.curves = TLSNames.curves.map(\.number)
        #expect(try TLSMaterial.load(client, now: today).warnings.map(\.part) == [.authorities])
    }

    /// Every name of the tables is one that the library takes; it traps on others.
    @Test func everyNameIsKnownToTheLibrary() throws {
        for (name, number) in TLSNames.cipherSuites {
            var settings = server(Certificates.one, Certificates.oneKey)
            settings.cipherSuites = [number]
            #expect(throws: Never.self, "\(name)") { _ = try TLSMaterial.load(settings, now: today) }
        }
        for (name, number) in TLSNames.curves {
            var settings = server(Certificates.one, Certificates.oneKey)
            settings.curves = [number]
            #expect(throws: Never.self, "\(name)") { _ = try TLSMaterial.load(settings, now: today) }
        }
    }

    /// What is asked for in the handshake: names, but not addresses, and what was configured before either.
    @Test func namesOfServers() {
        for (host, wanted, name) in [
            ("store.example", nil, "store.example"), ("store.example", "", "store.example"), ("localhost", nil, "localhost"),
            ("192.0.2.1", nil, nil), ("192.0.2.1", "", nil), ("::1", nil, nil), ("2001:db8::1", nil, nil),
            ("192.0.2.1", "a.example", "a.example"), ("store.example", "a.example", "a.example"),
            ("192.0.2.1.example", nil, "192.0.2.1.example"), ("192.0.2.256", nil, "192.0.2.256"),
        ] as [(String, String?, String?)] {
            #expect(TLSServerName.of(host: host, wanted: wanted) == name, "\(host), \(wanted ?? "nothing")")
        }
        var settings = GRPCClientSettings(endpoint: .unixSocket(path: "/run/store"), authority: "store")
        #expect(settings.tlsServerName == "localhost")
        settings.endpoint = .host("192.0.2.1", port: 4317)
        #expect(settings.tlsServerName == nil)
    }

    @Test func timesAreWarnings() throws {
        let expired = try TLSMaterial.load(server(Certificates.expired, Certificates.oneKey), now: today)
        #expect(expired.warnings.map(\.message) == ["the certificate of \"old.example\" expired on 2021-06-05 04:03 UTC"])
        let future = try TLSMaterial.load(server(Certificates.future, Certificates.oneKey), now: today)
        #expect(future.warnings.map(\.message) == ["the certificate of \"future.example\" is not valid before 2110-01-01 00:00 UTC"])
        // Both sides of the last second.
        let end: Int64 = 1_622_865_782
        #expect(try TLSMaterial.load(server(Certificates.expired, Certificates.oneKey), now: end).warnings.isEmpty)
        #expect(try TLSMaterial.load(server(Certificates.expired, Certificates.oneKey), now: end + 1).warnings.count == 1)
    }

    @Test func whatIsWrongIsNamed() {
        func message(_ certificate: String, _ key: String) -> String? {
            problems(server(certificate, key)).map { "\($0.part): \($0.message)" }.joined(separator: "|")
        }
        #expect(message(Certificates.one, Certificates.otherKey)?.contains("key: the private key is not the one of the certificate of \"one.example\"") == true)
        #expect(message("x", "y") == "certificate: the text holds no certificate; PEM text is expected (`-----BEGIN CERTIFICATE-----`)|key: the text holds no private key; PEM text is expected (`-----BEGIN PRIVATE KEY-----`)")
        #expect(message(Certificates.oneKey, Certificates.one)?.contains("holds a private key where a certificate is expected") == true)
        #expect(message(Certificates.one, "-----BEGIN ENCRYPTED PRIVATE KEY-----")?.contains("encrypted with a passphrase") == true)
        var missing = server(Certificates.one, Certificates.oneKey)
        missing.certificate = .file("/nowhere/x.crt")
        #expect(problems(missing) == [TLSProblem(.certificate, "cannot read /nowhere/x.crt: there is no such file")])
        missing.certificate = .file("/dev/zero")
        #expect(problems(missing).count == 1, "no device is read")
    }
}

@Suite struct TLSCredentialsTests {
    /// Two files, a directory of their own, gone at the end.
    private final class Files {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tls-\(UUID())").path
        var certificate: String { directory + "/c.pem" }
        var key: String { directory + "/k.pem" }

        init() throws { try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: directory) }

        func write(_ text: String, to path: String) throws {
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
    }

    @Test func renewedWithoutARestart() throws {
        let files = try Files()
        try files.write(Certificates.one, to: files.certificate)
        try files.write(Certificates.oneKey, to: files.key)
        var settings = TLSSettings(side: .server)
        settings.certificate = .file(files.certificate)
        settings.key = .file(files.key)
        let made = try TLSCredentials(settings, name: "t", now: today, uptime: 0)
        let first = made.context
        #expect(made.reload(now: today, uptime: 1) == .unchanged)
        // Rewritten with the same content: nothing to say.
        try files.write(Certificates.one, to: files.certificate)
        #expect(made.reload(now: today, uptime: 1) == .unchanged && made.context === first)
        try files.write(Certificates.oneRenewed, to: files.certificate)
        #expect(made.reload(now: today, uptime: 1) == .taken("valid until 2119-01-01 00:00 UTC"))
        let second = made.context
        #expect(second !== first)
        // A key that does not fit, told once; the old pair stays.
        try files.write(Certificates.otherKey, to: files.key)
        guard case .failed(let why) = made.reload(now: today, uptime: 1) else {
            Issue.record("a wrong key was taken")
            return
        }
        #expect(why.contains("not the one of the certificate") && made.context === second)
        try files.write(Certificates.otherKey, to: files.key)
        #expect(made.reload(now: today, uptime: 1) == .unchanged)
        try FileManager.default.removeItem(atPath: files.certificate)
        guard case .failed = made.reload(now: today, uptime: 1) else {
            Issue.record("a missing file was taken")
            return
        }
        try files.write(Certificates.expired, to: files.certificate)
        try files.write(Certificates.oneKey, to: files.key)
        guard case .taken(let what) = made.reload(now: today, uptime: 1) else {
            Issue.record("nothing was taken")
            return
        }
        #expect(what.contains("expired on 2021-06-05"))
    }

    /// `client_ca_file_reload: false`.
    @Test func authoritiesOnlyIfWanted() throws {
        let files = try Files()
        try files.write(Certificates.one, to: files.certificate)
        var settings = server(Certificates.one, Certificates.oneKey)
        settings.authorities = .file(files.certificate)
        settings.reloadsAuthorities = false
        let kept = try TLSCredentials(settings, name: "t", now: today, uptime: 0)
        settings.reloadsAuthorities = true
        let renewed = try TLSCredentials(settings, name: "t", now: today, uptime: 0)
        try files.write(Certificates.oneRenewed, to: files.certificate)
        #expect(kept.reload(now: today, uptime: 1) == .unchanged)
        #expect(renewed.reload(now: today, uptime: 1) != .unchanged)
    }
}

@Suite struct X509ValidityTests {
    private func der(_ pem: String) throws -> [UInt8] {
        try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem).toDERBytes()
    }

    @Test func timesAreRead() throws {
        #expect(try X509Validity(der: der(Certificates.one)) == X509Validity(notBefore: 1_577_836_800, notAfter: 4_733_510_400))
        #expect(try X509Validity(der: der(Certificates.expired)) == X509Validity(notBefore: 1_577_836_800, notAfter: 1_622_865_782))
    }

    /// A certificate of a peer is bytes from outside: cut anywhere, changed anywhere, it never traps.
    @Test func anyBytesAreSafe() throws {
        let whole = try der(Certificates.one)
        for count in 0..<whole.count { _ = X509Validity(der: Array(whole[..<count])) }
        var random = SeededGenerator(7)
        for _ in 0..<50_000 {
            var changed = whole
            for _ in 0...(random.next() % 4) {
                changed[Int(random.next() % UInt64(changed.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = X509Validity(der: changed)
        }
        #expect(X509Validity(der: []) == nil && X509Validity(der: [0x30, 0x84, 0xff, 0xff, 0xff, 0xff]) == nil)
    }

    @Test(arguments: [
        (0, "1970-01-01 00:00 UTC"), (951_782_400, "2000-02-29 00:00 UTC"), (4_107_542_399, "2100-02-28 23:59 UTC"),
        (4_107_542_400, "2100-03-01 00:00 UTC"), (-1, "1969-12-31 23:59 UTC"), (253_402_300_799, "9999-12-31 23:59 UTC"),
    ] as [(Int64, String)])
    func dates(seconds: Int64, text: String) { #expect(CalendarDate(seconds: seconds).description == text) }

    @Test func daysAndDatesAgree() {
        for day in stride(from: Int64(-200_000), to: 200_000, by: 37) {
            let text = CalendarDate(seconds: day * 86_400).description
            let parts = text.split(separator: " ")[0].split(separator: "-").compactMap { Int64($0) }
            guard parts.count == 3 else { continue }
            #expect(CivilTime.days(year: parts[0], month: parts[1], day: parts[2]) == day)
        }
    }
}

@Suite struct TLSFailureTests {
    private struct Text: Error, CustomStringConvertible { var description: String }

    private func reason(_ text: String, _ side: TLSSide = .server, _ validity: X509Validity? = nil) -> TLSFailureReason {
        TLSFailure(Text(description: text), side: side, peerValidity: validity, now: today).reason
    }

    @Test func theLibrarysWordsAreUnderstood() {
        #expect(reason("error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED") == .unknownAuthority)
        let old = X509Validity(notBefore: 0, notAfter: today - 1)
        let valid = X509Validity(notBefore: 0, notAfter: today)
        let new = X509Validity(notBefore: today + 1, notAfter: .max)
        #expect(reason("CERTIFICATE_VERIFY_FAILED", .client, old) == .expired)
        #expect(reason("CERTIFICATE_VERIFY_FAILED", .client, valid) == .unknownAuthority)
        #expect(reason("CERTIFICATE_VERIFY_FAILED", .server, new) == .notYetValid)
        #expect(reason("PEER_DID_NOT_RETURN_A_CERTIFICATE") == .noClientCertificate)
        #expect(reason("TLSV1_ALERT_CERTIFICATE_REQUIRED", .client) == .noClientCertificate)
        #expect(reason("SSLV3_ALERT_CERTIFICATE_EXPIRED") == .expired)
        #expect(reason("TLSV1_ALERT_UNKNOWN_CA") == .unknownAuthority)
        #expect(reason("SSLV3_ALERT_BAD_CERTIFICATE") == .badCertificate)
        #expect(reason("UNSUPPORTED_PROTOCOL") == .protocolVersion && reason("TLSV1_ALERT_PROTOCOL_VERSION") == .protocolVersion)
        #expect(reason("HTTP_REQUEST") == .plainText && reason("WRONG_VERSION_NUMBER", .client) == .plainText)
        #expect(reason("NO_SHARED_CIPHER") == .noCommonParameters)
        #expect(reason("DECRYPTION_FAILED_OR_BAD_RECORD_MAC") == .badCertificate)
        #expect(reason("DECRYPTION_FAILED_OR_BAD_RECORD_MAC", .client) == .other)
        #expect(reason("Connection reset by peer") == .disconnected)
        #expect(reason("whatever") == .other)
        #expect(TLSFailure(NIOSSLExtraError.failedToValidateHostname, side: .client, peerValidity: nil, now: today).reason == .wrongHost)
        #expect(TLSFailure(NIOSSLError.uncleanShutdown, side: .server, peerValidity: nil, now: today).reason == .disconnected)
    }

    @Test func textOfPeersIsTamed() {
        let library = "sslError([Error: 5 error:10000096:SSL routines:OPENSSL_internal:EXCESSIVE_MESSAGE_SIZE at /build/s3_both.cc:434])"
        let odd = TLSFailure(Text(description: library), side: .server, peerValidity: nil, now: today)
        #expect(odd.reason == .other && odd.description == "what the client sent is no good TLS: EXCESSIVE_MESSAGE_SIZE")
        let failure = TLSFailure(Text(description: "a\u{1b}[31m\nb" + String(repeating: "x", count: 1000)), side: .server, peerValidity: nil, now: today)
        #expect(failure.description.count <= 300 && !failure.description.contains("\n") && !failure.description.contains("\u{1b}"))
    }

    @Test func abruptEnds() {
        #expect(TLSFailure.isAbruptEnd(NIOSSLError.uncleanShutdown))
        #expect(TLSFailure.isAbruptEnd(Text(description: "reset")))
        #expect(!TLSFailure.isAbruptEnd(BoringSSLError.sslError([])))
        #expect(!TLSFailure.isAbruptEnd(NIOSSLError.handshakeFailed(.noError)))
    }
}
