package import Delivery
internal import Logging
package import NIOCore
internal import NIOPosix
internal import NativeCore
internal import OTLP
package import Telemetry

/// Sends export requests to one OTLP/gRPC endpoint over a `GRPCClientChannel`. Confined to its loop.
///
/// Requests are compressed on the threads of an `EncoderPool`, small ones on the loop, and begin in the order in which they
/// were given: one that is compressed sooner than an older one waits for that.
package final class GRPCExportSender: ExportSender {
    /// A request that is being compressed, or waits for an older one that is.
    private struct Waiting {
        let number: UInt64
        let request: ExportRequest
        let done: (AttemptResult) -> Void
        var form: EncodedForm?
        /// For `ExportRequest.withdraw`.
        var use: UInt64?
    }

    private let settings: GRPCClientSettings
    private let eventLoop: any EventLoop
    private let channel: GRPCClientChannel
    private let encoders: EncoderPool
    private let classifier: GRPCOutcomeClassifier
    private var identityHeaders: HTTP2Headers
    private var gzipHeaders: HTTP2Headers
    /// Of the credentials in the headers.
    private var credentialsVersion: Int?
    /// For small requests.
    private var deflater: Deflater?
    /// At most as many as the destination has consumers.
    private var line: [Waiting] = []
    private var nextNumber: UInt64 = 1
    private var isClosed = false

    /// - Parameter noteHandshake: told about every TLS handshake: nil for a success.
    package init(
        settings: GRPCClientSettings, eventLoop: any EventLoop, encoders: EncoderPool,
        noteHandshake: @escaping (TLSFailureReason?) -> Void = { _ in }
    ) {
        self.settings = settings
        self.eventLoop = eventLoop
        self.encoders = encoders
        channel = GRPCClientChannel(settings: settings, eventLoop: eventLoop, noteHandshake: noteHandshake)
        credentialsVersion = settings.credentials?.current.version
        classifier = GRPCOutcomeClassifier(backend: settings.backend)
        identityHeaders = settings.requestHeaders(.identity)
        gzipHeaders = settings.requestHeaders(.gzip)
    }

    package func send(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
        if channel.ready != nil {
            encode(request, done)
            return
        }
        // Nothing is compressed for a destination that can't be reached. At most the destination's consumers wait at one time.
        channel.connect { [weak self] why in
            guard let self else { return }
            if let why { self.fail(why, done) } else { self.encode(request, done) }
        }
    }

    package func close() {
        isClosed = true
        let left = line
        line.removeAll()
        for waiting in left {
            if let use = waiting.use { waiting.request.withdraw(number: use) }
            if let form = waiting.form { waiting.request.endUse(of: form) }
            fail("it was shut down", waiting.done)
        }
        channel.close()
    }

    private func fail(_ why: String, _ done: @escaping (AttemptResult) -> Void) {
        let outcome = classifier.classify(.transport(.connectionRefused))
        answer(done, AttemptResult(outcome: outcome, label: .unreachable, bytes: 0, message: why))
    }

    /// In a turn of its own: a connection may break at once, and nobody is answered from within `send`.
    private func answer(_ done: @escaping (AttemptResult) -> Void, _ result: AttemptResult) {
        eventLoop.assumeIsolated().execute { done(result) }
    }

    // MARK: coding

    /// Sees that the request has its coded form, and sends it when those before it are out.
    private func encode(_ request: ExportRequest, _ done: @escaping (AttemptResult) -> Void) {
        let number = nextNumber
        nextNumber += 1
        line.append(Waiting(number: number, request: request, done: done))
        let home = NIOLoopBound(self, eventLoop: eventLoop)
        let loop = eventLoop
        let use = request.use(settings.compression) { form in
            if loop.inEventLoop {
                home.value.encoded(number, request, form)
            } else {
                loop.execute { home.value.encoded(number, request, form) }
            }
        }
        switch use {
        case .ready(let form): encoded(number, request, form)
        case .waiting(let use): note(use, number)
        case .make(let use):
            note(use, number)
            if request.identity.count > EncoderPool.inPlaceBytes {
                encoders.make(request)
            } else {
                if deflater == nil { deflater = Deflater() }
                request.make { bytes in deflater?.gzip(bytes) ?? [] }
            }
        }
    }

    private func note(_ use: UInt64, _ number: UInt64) {
        guard let index = line.firstIndex(where: { $0.number == number }) else { return }
        line[index].use = use
    }

    private func encoded(_ number: UInt64, _ request: ExportRequest, _ form: EncodedForm) {
        guard let index = line.firstIndex(where: { $0.number == number }) else {
            // This sender was closed meanwhile.
            request.endUse(of: form)
            return
        }
        line[index].form = form
        line[index].use = nil
        while let first = line.first, let form = first.form {
            line.removeFirst()
            start(first.request, form, first.done)
        }
    }

    // MARK: sending

    /// New credentials go into the headers of all requests from now on.
    private func refreshHeaders() {
        guard let version = settings.credentials?.current.version, version != credentialsVersion else { return }
        credentialsVersion = version
        identityHeaders = settings.requestHeaders(.identity)
        gzipHeaders = settings.requestHeaders(.gzip)
    }

    private func start(_ request: ExportRequest, _ form: EncodedForm, _ done: @escaping (AttemptResult) -> Void) {
        if let connection = channel.ready, start(request, form, done, on: connection) { return }
        // The connection went while the request was compressed.
        channel.connect { [weak self] why in
            guard let self, why == nil else {
                request.endUse(of: form)
                self?.fail(why ?? "", done)
                return
            }
            self.start(request, form, done)
        }
    }

    private func start(
        _ request: ExportRequest, _ form: EncodedForm, _ done: @escaping (AttemptResult) -> Void,
        on connection: GRPCClientConnection
    ) -> Bool {
        refreshHeaders()
        let bytes = form.bytes.count
        var isCalling = true
        defer { isCalling = false }
        var head: [UInt8] = []
        GRPCFraming.appendPrefix(length: bytes, isCompressed: form.coding == .gzip, to: &head)
        return connection.call(
            headers: form.coding == .gzip ? gzipHeaders : identityHeaders, head: head, body: form.bytes,
            timeout: settings.timeout
        ) { [self, classifier, weak connection] answer in
            request.endUse(of: form)
            var result = Self.result(answer, classifier.classify(answer), bytes: bytes)
            if case .transport = answer, let why = connection?.failure { result.message = "TLS: \(why)" }
            if isCalling { self.answer(done, result) } else { done(result) }
        }
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
