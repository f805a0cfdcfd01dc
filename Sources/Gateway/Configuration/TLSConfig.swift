internal import ConfigTree
internal import NativeCore
internal import Telemetry
internal import Transport

/// Reads the Collector's `tls` blocks into `TLSSettings`, with the files they name: what can't work is told now, at its
/// place, and not at the first handshake.
enum TLSConfig {
    /// `tls` of a listener.
    /// - Parameter protocols: what ALPN agrees to, most wanted first.
    /// - Returns: nil if the key is absent, null, or wrong (which is reported): plain text.
    static func server(_ reader: inout ConfigReader, protocols: [String]) -> TLSSettings? {
        guard let node = reader.node("tls"), node.value != .null, var tls = reader.map("tls") else { return nil }
        var settings = TLSSettings(side: .server)
        settings.applicationProtocols = protocols
        var keys = ProblemKeys()
        readCommon(&tls, &settings, &keys)
        if tls.has("ca_file") || tls.has("ca_pem") {
            tls.warning(
                "has no effect here: client certificates are checked against `client_ca_file`",
                key: tls.has("ca_file") ? "ca_file" : "ca_pem")
        }
        _ = tls.stringIfPresent("ca_file")
        _ = tls.secret("ca_pem")
        settings.authorities = tls.nonEmpty("client_ca_file").map { .file($0) }
        keys.authorities = "client_ca_file"
        settings.reloadsAuthorities = tls.bool("client_ca_file_reload", default: true)
        if settings.certificate == nil, settings.key == nil {
            tls.error("`cert_file` and `key_file` are missing: a server needs a certificate (or leave `tls` out for plain text)")
        }
        return check(&tls, settings, keys)
    }

    /// `tls` of a client, from the map of its owner.
    /// - Returns: nil for plain text.
    static func client(_ reader: inout ConfigReader, scheme: ClientScheme) -> TLSSettings? {
        var settings = TLSSettings(side: .client)
        guard var tls = reader.map("tls") else {
            if scheme == .plain { return nil }
            if let problems = systemProblems {
                reader.error("TLS is the default, and \(problems.description); write `tls: {ca_file: ...}`, or `tls: {insecure: true}` for plain text")
            }
            return settings
        }
        let isInsecure = tls.bool("insecure", default: false)
        var keys = ProblemKeys()
        readCommon(&tls, &settings, &keys)
        settings.skipsVerification = tls.bool("insecure_skip_verify", default: false)
        settings.authorities = source(&tls, "ca_file", "ca_pem", &keys.authorities)
        settings.includesSystemAuthorities = tls.bool("include_system_ca_certs_pool", default: false)
        settings.serverName = tls.nonEmpty("server_name_override")
        if let name = settings.serverName, AddressBytes.parse(name) != nil {
            tls.error("an IP address is no server name; leave the key out, or give a name of the certificate", key: "server_name_override")
        }
        tls.notSupported(["tpm"], because: "keys are read from files; leave the key out")
        // As in the Collector: an authority asks for TLS, whatever `insecure` says.
        let isPlain = scheme == .plain || (isInsecure && scheme == .open && settings.authorities == nil)
        if isPlain {
            tls.finish()
            return nil
        }
        if isInsecure {
            tls.warning(
                settings.authorities == nil
                    ? "has no effect: `https://` asks for TLS; write `http://` for plain text"
                    : "has no effect: an authority is given, which asks for TLS; leave one of the two out", key: "insecure")
        }
        if settings.skipsVerification {
            tls.warning("anybody can pose as this server; give its authority in `ca_file` instead", key: "insecure_skip_verify")
        }
        return check(&tls, settings, keys)
    }

