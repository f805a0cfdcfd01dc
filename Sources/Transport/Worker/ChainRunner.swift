internal import Delivery
internal import OTLP
internal import Processing

/// Runs whole trace requests through the processors of a pipeline: protobuf in, protobuf out. Owned by one worker.
///
/// A request in which nothing is edited or dropped stays the bytes that it came in. Otherwise it is put together anew from the
/// spans, edited or as they came, under their resources and scopes.
struct ChainRunner {
    private var runner: ProcessorRunner
    private let walker: RequestWalker
    private let plain: RequestWalker
    private var index = RequestIndex()

    init(_ chain: ProcessorChain, keys: HashKeys) {
        let (names, binding) = chain.interest(beside: [])
        runner = ProcessorRunner(chain, binding)
        walker = RequestWalker(keys: keys, interest: AttributeInterest(spanNames: names, resourceNames: []), checksNested: true)
        plain = RequestWalker(keys: keys)
    }

    /// What has become of a request.
    struct Outcome {
        /// The request as it goes on.
        var message: [UInt8]
        /// Its spans.
        var spans: Int
        /// Spans that processors dropped.
        var dropped: Int
        /// Spans that are malformed on their own, which are not in it.
        var rejected: SpanRejectionCounts
    }

    /// Why a request can't go through.
    enum Failure: Error {
        case malformed(WalkError)
        case tooLarge(limit: Int)
    }

    /// - Complexity: O(bytes).
    mutating func run(_ message: consuming [UInt8], unixNanoseconds: Int64) throws(Failure) -> Outcome {
        defer { index.discardCapacity(above: 1 << 20) }
        do throws(WalkError) {
            try walker.walk(message.span, into: &index)
        } catch {
            throw .malformed(error)
        }
        let headers = index.groupBytes.count
        var edits: [UInt8] = []
        let result: ProcessedRequest
        do throws(ProcessingError) {
            result = try runner.run(
                &index, body: message.span, edits: &edits, walker: plain, facts: RequestFacts(unixNanoseconds: unixNanoseconds))
        } catch {
            switch error {
            case .tooLarge(let limit): throw .tooLarge(limit: limit)
            }
        }
        let spans = index.records.count
        let isUnchanged = result.edited == 0 && result.dropped == 0 && index.groupBytes.count == headers
        if !isUnchanged {
            message.append(contentsOf: edits)
            message = assemble(message.span)
        }
        return Outcome(message: message, spans: spans, dropped: result.dropped, rejected: index.rejected)
    }

    /// The spans of the index as one request.
    private func assemble(_ bytes: Span<UInt8>) -> [UInt8] {
        let unlimited = BatchSettings(sendBatchSize: .max, sendBatchMaxSize: 0, timeout: 1, maximumRequestBytes: Int.max / 4)
        var assembler = BatchAssembler(settings: unlimited, hashSeed: walker.keys.first)
        _ = assembler.beginTrace(spans: index.records.count, bytes: 0, now: 0)
        let groupBytes = index.groupBytes.span
        for record in index.records {
            let group = index.groups[Int(record.group)]
            _ = assembler.add(
                groupHash: group.groupHash, resource: groupBytes.extracting(group.resourceRange),
                scope: groupBytes.extracting(group.scopeRange), span: bytes.extracting(record.range))
        }
        assembler.endTrace(now: 0)
        return assembler.flush()?.message ?? []
    }
}
