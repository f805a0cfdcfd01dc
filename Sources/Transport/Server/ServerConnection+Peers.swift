internal import Telemetry
internal import NativeCore
internal import OTLP

/// What the nodes of a cluster ask of each other.
extension ServerConnection {
    /// Answers a call of a peer, maybe later.
    func complete(
        _ stream: Int32, _ method: GRPCMethod, _ body: [UInt8], _ payloadStart: Int, _ encoding: GRPCEncoding
    ) throws(RequestRefusal) {
        guard let lane = server.worker.lane else {
            throw RequestRefusal(.unknownMethod, .unimplemented, "this node is no part of a cluster")
        }
        calls[stream]?.isPending = true
        isAnsweringPeer = true
        defer { isAnsweringPeer = false }
        switch method {
        case .forward(let headers):
            lane.take(headers, body, payloadStart, BodyForm(encoding), receiver: receiver) { [weak self] refusal in
                self?.answered(stream, [], refusal)
            }
        case .handoff:
            guard encoding == .identity else { throw Self.compressed }
            lane.take(chunk: Array(body[payloadStart...])) { [weak self] refusal in self?.answered(stream, [], refusal) }
        case .exchange:
            guard encoding == .identity else { throw Self.compressed }
            lane.asked(Array(body[payloadStart...])) { [weak self] status in
                self?.answered(stream, status ?? [], status == nil ? Self.unreadable : nil)
            }
        case .reload:
            lane.reload { [weak self] outcome in
                let refusal = RequestRefusal(.malformed, .failedPrecondition, outcome.text)
                self?.answered(stream, Array(outcome.text.utf8), outcome.isGood ? nil : refusal)
            }
        case .exportTraces, .passThrough, .healthCheck, .healthWatch, .healthList: break
        }
    }

    private static var compressed: RequestRefusal {
        RequestRefusal(.unsupportedEncoding, .unimplemented, "messages between nodes are not compressed")
    }

    private static var unreadable: RequestRefusal {
        RequestRefusal(.badPeerMessage, .invalidArgument, "no status of a node, or that of another version")
    }

    /// What became of a peer's call.
    private func answered(_ stream: Int32, _ payload: [UInt8], _ refusal: RequestRefusal?) {
        guard let open = calls[stream], !open.isAnswered else { return }
        if let refusal {
            refuse(stream, refusal, ended: true)
        } else {
            account.noteAnswer(nil)
            answer(stream, GRPCReplies.message(payload))
        }
        // What is answered while it is being read goes out with the rest.
        if !isAnsweringPeer { pump() }
    }
}