    /// `tls` of a cluster's node, which is server and client to its peers: one certificate for both, and one authority that all
    /// nodes' certificates are checked against, on both sides.
    /// - Returns: nil if the key is absent, null, or wrong (which is reported): plain text.
    static func peers(_ reader: inout ConfigReader) -> (server: TLSSettings, client: TLSSettings)? {
        guard let node = reader.node("tls"), node.value != .null, var tls = reader.map("tls") else { return nil }
        var server = TLSSettings(side: .server)
        var keys = ProblemKeys()
        readCommon(&tls, &server, &keys)
        server.authorities = source(&tls, "ca_file", "ca_pem", &keys.authorities)
        let name = tls.nonEmpty("server_name_override")
        if server.certificate == nil, server.key == nil {
            tls.error("`cert_file` and `key_file` are missing: a node shows its certificate to its peers")
        }
        if server.authorities == nil {
            tls.error("`ca_file` is missing: nodes check each other's certificates against it", key: "ca_file")
        }
        guard let server = check(&tls, server, keys), server.authorities != nil else { return nil }
        var client = server
        client.side = .client
        client.serverName = name
        if let problems = problems(of: client) {
            tls.error("can't be used for connections to peers: \(problems.description)")
            return nil
        }
        return (server, client)
    }

    /// What an endpoint's text says about TLS.
    enum ClientScheme { case plain, secure, open }

    /// Under which keys the parts stand.
    private struct ProblemKeys {
        var certificate = "cert_file"
        var key = "key_file"
        var authorities = "ca_file"
    }

    private static func readCommon(_ tls: inout ConfigReader, _ settings: inout TLSSettings, _ keys: inout ProblemKeys) {
        settings.certificate = source(&tls, "cert_file", "cert_pem", &keys.certificate)
        settings.key = source(&tls, "key_file", "key_pem", &keys.key)
        if settings.certificate != nil, settings.key == nil {
            tls.error("`key_file` is missing: a certificate is of use only with its private key")
        } else if settings.certificate == nil, settings.key != nil {
            tls.error("`cert_file` is missing: a private key is of use only with its certificate")
        }
        settings.minimumVersion = version(&tls, "min_version") ?? settings.minimumVersion
        settings.maximumVersion = version(&tls, "max_version") ?? settings.maximumVersion
        if settings.minimumVersion > settings.maximumVersion {
            tls.error("is above `max_version`", key: tls.has("min_version") ? "min_version" : "max_version")
        }
        if settings.minimumVersion < .v1_2 {
            tls.warning("TLS 1.0 and 1.1 are broken (RFC 8996); `1.2` is the default", key: "min_version")
        }
        settings.cipherSuites = cipherSuites(&tls)
        settings.curves = numbers(&tls, "curve_preferences", TLSNames.curves, "curve")
        settings.reloadInterval = tls.optionalDuration("reload_interval")
    }

    private static func source(
        _ tls: inout ConfigReader, _ file: String, _ text: String, _ key: inout String
    ) -> TLSSource? {
        let path = tls.nonEmpty(file)
        let pem = tls.secret(text)
        if path != nil, pem != nil { tls.error("`\(file)` and `\(text)` say the same in two ways; keep one", key: text) }
        key = path == nil && pem != nil ? text : file
        return path.map { .file($0) } ?? pem.map { .text($0) }
    }

    private static func version(_ tls: inout ConfigReader, _ key: String) -> TLSProtocolVersion? {
        // `1.2` without quotes is a number to YAML, and what everybody means is clear.
        guard case .scalar(let scalar)? = tls.node(key)?.value, scalar.meaning != .null, !scalar.text.isEmpty else {
            return nil
        }
        if let found = TLSNames.versions.first(where: { $0.name == scalar.text }) { return found.version }
        tls.error("`\(clipped(scalar.text))` is no TLS version; allowed: \(TLSNames.versions.map(\.name).joined(separator: ", "))", key: key)
        return nil
    }

    private static func cipherSuites(_ tls: inout ConfigReader) -> [UInt16]? {
        let all = tls.placedStrings("cipher_suites")
        let placed = all.filter { !TLSNames.fixedSuites.contains($0.text) }
        if placed.isEmpty, !all.isEmpty {
            tls.warning("has no effect: the suites of TLS 1.3 are always on; write `min_version: \"1.3\"` to allow no others", key: "cipher_suites")
        }
        return numbers(placed, TLSNames.cipherSuites, "cipher suite", &tls)
    }

