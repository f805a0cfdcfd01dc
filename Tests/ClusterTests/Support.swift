import OTLP
import Testing

@testable import Cluster

let millisecond: Int64 = 1_000_000
let second: Int64 = 1_000_000_000

/// A request of these traces, one span each; two resources by turns, each with one scope.
func request(_ traces: [TraceID], filler: Int = 0) -> [UInt8] {
    var output: [UInt8] = []
    for service in 0..<2 {
        var scope: [UInt8] = [0x0a, 3, 0x0a, 1, 115]
        var count = 0
        for (position, trace) in traces.enumerated() where position % 2 == service {
            var span: [UInt8] = []
            span.appendField(1, bytes: trace.bytes)
            span.appendField(2, bytes: [0, 0, 0, 0, 0, 0, 1, UInt8(truncatingIfNeeded: position)])
            if filler > 0 { span.appendField(5, bytes: [UInt8](repeating: 97, count: filler)) }
            scope.appendField(2, bytes: span)
            count += 1
        }
        guard count > 0 else { continue }
        var message: [UInt8] = []
        message.appendField(1, bytes: [0x0a, 5, 0x0a, 3, 107, 48 + UInt8(service), 118])
        message.appendField(2, bytes: scope)
        output.appendField(1, bytes: message)
    }
    return output
}

func walk(_ payload: [UInt8]) -> RequestIndex {
    var index = RequestIndex()
    do {
        try RequestWalker(keys: HashKeys(1, 2)).walk(payload.span, into: &index)
    } catch {
        Issue.record("not a request: \(error)")
    }
    return index
}

/// The first ids that `ring` gives to this member.
func traces(of address: String, _ ring: HashRing, count: Int) -> [TraceID] {
    var found: [TraceID] = []
    var value: UInt64 = 0
    while found.count < count {
        value += 1
        let id = TraceID(high: value, low: value)
        if ring.members[ring.owner(of: id)].address == address { found.append(id) }
    }
    return found
}

func ring(_ addresses: String...) -> HashRing {
    guard let ring = HashRing(addresses.map { RingMember($0) }, slotBits: 8) else { preconditionFailure("a ring of somebody") }
    return ring
}

extension ForwardingLedger {
    init(accepted: Int, forwarded: Int = 0, kept: Int = 0, possiblyDuplicated: Int = 0) {
        self.init()
        self.accepted = accepted
        self.forwarded = forwarded
        self.kept = kept
        self.possiblyDuplicated = possiblyDuplicated
    }
}

extension HandoffLedger {
    init(handedOff: Int, returned: Int, possiblyDuplicated: Int) {
        self.init()
        self.handedOff = handedOff
        self.returned = returned
        self.possiblyDuplicated = possiblyDuplicated
    }
}
