internal import NIOCore
package import NIOSSL
internal import Telemetry
internal import NativeCore

/// Certificates, keys and settings, read and found to fit together: what TLS connections are made from.
///
/// Reading blocks (files; the system's authorities are some hundred certificates): not for an event loop.
package struct TLSMaterial: Sendable {
    package let context: NIOSSLContext
    /// When the first of this side's own certificates ends, seconds since 1970; nil without a certificate.
    package let expires: Int64?
    /// What is doubtful, but works: an expired certificate.
    package let warnings: [TLSProblem]
    /// A digest of everything that was read: equal digests mean that nothing changed.
    let fingerprint: SHA256.Digest

    /// No certificate, key or bundle is longer.
    private static let fileLimit = 4 << 20

    /// Reads what the settings name and puts it together.
    /// - Parameter now: seconds since 1970, to tell what has expired.
    /// - Throws: every problem that was found, at least one.
    package static func load(_ settings: TLSSettings, now: Int64) throws(TLSProblems) -> TLSMaterial {
        var loader = Loader(settings: settings, now: now)
        return try loader.run()
    }

    /// Reads once, notes all problems.
    private struct Loader {
        let settings: TLSSettings
        let now: Int64
        var problems: [TLSProblem] = []
        var warnings: [TLSProblem] = []
        var read: [UInt8] = []

        mutating func run() throws(TLSProblems) -> TLSMaterial {
            let chain = certificates(settings.certificate, .certificate)
            let key = privateKey()
            let authorities = certificates(settings.authorities, .authorities)
            checkPair(chain, key)
            checkTimes(chain, .certificate, "the certificate")
            checkTimes(authorities, .authorities, "an authority's certificate")
            guard problems.isEmpty else { throw TLSProblems(problems) }
            let context = try makeContext(chain, key, settings.authorities == nil ? nil : authorities)
            return TLSMaterial(
                context: context, expires: chain.compactMap { $0.validity?.notAfter }.min(), warnings: warnings,
                fingerprint: SHA256.digest(of: read))
        }

        /// The certificates of a source; empty if there is none, or if it is broken, which is noted.
        private mutating func certificates(_ source: TLSSource?, _ part: TLSProblem.Part) -> [NIOSSLCertificate] {
            guard let source, let bytes = bytes(of: source, part) else { return [] }
            let made = (try? NIOSSLCertificate.fromPEMBytes(bytes)) ?? []
            if made.isEmpty {
                problems.append(
                    TLSProblem(
                        part,
                        contains(bytes, "PRIVATE KEY")
                            ? "\(shown(source)) holds a private key where a certificate is expected"
                            : "\(shown(source)) holds no certificate; PEM text is expected (`-----BEGIN CERTIFICATE-----`)"))
            }
            return made
        }

        private mutating func privateKey() -> NIOSSLPrivateKey? {
            guard let source = settings.key, let bytes = bytes(of: source, .key) else { return nil }
            // The library would ask for the passphrase on the terminal.
            if contains(bytes, "ENCRYPTED") {
                problems.append(
                    TLSProblem(.key, "\(shown(source)) is encrypted with a passphrase; store the key without one"))
                return nil
            }
            if let key = try? NIOSSLPrivateKey(bytes: bytes, format: .pem) { return key }
            problems.append(
                TLSProblem(
                    .key,
                    contains(bytes, "BEGIN CERTIFICATE")
                        ? "\(shown(source)) holds a certificate where its private key is expected"
                        : "\(shown(source)) holds no private key; PEM text is expected (`-----BEGIN PRIVATE KEY-----`)"))
            return nil
        }

        private mutating func bytes(of source: TLSSource, _ part: TLSProblem.Part) -> [UInt8]? {
            switch source {
            case .text(let secret):
                read += secret.revealed.utf8
                return Array(secret.revealed.utf8)
            case .file(let path):
                do {
                    let bytes = try RegularFile.read(path, limit: fileLimit)
                    read += bytes
                    return bytes
                } catch {
                    problems.append(TLSProblem(part, "cannot read \(path): \(error.text)"))
                    return nil
                }
            }
        }

        private mutating func checkPair(_ chain: [NIOSSLCertificate], _ key: NIOSSLPrivateKey?) {
            guard let leaf = chain.first, let key else { return }
            var trial = TLSConfiguration.makeClientConfiguration()
            trial.trustRoots = .certificates([])
            trial.certificateChain = [.certificate(leaf)]
            trial.privateKey = .privateKey(key)
            if (try? NIOSSLContext(configuration: trial)) == nil {
                problems.append(
                    TLSProblem(.key, "the private key is not the one of the certificate\(name(of: leaf)); give the two that were made together"))
            }
        }

        private mutating func checkTimes(_ chain: [NIOSSLCertificate], _ part: TLSProblem.Part, _ what: String) {
            for certificate in chain {
                guard let validity = certificate.validity else { continue }
                if validity.notAfter < now {
                    let date = CalendarDate(seconds: validity.notAfter)
                    warnings.append(TLSProblem(part, "\(what)\(name(of: certificate)) expired on \(date)"))
                } else if validity.notBefore > now {
                    let date = CalendarDate(seconds: validity.notBefore)
                    warnings.append(TLSProblem(part, "\(what)\(name(of: certificate)) is not valid before \(date)"))
                }
            }
        }

        private func makeContext(
            _ chain: [NIOSSLCertificate], _ key: NIOSSLPrivateKey?, _ authorities: [NIOSSLCertificate]?
        ) throws(TLSProblems) -> NIOSSLContext {
            var made: TLSConfiguration
            if settings.side == .server, let key {
                made = .makeServerConfiguration(
                    certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
                made.certificateVerification = authorities == nil ? .none : .noHostnameVerification
                made.sendCANameList = authorities != nil
            } else {
                made = .makeClientConfiguration()
                made.certificateChain = chain.map { .certificate($0) }
                made.privateKey = key.map { .privateKey($0) }
                made.certificateVerification = settings.skipsVerification ? .none : .fullVerification
            }
            if let authorities {
                made.trustRoots = settings.includesSystemAuthorities ? .default : .certificates(authorities)
                if settings.includesSystemAuthorities { made.additionalTrustRoots = [.certificates(authorities)] }
            }
            made.minimumTLSVersion = settings.minimumVersion.native
            made.maximumTLSVersion = settings.maximumVersion.native
            // Lengths of lists are checked by the reader of the configuration: the library traps on empty ones.
            if let suites = settings.cipherSuites, !suites.isEmpty {
                made.cipherSuiteValues = suites.map { NIOTLSCipher($0) }
            }
            if let curves = settings.curves, !curves.isEmpty { made.curves = curves.map { NIOTLSCurve($0) } }
            made.applicationProtocols = settings.applicationProtocols
            made.shutdownTimeout = .seconds(2)
            do {
                return try NIOSSLContext(configuration: made)
            } catch {
                throw TLSProblems([TLSProblem(.whole, "the TLS library refuses these settings: \(error)")])
            }
        }

        private func shown(_ source: TLSSource) -> String {
            if case .file(let path) = source { path } else { "the text" }
        }

        /// ` "gateway.example"`, or nothing if the certificate has no name.
        private func name(of certificate: NIOSSLCertificate) -> String {
            let text = certificate.description
            guard let start = text.firstRange(of: "common_name=") else { return "" }
            return " of \"\(text[start.upperBound...].prefix { $0 != ";" && $0 != ">" })\""
        }

        private func contains(_ bytes: [UInt8], _ text: String) -> Bool { bytes.firstRange(of: Array(text.utf8)) != nil }
    }
}

/// What was found wrong with TLS settings, all of it.
package struct TLSProblems: Error, Sendable, Equatable, CustomStringConvertible {
    package var all: [TLSProblem]

    package init(_ all: [TLSProblem]) { self.all = all }

    package var description: String { all.map(\.message).joined(separator: "; ") }
}

extension NIOSSLCertificate {
    /// Nil if the certificate is too malformed to tell.
    var validity: X509Validity? { (try? toDERBytes()).flatMap { X509Validity(der: $0) } }
}

extension TLSProtocolVersion {
    fileprivate var native: TLSVersion {
        switch self {
        case .v1_0: .tlsv1
        case .v1_1: .tlsv11
        case .v1_2: .tlsv12
        case .v1_3: .tlsv13
        }
    }
}
