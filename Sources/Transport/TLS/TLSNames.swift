/// The names that Go, and so the Collector's configuration, gives to what TLS numbers.
package enum TLSNames {
    /// Cipher suites for TLS 1.2 and before that the TLS library has. Those of TLS 1.3 are in `fixedSuites`.
    package static let cipherSuites: [(name: String, number: UInt16)] = [
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xc02b), ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xc02f),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 0xc02c), ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", 0xc030),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca9),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xcca8),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0xc009), ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", 0xc00a),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 0xc013), ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", 0xc014),
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", 0x009c), ("TLS_RSA_WITH_AES_256_GCM_SHA384", 0x009d),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", 0x002f), ("TLS_RSA_WITH_AES_256_CBC_SHA", 0x0035),
    ]

    /// Cipher suites of TLS 1.3: always on, in the library's order, here as in Go.
    package static let fixedSuites = [
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
    ]

    /// Groups for the key exchange.
    package static let curves: [(name: String, number: UInt16)] = [
        ("X25519MLKEM768", 0x11ec), ("X25519", 0x1d), ("P256", 0x17), ("P384", 0x18), ("P521", 0x19),
    ]

    package static let versions: [(name: String, version: TLSProtocolVersion)] = [
        ("1.0", .v1_0), ("1.1", .v1_1), ("1.2", .v1_2), ("1.3", .v1_3),
    ]
}
