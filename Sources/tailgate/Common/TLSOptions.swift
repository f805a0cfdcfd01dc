import ArgumentParser
import NIOCore
import NativeCore
import Telemetry
import Transport

/// How `load` speaks TLS: the keys of the Collector's `tls` block as options.
struct ClientTLSOptions: ParsableArguments {
    @Flag(help: "Send over TLS and trust the system's authorities. The options below ask for TLS too.")
    var tls = false

    @Option(help: "Who may sign the receiver's certificate (PEM), instead of the system's authorities.")
    var caFile: String?

    @Option(help: "A certificate to show, with those that signed it (PEM).")
    var certFile: String?

    @Option(help: "Its private key (PEM).")
    var keyFile: String?

    @Option(help: "The name that the receiver's certificate must bear, if it is not the endpoint's.")
    var serverNameOverride: String?

    @Flag(help: "Take any certificate.")
    var insecureSkipVerify = false

    func validate() throws {
        if (certFile == nil) != (keyFile == nil) {
            throw ValidationError("--cert-file and --key-file belong together")
        }
    }

    /// What these options ask for; nil for plain text.
    ///
    /// - Parameters:
    ///   - isHTTPS: whether the endpoint's text asks for TLS too.
    ///   - protocols: what to offer (ALPN).
    /// - Throws: exit code 64, after the problems were printed.
    func material(isHTTPS: Bool, protocols: [String]) throws -> TLSMaterial? {
        let isWanted = tls || isHTTPS || caFile != nil || certFile != nil || serverNameOverride != nil || insecureSkipVerify
        guard isWanted else { return nil }
        var settings = TLSSettings(side: .client)
        settings.certificate = certFile.map { .file($0) }
        settings.key = keyFile.map { .file($0) }
        settings.authorities = caFile.map { .file($0) }
        settings.skipsVerification = insecureSkipVerify
        settings.applicationProtocols = protocols
        return try TLSOptions.load(settings, authoritiesOption: "--ca-file")
    }
}

/// How `sink` speaks TLS: the keys of the Collector's `tls` block as options.
struct ServerTLSOptions: ParsableArguments {
    @Option(help: "Speak TLS with this certificate, and those that signed it (PEM).")
    var certFile: String?

    @Option(help: "Its private key (PEM).")
    var keyFile: String?

    @Option(help: "Demand certificates that one of these authorities signed (PEM).")
    var clientCaFile: String?

    func validate() throws {
        if (certFile == nil) != (keyFile == nil) {
            throw ValidationError("--cert-file and --key-file belong together")
        }
        if clientCaFile != nil, certFile == nil {
            throw ValidationError("--client-ca-file needs --cert-file and --key-file")
        }
    }

    /// What these options ask for; nil for plain text.
    ///
    /// - Throws: exit code 64, after the problems were printed.
    func material() throws -> TLSMaterial? {
        guard let certFile, let keyFile else { return nil }
        var settings = TLSSettings(side: .server)
        settings.certificate = .file(certFile)
        settings.key = .file(keyFile)
        settings.authorities = clientCaFile.map { .file($0) }
        return try TLSOptions.load(settings, authoritiesOption: "--client-ca-file")
    }
}

/// What the options of both sides share.
private enum TLSOptions {
    static func load(_ settings: TLSSettings, authoritiesOption: String) throws -> TLSMaterial {
        do throws(TLSProblems) {
            let material = try TLSMaterial.load(settings, now: SystemClocks.unixSeconds())
            for warning in material.warnings { StandardError.print("warning: \(warning.message)") }
            return material
        } catch {
            for problem in error.all {
                let option =
                    switch problem.part {
                    case .certificate: "--cert-file: "
                    case .key: "--key-file: "
                    case .authorities: "\(authoritiesOption): "
                    case .whole: ""
                    }
                StandardError.print("error: \(option)\(problem.message)")
            }
            throw ExitCodes.configuration
        }
    }
}
