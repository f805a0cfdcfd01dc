internal import OTLP

extension FuzzTarget {
    /// Any bytes as a request: walked, and if they are one, written as JSON, which must read back.
    ///
    /// Deep: a request of three spans.
    static let walker = FuzzTarget("walker", maximumLength: 512) { input in
        var index = RequestIndex()
        guard (try? RequestWalker(keys: HashKeys(1, 2)).walk(input.span, into: &index)) != nil else { return false }
        for record in index.records { precondition(Int(record.group) < index.groups.count) }
        var text: [UInt8] = []
        guard (try? OTLPJSONWriter.append(input.span, to: &text)) != nil else { return false }
        guard let back = try? OTLPJSONTranscoder.transcode(text.span) else {
            preconditionFailure("the writer's JSON is refused")
        }
        var again: [UInt8] = []
        guard (try? OTLPJSONWriter.append(back.span, to: &again)) != nil else {
            preconditionFailure("the transcoder's protobuf is refused")
        }
        precondition(again == text, "a round trip changes a request")
        return index.records.count >= 3
    }

    /// Any bytes as JSON of every signal: what is taken must be protobuf of bearable length.
    ///
    /// Deep: a trace request that is taken and has a span of 80 bytes or more.
    static let json = FuzzTarget("json", maximumLength: 512) { input in
        var isDeep = false
        for signal in OTLPSignal.allCases {
            guard let bytes = try? OTLPJSONTranscoder.transcode(input.span, signal) else { continue }
            precondition(bytes.count <= input.count * 5 / 4 + 16, "the output is longer than promised")
            precondition((try? OpaqueRequest.check(bytes.span)) != nil)
            guard signal == .traces else { continue }
            var index = RequestIndex()
            precondition((try? RequestWalker(keys: HashKeys(1, 2)).walk(bytes.span, into: &index)) != nil)
            if index.records.contains(where: { $0.length >= 80 }) { isDeep = true }
        }
        return isDeep
    }
}
