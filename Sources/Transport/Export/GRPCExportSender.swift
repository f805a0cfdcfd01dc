package import Delivery
internal import Logging
package import NIOCore
internal import NIOPosix
internal import NativeCore
internal import OTLP
package import Telemetry

/// Sends export requests to one OTLP/gRPC endpoint over one HTTP/2 connection, made when it is needed and made again when it
/// is lost. The name is looked up for every connection. Confined to its loop.
package final class GRPCExportSender: ExportSender {
    private struct Waiting {
        var request: ExportRequest
        var done: (AttemptResult) -> Void
    }

    private let settings: GRPCClientSettings
    private let eventLoop: any EventLoop
    private let classifier: GRPCOutcomeClassifier
    private var identityHeaders: HTTP2Headers
    private var gzipHeaders: HTTP2Headers
    /// Of the credentials in the headers.
    private var credentialsVersion: Int?
    /// Told about every TLS handshake: nil for a success.
    private let noteHandshake: (TLSFailureReason?) -> Void
    private var deflater: Deflater?
    private var connection: GRPCClientConnection?
    private var isConnecting = false
    private var isClosed = false
    /// Attempts that wait for the connection; at most the destination's consumers.
    private var waiting: [Waiting] = []

    package init(
        settings: GRPCClientSettings, eventLoop: any EventLoop,
        noteHandshake: @escaping (TLSFailureReason?) -> Void = { _ in }
    ) {
        self.settings = settings
        self.noteHandshake = noteHandshake
        credentialsVersion = settings.credentials?.current.version
        self.eventLoop = eventLoop
        classifier = GRPCOutcomeClassifier(backend: settings.backend)
        identityHeaders = settings.requestHeaders(.identity)
        gzipHeaders = settings.requestHeaders(.gzip)
    }

    package func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
        if let connection, connection.acceptsCalls, start(Waiting(request: request, done: done), on: connection) {
            return
        }
        waiting.append(Waiting(request: request, done: done))
        connect()
    }

    package func close() {
        isClosed = true
        connection?.close()
        connection = nil
        failWaiting(.connectionLost, "the exporter was shut down")
    }

    /// New credentials go into the headers of all requests from now on.
    private func refreshHeaders() {
        guard let version = settings.credentials?.current.version, version != credentialsVersion else { return }
        credentialsVersion = version
        identityHeaders = settings.requestHeaders(.identity)
        gzipHeaders = settings.requestHeaders(.gzip)
    }

    private func start(_ attempt: Waiting, on connection: GRPCClientConnection) -> Bool {
        refreshHeaders()
        let (coding, body) = encode(attempt.request)
        var head: [UInt8] = []
        GRPCFraming.appendPrefix(length: body.count, isCompressed: coding == .gzip, to: &head)
        let bytes = body.count
        return connection.call(
            headers: coding == .gzip ? gzipHeaders : identityHeaders, head: head, body: body,
            timeout: settings.timeout
        ) { [classifier, weak connection] answer in
            var result = Self.result(answer, classifier.classify(answer), bytes: bytes)
            if case .transport = answer, let why = connection?.failure { result.message = "TLS: \(why)" }
            attempt.done(result)
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

    // MARK: connection

    private func connect() {
        guard !isConnecting, !isClosed else { return }
        isConnecting = true
        let ready = settings.tls.map { _ in eventLoop.makePromise(of: Void.self) }
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(.nanoseconds(settings.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.writeBufferWaterMark, value: .init(low: 256 << 10, high: 1 << 20))
            .channelInitializer { [settings] channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls = settings.tls, let ready {
                        try pipeline.addHandlers(settings.tlsHandlers(tls, done: ready))
                    }
                    try pipeline.addHandler(GRPCClientConnection(keepalive: settings.keepalive))
                }
            }
        let channel: EventLoopFuture<any Channel> =
            switch settings.endpoint {
            case .host(let host, let port): bootstrap.connect(host: host, port: port)
            case .unixSocket(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        channel.assumeIsolated().whenComplete { [weak self] result in
            switch result {
            case .success(let channel): self?.connected(channel, ready?.futureResult)
            case .failure(let error):
                ready?.fail(error)
                self?.failedToConnect("\(error)")
            }
        }
    }

    /// There is a connection; with TLS, there may be one.
    private func connected(_ channel: any Channel, _ ready: EventLoopFuture<Void>?) {
        guard let ready else {
            isConnecting = false
            adopt(channel)
            return
        }
        ready.assumeIsolated().whenComplete { [weak self] result in
            guard let self else { return }
            switch result {
            case .success:
                self.isConnecting = false
                self.noteHandshake(nil)
                self.adopt(channel)
            case .failure(let error):
                channel.close(promise: nil)
                self.noteHandshake((error as? TLSFailure)?.reason ?? .other)
                self.failedToConnect("TLS: \(error)")
            }
        }
    }

    /// What it means most often when a server closes right after the handshake of TLS 1.3: it has looked at this side's
    /// certificate only then, and its alert may be lost.
    private static func earlyEnd(_ settings: TLSSettings) -> TLSFailure {
        settings.certificate == nil
            ? TLSFailure(
                .noClientCertificate,
                "the server closed the connection right after the handshake: it demands a certificate (`cert_file`, `key_file`), most often")
            : TLSFailure(
                .badCertificate,
                "the server closed the connection right after the handshake: it does not accept this node's certificate, most often")
    }

    private func failedToConnect(_ why: String) {
        isConnecting = false
        failWaiting(.connectionRefused, "no connection to \(settings.authority): \(why)")
    }

    private func adopt(_ channel: any Channel) {
        guard !isClosed, let handler = try? channel.pipeline.syncOperations.handler(type: GRPCClientConnection.self)
        else {
            channel.close(promise: nil)
            return
        }
        connection = handler
        if let tls = settings.tls { handler.explainEarlyEnd = Self.earlyEnd(tls.settings) }
        handler.onRetire = { [weak self, weak handler] in
            guard let self, let handler, self.connection === handler else { return }
            self.connection = nil
        }
        let attempts = waiting
        waiting.removeAll()
        for attempt in attempts { send(attempt.request, attempt.done) }
    }

    private func failWaiting(_ failure: TransportFailure, _ message: String) {
        let attempts = waiting
        waiting.removeAll()
        let outcome = classifier.classify(.transport(failure))
        for attempt in attempts {
            attempt.done(AttemptResult(outcome: outcome, label: .unreachable, bytes: 0, message: message))
        }
    }
}
