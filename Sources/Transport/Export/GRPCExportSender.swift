package import Delivery
internal import Logging
package import NIOCore
internal import NIOPosix
internal import NativeCore
internal import OTLP
package import Telemetry

/// Sends export requests to one OTLP/gRPC endpoint over a `GRPCClientChannel`. Confined to its loop.
package final class GRPCExportSender: ExportSender {
    private let settings: GRPCClientSettings
    private let channel: GRPCClientChannel
    private let classifier: GRPCOutcomeClassifier
    private var identityHeaders: HTTP2Headers
    private var gzipHeaders: HTTP2Headers
    /// Of the credentials in the headers.
    private var credentialsVersion: Int?
    private var deflater: Deflater?

    /// - Parameter noteHandshake: told about every TLS handshake: nil for a success.
    package init(
        settings: GRPCClientSettings, eventLoop: any EventLoop,
        noteHandshake: @escaping (TLSFailureReason?) -> Void = { _ in }
    ) {
        self.settings = settings
        channel = GRPCClientChannel(settings: settings, eventLoop: eventLoop, noteHandshake: noteHandshake)
        credentialsVersion = settings.credentials?.current.version
        classifier = GRPCOutcomeClassifier(backend: settings.backend)
        identityHeaders = settings.requestHeaders(.identity)
        gzipHeaders = settings.requestHeaders(.gzip)
    }

    package func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
        if let connection = channel.ready, start(request, done, on: connection) { return }
        // At most the destination's consumers wait at one time.
        channel.connect { [weak self] why in
            guard let self else { return }
            if let why { self.fail(why, done) } else { self.send(request, done) }
        }
    }

    package func close() { channel.close() }

    private func fail(_ why: String, _ done: (AttemptResult) -> Void) {
        let outcome = classifier.classify(.transport(.connectionRefused))
        done(AttemptResult(outcome: outcome, label: .unreachable, bytes: 0, message: why))
    }

    /// New credentials go into the headers of all requests from now on.
    private func refreshHeaders() {
        guard let version = settings.credentials?.current.version, version != credentialsVersion else { return }
        credentialsVersion = version
        identityHeaders = settings.requestHeaders(.identity)
        gzipHeaders = settings.requestHeaders(.gzip)
    }

    private func start(
        _ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void, on connection: GRPCClientConnection
    ) -> Bool {
        refreshHeaders()
        let (coding, body) = encode(request)
        var head: [UInt8] = []
        GRPCFraming.appendPrefix(length: body.count, isCompressed: coding == .gzip, to: &head)
        let bytes = body.count
        return connection.call(
            headers: coding == .gzip ? gzipHeaders : identityHeaders, head: head, body: body,
            timeout: settings.timeout
        ) { [classifier, weak connection] answer in
            var result = Self.result(answer, classifier.classify(answer), bytes: bytes)
            if case .transport = answer, let why = connection?.failure { result.message = "TLS: \(why)" }
            done(result)
        }
    }

    /// Compresses if asked to, and if it makes the message smaller.
    private func encode(_ request: ExportRequest) -> (Coding, [UInt8]) {
        guard settings.compression == .gzip else { return (.identity, request.identity) }
        if deflater == nil { deflater = Deflater() }
        let packed = request.encoded(.gzip) { bytes in deflater?.gzip(bytes) ?? [] }
        return packed.count < request.identity.count ? (.gzip, packed) : (.identity, request.identity)
    }

    private static func result(_ answer: GRPCAnswer, _ outcome: Delivery.ExportOutcome, bytes: Int) -> AttemptResult {
        switch answer {
        case .status(let code, let message, _, _):
            let text = String(decoding: message.prefix(300), as: UTF8.self)
            if code == 0 { return AttemptResult(outcome: outcome, label: .ok, bytes: bytes, message: text) }
            let name = GRPCStatusCode(rawValue: UInt8(clamping: code))?.name ?? "UNKNOWN"
            return AttemptResult(
                outcome: outcome, label: label(outcome), bytes: 0, message: "\(name): \(text)")
        case .http(let status):
            return AttemptResult(
                outcome: outcome, label: label(outcome), bytes: 0, message: "HTTP \(status) without gRPC status")
        case .transport(.timeout):
            return AttemptResult(outcome: outcome, label: .timeout, bytes: 0, message: "no answer in time")
        case .transport(let failure):
            return AttemptResult(outcome: outcome, label: .unreachable, bytes: 0, message: "\(failure)")
        }
    }

    private static func label(_ outcome: Delivery.ExportOutcome) -> AttemptOutcome {
        switch outcome {
        case .delivered: .ok
        case .retry, .split: .retryable
        case .permanent: .permanent
        }
    }
}
