/// Why a TLS handshake came to nothing. The raw value is the label `reason`.
package enum TLSFailureReason: String, Sendable, CaseIterable {
    /// A certificate's time is over.
    case expired
    /// A certificate's time has not begun.
    case notYetValid = "not_yet_valid"
    /// The certificate is for other names or addresses.
    case wrongHost = "wrong_host"
    /// No authority that is trusted has signed the certificate.
    case unknownAuthority = "unknown_authority"
    /// A client certificate is wanted, and none came.
    case noClientCertificate = "no_client_certificate"
    /// The certificate is unacceptable in another way.
    case badCertificate = "bad_certificate"
    /// No common TLS version.
    case protocolVersion = "protocol_version"
    /// No common cipher suite, curve or application protocol.
    case noCommonParameters = "no_common_parameters"
    /// Plain text on a port that speaks TLS.
    case plainText = "plain_text"
    /// TLS on a port that speaks plain text.
    case tlsOnPlainPort = "tls_on_plain_port"
    /// Not complete in time.
    case timeout
    /// The other side left before the end.
    case disconnected
    /// More handshakes wait than are allowed, in all or from one address.
    case tooMany = "too_many"
    /// Anything else that breaks TLS.
    case other
}

/// Which side of a connection this node is. The raw value is the label `side`.
package enum TLSSide: String, Sendable, CaseIterable {
    /// Clients connect to it.
    case server
    /// It connects to a backend.
    case client
}

/// Why a connection was refused before a byte of it was read. The raw value is the label `reason`.
package enum ConnectionRefusalReason: String, Sendable, CaseIterable {
    /// As many connections as are allowed, or as the process has file descriptors for.
    case total
    /// As many connections from this address as are allowed.
    case address
    /// Connections from this address were closed for abuse; it may open new ones slowly.
    case abuse
    /// The node shuts down.
    case shutdown
}

extension MetricList {
    static let tlsHandshakes = MetricFamily(
        "tailgate_tls_handshakes_total", .counter, labels: ["side"], help: "TLS handshakes that succeeded.")
    static let tlsHandshakeFailures = MetricFamily(
        "tailgate_tls_handshake_failures_total", .counter, labels: ["side", "reason"],
        help: "TLS handshakes that came to nothing, by reason.")
    static let tlsHandshakesWaiting = MetricFamily(
        "tailgate_tls_handshakes_waiting", .gauge, help: "TLS handshakes that wait for their turn.")
    static let credentialReloads = MetricFamily(
        "tailgate_credential_reloads_total", .counter, labels: ["outcome"],
        help: "Certificates, tokens and password files read again after a change: taken, or kept as they were.")
    static let connectionsRefused = MetricFamily(
        "tailgate_connections_refused_total", .counter, labels: ["reason"],
        help: "Client connections refused before a byte of them was read, by reason.")
}

/// What a worker counts about TLS and about connections that it refuses.
package struct SecurityMetrics: Sendable {
    package let serverHandshakes: CounterID
    package let clientHandshakes: CounterID
    package let serverFailures: LabelledCounters<TLSFailureReason>
    package let clientFailures: LabelledCounters<TLSFailureReason>
    package let handshakesWaiting: GaugeID
    package let reloadsTaken: CounterID
    package let reloadsFailed: CounterID
    package let connectionsRefused: LabelledCounters<ConnectionRefusalReason>

    package init(in catalog: inout MetricCatalog) throws(MetricCatalogError) {
        typealias List = MetricList
        serverHandshakes = try catalog.counter(List.tlsHandshakes, TLSSide.server.rawValue)
        clientHandshakes = try catalog.counter(List.tlsHandshakes, TLSSide.client.rawValue)
        serverFailures = try catalog.counters(List.tlsHandshakeFailures, TLSSide.server.rawValue)
        clientFailures = try catalog.counters(List.tlsHandshakeFailures, TLSSide.client.rawValue)
        handshakesWaiting = try catalog.gauge(List.tlsHandshakesWaiting)
        reloadsTaken = try catalog.counter(List.credentialReloads, "taken")
        reloadsFailed = try catalog.counter(List.credentialReloads, "failed")
        connectionsRefused = try catalog.counters(List.connectionsRefused)
    }
}
