/// What is asked for.
package enum DNSRecordType: UInt16, Sendable {
    case a = 1
    case aaaa = 28
    case srv = 33
}

/// One question to a name server, in class IN.
package struct DNSQuestion: Hashable, Sendable {
    package var name: DNSName
    package var type: DNSRecordType

    package init(_ name: DNSName, _ type: DNSRecordType) {
        self.name = name
        self.type = type
    }

    /// The query as it goes over UDP; over TCP its length goes before it in two octets. Recursion is desired. Without EDNS, as in
    /// glibc: answers of more than 512 octets come truncated and are fetched over TCP.
    package func query(id: UInt16) -> [UInt8] {
        var bytes: [UInt8] = []
        for word in [id, 0x0100, 1, 0, 0, 0] { bytes.appendDNSWord(word) }
        bytes += name.wire
        bytes.appendDNSWord(type.rawValue)
        bytes.appendDNSWord(1)
        return bytes
    }
}

/// A record of an answer, as far as it is of use here.
package struct DNSRecord: Hashable, Sendable {
    package enum Data: Hashable, Sendable {
        case address(IPAddress)
        case alias(DNSName)
        /// Weight and priority are left out: every member of a ring takes spans.
        case service(target: DNSName, port: UInt16)
    }

    package var name: DNSName
    package var data: Data
}

/// Why bytes are no answer.
package enum DNSMessageError: Error, Equatable, Sendable {
    /// It ends in the middle of something.
    case truncated
    /// A name that is too long, points forward, or has a label of an unknown kind.
    case badName
    /// A query, or something else than an answer to a standard query with one question.
    case notAnAnswer
    /// An address or service record whose data does not have its type's form.
    case badRecord
}

/// A name server's answer (RFC 1035, 4.1; SRV: RFC 2782; AAAA: RFC 3596).
///
/// Never traps, whatever the bytes; names' pointers must go backwards, so that every name ends. A record of an unknown type or class
/// is skipped. Behind the answers nothing is read.
/// - Complexity: O(bytes x 128) in the worst case, that of a message of nothing but pointers.
package struct DNSResponse: Sendable, Equatable {
    package var id: UInt16
    /// It did not fit into a datagram; then `answers` is empty.
    package var isTruncated: Bool
    /// RCODE: 0 no error, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED, ...
    package var code: UInt8
    package var name: DNSName
    package var type: UInt16
    package var answers: [DNSRecord]

    package static let noError: UInt8 = 0
    package static let noSuchName: UInt8 = 3

    package init(parsing bytes: [UInt8]) throws(DNSMessageError) {
        var reader = DNSReader(bytes)
        id = try reader.word()
        let flags = try reader.word()
        let questions = try reader.word()
        let count = try reader.word()
        try reader.skip(4)
        // An answer (QR) to a standard query (opcode 0) that repeats its question.
        guard flags & 0xf800 == 0x8000, questions == 1 else { throw .notAnAnswer }
        isTruncated = flags & 0x0200 != 0
        code = UInt8(truncatingIfNeeded: flags & 0x000f)
        name = try reader.name()
        type = try reader.word()
        guard try reader.word() == 1 else { throw .notAnAnswer }
        answers = []
        if isTruncated { return }
        for _ in 0..<count {
            if let record = try reader.record() { answers.append(record) }
        }
    }

    /// Whether it answers this question.
    package func answers(_ question: DNSQuestion) -> Bool { name == question.name && type == question.type.rawValue }

    /// What stands under the question's name, or under what that is an alias of, over any number of steps. Each once, in the order
    /// of the message.
    package var found: [DNSRecord.Data] {
        var names: Set<DNSName> = [name]
        // Aliases usually stand in their order, so that one round is enough; each round that goes on knows one name more.
        var isGrowing = true
        while isGrowing {
            isGrowing = false
            for record in answers {
                if case .alias(let target) = record.data, names.contains(record.name), names.count <= Self.maximumAliases,
                    names.insert(target).inserted
                {
                    isGrowing = true
                }
            }
        }
        var seen: Set<DNSRecord.Data> = []
        var found: [DNSRecord.Data] = []
        for record in answers where names.contains(record.name) {
            if case .alias = record.data { continue }
            if seen.insert(record.data).inserted { found.append(record.data) }
        }
        return found
    }

    /// Longer chains are no work of reason.
    private static let maximumAliases = 16
}

/// Reads a message from front to back; nothing it does depends on a length that it has not compared with what is there.
private struct DNSReader {
    private let bytes: [UInt8]
    private var offset = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func word() throws(DNSMessageError) -> UInt16 {
        guard bytes.count - offset >= 2 else { throw .truncated }
        let value = UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
        offset += 2
        return value
    }

    mutating func skip(_ count: Int) throws(DNSMessageError) {
        guard bytes.count - offset >= count else { throw .truncated }
        offset += count
    }

    /// A name, with compression (RFC 1035, 4.1.4).
    mutating func name() throws(DNSMessageError) -> DNSName {
        var labels: [[UInt8]] = []
        var length = 1
        var position = offset
        // Pointers must go before everything that this name has read so far.
        var bound = offset
        var hasJumped = false
        while true {
            guard position < bytes.count else { throw .truncated }
            let first = bytes[position]
            switch first & 0xc0 {
            case 0x00:
                position += 1
                if first == 0 {
                    if !hasJumped { offset = position }
                    guard let name = DNSName(labels: labels) else { throw .badName }
                    return name
                }
                let count = Int(first)
                guard bytes.count - position >= count else { throw .truncated }
                length += count + 1
                guard length <= DNSName.maximumWireBytes else { throw .badName }
                labels.append(Array(bytes[position..<position + count]))
                position += count
            case 0xc0:
                guard bytes.count - position >= 2 else { throw .truncated }
                let target = Int(first & 0x3f) << 8 | Int(bytes[position + 1])
                if !hasJumped { offset = position + 2 }
                hasJumped = true
                guard target < bound else { throw .badName }
                bound = target
                position = target
            default: throw .badName
            }
        }
    }

    /// A record, or nil for one of no use.
    mutating func record() throws(DNSMessageError) -> DNSRecord? {
        let owner = try name()
        let type = try word()
        let dataClass = try word()
        try skip(4)
        let length = Int(try word())
        let start = offset
        guard bytes.count - start >= length else { throw .truncated }
        let end = start + length
        defer { offset = end }
        guard dataClass == 1 else { return nil }
        switch type {
        case 1, 28:
            guard let address = IPAddress(bytes: bytes[start..<end]), address.isIPv4 == (type == 1) else { throw .badRecord }
            return DNSRecord(name: owner, data: .address(address))
        case 5:
            let target = try name()
            guard offset == end else { throw .badRecord }
            return DNSRecord(name: owner, data: .alias(target))
        case 33:
            try skip(4)
            let port = try word()
            let target = try name()
            guard offset == end else { throw .badRecord }
            // The root as target says that there is no such service (RFC 2782).
            return target.isHostName && port > 0 ? DNSRecord(name: owner, data: .service(target: target, port: port)) : nil
        default: return nil
        }
    }
}

extension [UInt8] {
    fileprivate mutating func appendDNSWord(_ word: UInt16) {
        append(UInt8(truncatingIfNeeded: word >> 8))
        append(UInt8(truncatingIfNeeded: word))
    }
}
