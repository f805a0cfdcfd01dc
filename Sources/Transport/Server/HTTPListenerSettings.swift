package import OTLP

/// What an OTLP/HTTP listener answers to.
package struct HTTPListenerSettings: Sendable, Equatable {
    /// Paths of the signals; each begins with a slash.
    package var tracesPath = "/v1/traces"
    package var metricsPath = "/v1/metrics"
    package var logsPath = "/v1/logs"
    /// False: an HTTP/1.1 connection ends after one answer.
    package var keepsAlive = true
    /// Nil: no page of another origin may send.
    package var crossOrigin: CrossOriginRules?

    /// What bodies may be compressed with; `identity` for those that are not.
    package var codings = ContentCoding.allCases
    /// Fields that go with every answer. Names in lower case, without those that the protocol sets itself.
    package var responseFields: [HTTPField] = []

    /// Every value at its default.
    package init() {}

    /// `codings` as `Accept-Encoding` and error messages name them.
    var acceptedCodings: String { codings.map(\.headerValue).joined(separator: ", ") }

    /// The signal of a path, without its query.
    func signal(ofPath path: ArraySlice<UInt8>) -> OTLPSignal? {
        let path = path.prefix { $0 != UInt8(ascii: "?") }
        if tracesPath.utf8.elementsEqual(path) { return .traces }
        if metricsPath.utf8.elementsEqual(path) { return .metrics }
        if logsPath.utf8.elementsEqual(path) { return .logs }
        return nil
    }
}

/// A header field.
package struct HTTPField: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// Which signals a listener takes.
package struct SignalSet: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package init(_ signal: OTLPSignal) { rawValue = 1 << signal.rawValue }

    package func contains(_ signal: OTLPSignal) -> Bool { contains(SignalSet(signal)) }
}
