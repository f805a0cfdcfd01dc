/// What `/etc/resolv.conf` says, as glibc reads it (resolv.conf(5)).
package struct DNSConfiguration: Sendable, Equatable {
    /// Three at most; the local machine if there is none.
    package var servers: [MemberAddress]
    /// Domains in which short names are looked for, in this order.
    package var search: [DNSName]
    /// A name with at least so many dots is first asked for as it is. 0...15.
    package var dots: Int
    /// Of the first try, nanoseconds. 1...30 s.
    package var timeout: Int64
    /// How often all servers are asked. 1...5.
    package var attempts: Int

    /// Longer files are cut off here.
    package static let maximumBytes = 64 << 10
    private static let maximumServers = 3
    /// glibc has no bound any more; this one keeps a lookup finite.
    private static let maximumDomains = 32

    /// What glibc does with an empty file; `search` would then come from the host's name, which a cluster has no use for.
    package init() {
        servers = [Self.local]
        search = []
        dots = 1
        timeout = 5_000_000_000
        attempts = 2
    }

    /// Reads a file. What is not understood is skipped, as glibc does: it is not ours to judge.
    package init(parsing bytes: [UInt8]) {
        self.init()
        var found: [MemberAddress] = []
        for line in String(decoding: bytes.prefix(Self.maximumBytes), as: UTF8.self).utf8.split(separator: UInt8(ascii: "\n")) {
            if line.first == UInt8(ascii: "#") || line.first == UInt8(ascii: ";") { continue }
            let words = line.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }.map { String(decoding: $0, as: UTF8.self) }
            guard let keyword = words.first else { continue }
            switch keyword {
            case "nameserver":
                if words.count > 1, found.count < Self.maximumServers, let address = IPAddress(words[1]) {
                    found.append(MemberAddress(address, port: 53))
                }
            // The last line of these counts.
            case "search": search = words.dropFirst().prefix(Self.maximumDomains).compactMap { DNSName($0) }
            case "domain": search = words.dropFirst().prefix(1).compactMap { DNSName($0) }
            case "options": for option in words.dropFirst() { take(option) }
            default: break
            }
        }
        if !found.isEmpty { servers = found }
    }

    private mutating func take(_ option: String) {
        func number(_ name: String, _ range: ClosedRange<Int>) -> Int? {
            guard option.hasPrefix(name + ":"), let value = Int(option.dropFirst(name.count + 1)) else { return nil }
            return min(max(value, range.lowerBound), range.upperBound)
        }
        if let value = number("ndots", 0...15) { dots = value }
        if let value = number("timeout", 1...30) { timeout = Int64(value) * 1_000_000_000 }
        if let value = number("attempts", 1...5) { attempts = value }
    }

    /// The names to ask for, in order, as `res_search` tries them: as it is first if it has enough dots, else last; a name with a dot
    /// behind it only as it is.
    package func candidates(for text: String) -> [DNSName] {
        guard let name = DNSName(text) else { return [] }
        if text.hasSuffix(".") { return [name] }
        let below = search.compactMap { name.within($0) }
        let all = name.labels.count - 1 >= dots ? [name] + below : below + [name]
        var seen: Set<DNSName> = []
        return all.filter { seen.insert($0).inserted }
    }

    /// How long the answer to a try is waited for, nanoseconds; as in glibc later tries wait longer, shared by the servers.
    func patience(attempt: Int) -> Int64 {
        let shift = Int64(min(max(attempt, 0), 5))
        let grown = timeout << shift
        return attempt == 0 ? grown : max(1_000_000_000, grown / Int64(max(1, servers.count)))
    }

    private static var local: MemberAddress {
        guard let loopback = IPAddress(bytes: [127, 0, 0, 1]) else { preconditionFailure("four bytes are an address") }
        return MemberAddress(loopback, port: 53)
    }
}
