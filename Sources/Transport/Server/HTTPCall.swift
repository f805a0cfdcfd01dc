package import NativeCore
package import OTLP
internal import Telemetry

/// What the header fields of an OTLP/HTTP request say, checked. The same for HTTP/1.1 and HTTP/2.
package struct HTTPCall: Sendable {
    package enum Purpose: Sendable {
        /// The body is an export request.
        case export(OTLPSignal)
        /// A browser asks whether a page may send; answered with these fields, whatever the body.
        case preflight([(name: String, value: String)])
    }

    package var purpose: Purpose
    package var form: BodyForm
    /// Length of the body, if the client says so.
    package var contentLength: Int?

    /// - Parameter signals: that are taken.
    package init(
        _ headers: HTTP2Headers, _ settings: HTTPListenerSettings, signals: SignalSet
    ) throws(RequestRefusal) {
        let path = headers.first(":path") ?? []
        guard let signal = settings.signal(ofPath: path) else {
            throw RequestRefusal(.unknownMethod, .unimplemented, "404 page not found")
        }
        guard signals.contains(signal) else { throw .noPipeline(for: signal) }
        purpose = .export(signal)
        form = BodyForm()
        guard headers.has(":method", "POST") else {
            guard let fields = Self.preflight(headers, settings) else {
                throw RequestRefusal(
                    .wrongHTTPMethod, .internal, "405 method not allowed, supported: [POST]", httpStatus: 405)
            }
            purpose = .preflight(fields)
            return
        }
        switch headers.first("content-type").map(HeaderText.mediaType) {
        case "application/x-protobuf": break
        case "application/json": form.isJSON = true
        default:
            throw RequestRefusal(
                .unsupportedContentType, .invalidArgument,
                "415 unsupported media type, supported: [application/json, application/x-protobuf]", httpStatus: 415)
        }
        let name = headers.first("content-encoding") ?? []
        guard let coding = ContentCoding(headerValue: name), settings.codings.contains(coding) else {
            let shown = name.isEmpty ? "identity" : HeaderText.shown(name)
            throw RequestRefusal(
                .unsupportedEncoding, .unimplemented,
                "content-encoding \(shown) is not supported; \(settings.acceptedCodings) are")
        }
        form.coding = coding
        contentLength = headers.first("content-length").flatMap(HeaderText.number)
    }

    /// Whether a browser asks for permission: such questions come without credentials.
    static func isPreflight(_ headers: HTTP2Headers, _ settings: HTTPListenerSettings) -> Bool {
        settings.crossOrigin != nil && headers.has(":method", "OPTIONS") && headers.first("origin") != nil
            && headers.first("access-control-request-method") != nil
    }

    private static func preflight(
        _ headers: HTTP2Headers, _ settings: HTTPListenerSettings
    ) -> [(name: String, value: String)]? {
        guard headers.has(":method", "OPTIONS"), let rules = settings.crossOrigin, let origin = headers.first("origin"),
            let method = headers.first("access-control-request-method")
        else { return nil }
        let wanted = headers.first("access-control-request-headers") ?? []
        return rules.preflight(
            origin: String(decoding: origin, as: UTF8.self), method: String(decoding: method, as: UTF8.self),
            headers: String(decoding: wanted, as: UTF8.self))
    }
}
