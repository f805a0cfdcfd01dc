package import Delivery
internal import NIOCore
package import OTLP
package import Processing

/// A pipeline of metrics or logs as workers run it. Immutable.
package struct SignalPipelinePlan: Sendable {
    /// Its id in the configuration.
    package var name: String
    package var signal: OTLPSignal
    /// Indexes of the listeners that feed it.
    package var listeners: Set<Int>
    /// What is done with the resources of requests; nil: nothing.
    package var chain: ProcessorChain?
    /// Nil: requests go on as they came, each by itself.
    package var batch: BatchSettings?
    /// Places among the node's destinations of metrics and logs.
    package var destinations: [Int]

    package init(name: String, signal: OTLPSignal, listeners: Set<Int>, batch: BatchSettings?, destinations: [Int]) {
        self.name = name
        self.signal = signal
        self.listeners = listeners
        self.batch = batch
        self.destinations = destinations
    }
}

/// The way out of one pipeline of metrics or logs. With a batch processor, requests are put together: equal resources and scopes
/// become one, items keep their order.
///
/// Owned by one worker, on whose loop it is used. Holds at most one batch, whose bounds are those of traces.
final class SignalOutbox {
    let plan: SignalPipelinePlan
    private let eventLoop: any EventLoop
    private var rewriter: ResourceRewriter?
    private let keys: HashKeys
    /// `spanCount` is the number of metrics or log records here.
    private var assembler: BatchAssembler?
    private var routes: [DestinationRoute] = []
    private var nextSequence: UInt64 = 0

    init(_ plan: SignalPipelinePlan, keys: HashKeys, eventLoop: any EventLoop) {
        self.plan = plan
        self.eventLoop = eventLoop
        self.keys = keys
        rewriter = plan.chain.map { ResourceRewriter($0) }
        if let batch = plan.batch { assembler = BatchAssembler(settings: batch, hashSeed: keys.first) }
    }

    /// - Parameter all: destinations of metrics and logs, in the node's order.
    func connect(_ all: [DestinationRoute]) { routes = plan.destinations.map { all[$0] } }

    /// Whether no destination has room in its queue.
    var isBlocked: Bool { routes.allSatisfy(\.isFull) }

    /// Whether nothing waits to be sent.
    var isEmpty: Bool { assembler?.isEmpty ?? true }

    /// Whether requests are taken apart.
    var isBatched: Bool { assembler != nil }

    /// Takes a request, which is protobuf and not empty.
    ///
    /// - Parameters:
    ///   - contents: of the message; not looked at without a batch processor.
    ///   - unixNanoseconds: the time, for processors.
    /// - Complexity: O(1) without processors, otherwise O(bytes).
    func take(_ message: [UInt8], _ contents: SignalContents, now: Int64, unixNanoseconds: Int64) {
        // Both the outermost structure and, with a batch processor, all of it have been read before: an error can't come here.
        if rewriter != nil,
            let edited = try? rewriter?.rewrite(message.span, facts: RequestFacts(unixNanoseconds: unixNanoseconds)),
            let inner = isBatched ? try? SignalContents(edited.span, keys: keys) : contents
        {
            return take(edited: edited, inner, now: now)
        }
        take(edited: message, contents, now: now)
    }

    private func take(edited message: [UInt8], _ contents: SignalContents, now: Int64) {
        guard isBatched else { return send(message, now) }
        let headers = contents.headers.span
        let bytes = message.span
        var needsFlush = false
        for item in contents.items {
            let group = contents.groups[item.group]
            if assembler?.beginTrace(spans: 1, bytes: item.range.count, now: now) == false { needsFlush = true }
            while true {
                if needsFlush {
                    flush(now)
                    _ = assembler?.beginTrace(spans: 1, bytes: item.range.count, now: now)
                    needsFlush = false
                }
                let added = assembler?.add(
                    groupHash: group.hash, resource: headers.extracting(group.resource), scope: headers.extracting(group.scope),
                    span: bytes.extracting(item.range))
                if added != .flushFirst { break }
                assembler?.endTrace(now: now)
                needsFlush = true
            }
            assembler?.endTrace(now: now)
        }
        if assembler?.isFull == true { flush(now) }
    }

    /// Sends the batch off when its time has come (`force`: whatever there is).
    func flushIfDue(now: Int64, force: Bool = false) {
        guard let deadline = assembler?.deadline else { return }
        if force || assembler?.isFull == true || deadline <= now { flush(now) }
    }

    private func flush(_ now: Int64) {
        guard let batch = assembler?.flush() else { return }
        send(batch.message, now)
    }

    private func send(_ message: [UInt8], _ now: Int64) {
        nextSequence += 1
        // The unit of these destinations is the request.
        let request = ExportRequest(identity: message, spanCount: 1, traceCount: 1, sequence: nextSequence, createdAt: now)
        for route in routes { route.deliver(request, from: eventLoop) }
    }
}
