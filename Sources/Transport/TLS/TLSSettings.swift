package import Telemetry

/// Where PEM text comes from.
package enum TLSSource: Sendable, Hashable {
    /// A file, read at start and whenever it changes.
    case file(String)
    /// The text itself, from the configuration.
    case text(Secret)
}

/// TLS versions, oldest first.
package enum TLSProtocolVersion: Int, Sendable, Comparable, CaseIterable {
    case v1_0, v1_1, v1_2, v1_3

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// What one side of TLS connections is built from: the Collector's `tls` block, typed.
package struct TLSSettings: Sendable, Hashable {
    package var side: TLSSide
    /// This side's certificate and those that signed it, leaf first. A server must have one.
    package var certificate: TLSSource?
    package var key: TLSSource?
    /// Who may sign the other side's certificate. For a server: those who sign client certificates, which are then
    /// demanded (`client_ca_file`). For a client: nil means the system's authorities.
    package var authorities: TLSSource?
    /// The system's authorities besides `authorities`.
    package var includesSystemAuthorities = false
    /// A client takes any certificate for any name (`insecure_skip_verify`).
    package var skipsVerification = false
    /// The name that a client expects in the certificate and asks for (`server_name_override`).
    package var serverName: String?
    package var minimumVersion = TLSProtocolVersion.v1_2
    package var maximumVersion = TLSProtocolVersion.v1_3
    /// IANA numbers, in order of preference; nil for the library's choice. TLS 1.3 has its own, which can't be chosen.
    package var cipherSuites: [UInt16]?
    /// IANA numbers of groups, in order of preference; nil for the library's choice.
    package var curves: [UInt16]?
    /// Files are read again this often even if they look unchanged, nanoseconds; nil: only when they look changed.
    package var reloadInterval: Int64?
    /// Whether changed authorities of a server count too (`client_ca_file_reload`).
    package var reloadsAuthorities = true
    /// Offered or accepted application protocols (ALPN), most wanted first.
    package var applicationProtocols = ["h2"]

    package init(side: TLSSide) { self.side = side }

    /// The files that the settings name.
    var files: [String] {
        [certificate, key, authorities].compactMap { if case .file(let path)? = $0 { path } else { nil } }
    }
}

/// Something wrong (or, as a warning, doubtful) with TLS settings or the files they name.
package struct TLSProblem: Error, Sendable, Equatable {
    /// Which of the settings; the reader of the configuration knows which key that is.
    package enum Part: Sendable, Equatable { case certificate, key, authorities, whole }

    package var part: Part
    /// A whole sentence part: what is wrong, and what would be right.
    package var message: String

    package init(_ part: Part, _ message: String) {
        self.part = part
        self.message = message
    }
}
