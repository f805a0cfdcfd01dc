internal import Telemetry
package import NativeCore
package import OTLP

/// An answer over HTTP, before it is written as HTTP/1.1 or HTTP/2.
package struct HTTPReply: Sendable {
    package var status: Int
    /// Names in lower case.
    package var fields: [(name: String, value: String)]
    package var body: [UInt8]
    /// HEAD: `body` says only what `content-length` would be.
    package var isHead = false

    package init(status: Int, fields: [(name: String, value: String)], body: [UInt8] = []) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// As HTTP/2 fields.
    package var headers: HTTP2Headers {
        var headers = HTTP2Headers()
        headers.append(":status", "\(status)")
        for field in fields { headers.append(field.name, field.value) }
        headers.append("content-length", "\(body.count)")
        return headers
    }
}

/// The answers of OTLP/HTTP.
package enum HTTPReplies {
    /// A taken request: ExportTraceServiceResponse in the request's format, empty for full success.
    package static func taken(_ response: ExportTraceServiceResponse, _ form: HTTPReplyForm) -> HTTPReply {
        let isJSON = form.format == .json
        return HTTPReply(
            status: 200,
            fields: [("content-type", isJSON ? "application/json" : "application/x-protobuf")] + form.fields,
            body: isJSON ? response.json : response.encoded)
    }

    /// The answer to a preflight question.
    package static func preflight(_ fields: [(name: String, value: String)]) -> HTTPReply {
        HTTPReply(status: 204, fields: fields)
    }

    /// A refusal: google.rpc.Status in the request's format. Who spoke no OTLP gets plain text, as from a Collector.
    package static func refusal(_ refusal: RequestRefusal, _ form: HTTPReplyForm) -> HTTPReply {
        let message = Array(refusal.message.utf8)
        let code = refusal.statusOverHTTP
        let isText = form.format == .text || code == 404 || code == 405 || refusal.reason == .unsupportedContentType
        var fields: [(name: String, value: String)] = []
        let body: [UInt8]
        if isText {
            fields.append(("content-type", "text/plain; charset=utf-8"))
            body = message
        } else {
            let status = RPCStatus(
                code: Int32(refusal.status.rawValue), message: message,
                retryInfo: refusal.retryAfter.map { RetryInfo(delayNanoseconds: $0) })
            let isJSON = form.format == .json
            fields.append(("content-type", isJSON ? "application/json" : "application/x-protobuf"))
            body = isJSON ? status.json : status.encoded
        }
        if code == 405 { fields.append(("allow", "POST")) }
        if refusal.reason == .unsupportedEncoding { fields.append(("accept-encoding", form.acceptedCodings)) }
        if let challenge = refusal.challenge { fields.append(("www-authenticate", challenge)) }
        if let delay = refusal.retryAfter, code == 429 || code == 503 {
            // Whole seconds, never 0: some clients cut fractions off.
            fields.append(("retry-after", "\(max(1, (delay + 999_999_999) / 1_000_000_000))"))
        }
        var reply = HTTPReply(status: code, fields: fields + form.fields, body: body)
        reply.isHead = form.isHead
        return reply
    }

    /// The reason phrase of the statuses that are sent.
    package static func phrase(_ status: Int) -> StaticString {
        switch status {
        case 200: "OK"
        case 204: "No Content"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 503: "Service Unavailable"
        default: "Status"
        }
    }
}
