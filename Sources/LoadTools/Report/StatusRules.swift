package import OTLP

extension GRPCStatusCode {
    /// The code with this name (any case) or number.
    package init?(named text: String) {
        let wanted = text.uppercased()
        for code in Self.allCases where code.name.description == wanted || "\(code.rawValue)" == text {
            self = code
            return
        }
        return nil
    }

    /// Whether an OTLP client may send the same request again (OTLP specification, "Failures").
    package func mayBeRetried(hasRetryInfo: Bool) -> Bool {
        switch self {
        case .cancelled, .deadlineExceeded, .aborted, .outOfRange, .unavailable, .dataLoss: true
        case .resourceExhausted: hasRetryInfo
        default: false
        }
    }
}
