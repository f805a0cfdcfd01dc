/// The names of gRPC's status codes, as the protocol documents spell them.
package enum StatusNames {
    private static let names = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ]

    package static func name(_ code: Int) -> String {
        names.indices.contains(code) ? names[code] : "CODE_\(code)"
    }

    /// The code with this name (any case) or number.
    package static func code(_ text: String) -> Int? {
        if let number = Int(text) { return names.indices.contains(number) ? number : nil }
        return names.firstIndex(of: text.uppercased())
    }

    /// Whether an OTLP client may send the same request again (OTLP specification, "Failures").
    package static func isRetryable(_ code: Int, hasRetryInfo: Bool) -> Bool {
        switch code {
        case 1, 4, 10, 11, 14, 15: true
        case 8: hasRetryInfo
        default: false
        }
    }
}