    private static func numbers(
        _ tls: inout ConfigReader, _ key: String, _ known: [(name: String, number: UInt16)], _ what: String
    ) -> [UInt16]? {
        numbers(tls.placedStrings(key), known, what, &tls)
    }

    private static func numbers(
        _ placed: [PlacedText], _ known: [(name: String, number: UInt16)], _ what: String, _ tls: inout ConfigReader
    ) -> [UInt16]? {
        var numbers: [UInt16] = []
        for item in placed {
            if let found = known.first(where: { $0.name == item.text }) {
                numbers.append(found.number)
                continue
            }
            let names = known.map(\.name)
            let nearest = nearestName(to: item.text, among: names).map { "; did you mean `\($0)`?" } ?? ";"
            tls.problems.error(
                "the \(what) `\(clipped(item.text))` is not in the TLS library\(nearest) allowed: \(names.joined(separator: ", "))",
                at: item.position, keyPath: item.keyPath)
        }
        return numbers.isEmpty ? nil : numbers
    }

    /// Reads the files, reports what is wrong with them under their keys, and finishes the block.
    private static func check(_ tls: inout ConfigReader, _ settings: TLSSettings, _ keys: ProblemKeys) -> TLSSettings? {
        tls.finish()
        func key(_ part: TLSProblem.Part) -> String? {
            switch part {
            case .certificate: keys.certificate
            case .key: keys.key
            case .authorities: keys.authorities
            case .whole: nil
            }
        }
        // A server without certificate or key has been reported.
        if settings.side == .server, settings.certificate == nil || settings.key == nil { return nil }
        if settings.namesNothing {
            if let systemProblems { tls.error(systemProblems.description) }
            return settings
        }
        do throws(TLSProblems) {
            let material = try TLSMaterial.load(settings, now: SystemClocks.unixSeconds())
            for warning in material.warnings { tls.warning(warning.message, key: key(warning.part)) }
        } catch {
            for problem in error.all { tls.error(problem.message, key: key(problem.part)) }
            return nil
        }
        return settings
    }

    /// Why a client that trusts the system's authorities can't be made: they may be missing altogether. Looked at once, since
    /// reading some hundred certificates takes ten milliseconds.
    private static let systemProblems = problems(of: TLSSettings(side: .client))

    private static func problems(of settings: TLSSettings) -> TLSProblems? {
        do throws(TLSProblems) {
            _ = try TLSMaterial.load(settings, now: SystemClocks.unixSeconds())
            return nil
        } catch {
            return error
        }
    }
}

extension TLSSettings {
    /// Whether all that could be wrong is the system's and the library's own.
    fileprivate var namesNothing: Bool {
        certificate == nil && key == nil && authorities == nil && cipherSuites == nil && curves == nil
    }
}

extension ConfigReader {
    /// A text, or nil if the key is absent, null, wrong or empty.
    mutating func nonEmpty(_ key: String) -> String? { stringIfPresent(key).flatMap { $0.isEmpty ? nil : $0 } }

    /// A text that must not be seen: no message shows it, whatever is wrong with it. Nil if absent, empty or wrong.
    mutating func secret(_ key: String) -> Secret? {
        guard let node = node(key), node.value != .null else { return nil }
        return secret(node, key: key)
    }

    private mutating func secret(_ node: ConfigNode, key: String) -> Secret? {
        guard case .scalar(let scalar) = node.value else {
            problems.error("text is expected", at: node.position, keyPath: path(of: key))
            return nil
        }
        if scalar.meaning == .null || scalar.text.isEmpty { return nil }
        if scalar.meaning != .text, !scalar.isSubstituted {
            problems.error("text is expected: write the value with quotes", at: node.position, keyPath: path(of: key))
            return nil
        }
        return Secret(scalar.text)
    }

    /// A list of such texts, with their places.
    mutating func secrets(_ key: String) -> [Secret] {
        guard let node = node(key), node.value != .null else { return [] }
        guard case .list(let items) = node.value else {
            problems.error("a list is expected (`- item` lines)", at: node.position, keyPath: path(of: key))
            return []
        }
        return items.compactMap { secret($0, key: key) }
    }
}
