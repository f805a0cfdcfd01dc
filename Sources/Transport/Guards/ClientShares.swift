/// Who took how much lately, and who took more than a fair share of it. A value without clock.
///
/// Holds the largest clients alone, `capacity` of them at most: who is not among them is small. What was taken counts half as much
/// after each `halfLife`. Only proportions matter, so that nothing here depends on how long spans stay in memory.
package struct UsageTable<Client: Hashable & Sendable>: Sendable {
    private struct Entry {
        var client: Client
        var bytes: Int
    }

    private let capacity: Int
    private let halfLife: Int64
    private var entries: [Entry] = []
    private var halvedAt = Int64.min
    private var level = 0
    private var levelUntil = Int64.min
    /// For so long a computed level is used, nanoseconds.
    private static var levelAge: Int64 { 50_000_000 }

    /// - Parameter halfLife: nanoseconds.
    package init(capacity: Int = 64, halfLife: Int64) {
        self.capacity = capacity
        self.halfLife = halfLife
    }

    package var count: Int { entries.count }

    /// A client took so many bytes. O(capacity).
    /// - Parameter now: monotonic nanoseconds, here and below.
    package mutating func note(_ bytes: Int, by client: Client, now: Int64) {
        decay(now)
        if let index = entries.firstIndex(where: { $0.client == client }) {
            entries[index].bytes += bytes
        } else if entries.count < capacity {
            entries.append(Entry(client: client, bytes: bytes))
        } else if let least = entries.indices.min(by: { entries[$0].bytes < entries[$1].bytes }) {
            // Many small clients take each other's place, never that of a large one.
            entries[least] = Entry(client: client, bytes: bytes)
        }
    }

    /// What a client took, as far as it still counts.
    package func bytes(of client: Client) -> Int { entries.first { $0.client == client }?.bytes ?? 0 }

    /// Whether a client took no more than its fair share. Nobody who is alone is modest: one more may come.
    package mutating func isModest(_ client: Client, now: Int64) -> Bool {
        decay(now)
        if now >= levelUntil {
            level = Self.fairShare(of: entries.map(\.bytes))
            levelUntil = now + Self.levelAge
        }
        return bytes(of: client) <= level
    }

    /// The share at which what the larger clients have beyond it would be one more such share, for one who comes anew (max-min
    /// fairness). O(n log n).
    static func fairShare(of bytes: [Int]) -> Int {
        let sorted = bytes.sorted(by: >)
        var sum = 0
        for (index, own) in sorted.enumerated() {
            sum += own
            let share = sum / (index + 2)
            if index + 1 == sorted.count || sorted[index + 1] <= share { return share }
        }
        return 0
    }

    private mutating func decay(_ now: Int64) {
        if halvedAt == .min { halvedAt = now }
        let halvings = (now - halvedAt) / halfLife
        guard halvings > 0 else { return }
        halvedAt += halvings * halfLife
        levelUntil = .min
        for index in entries.indices { entries[index].bytes >>= min(halvings, 62) }
        entries.removeAll { $0.bytes == 0 }
    }
}

/// What a client may do when memory is short.
package enum ClientStanding: Sendable, Equatable {
    /// Its address took less than a fair share.
    case modest
    /// Its address did not, but its connection did.
    case modestConnection
    /// It took more than its share.
    case greedy
}

/// Shares of the memory by address and, where one address has the most, by connection.
///
/// A part of the memory is kept from those who took more than their share, so that they cannot keep the others out. A connection
/// counts by itself, since clients behind a proxy share an address; but not everything is open to it, since whoever has an address
/// can open many connections.
package struct ClientShares: Sendable {
    private var addresses: UsageTable<PeerAddress>
    private var connections: UsageTable<UInt64>

    /// - Parameter halfLife: about as long as spans stay in memory, nanoseconds.
    package init(halfLife: Int64) {
        addresses = UsageTable(halfLife: halfLife)
        connections = UsageTable(halfLife: halfLife)
    }

    /// - Parameter now: monotonic nanoseconds, here and below.
    package mutating func note(_ bytes: Int, address: PeerAddress, connection: UInt64, now: Int64) {
        addresses.note(bytes, by: address, now: now)
        connections.note(bytes, by: connection, now: now)
    }

    package mutating func standing(address: PeerAddress, connection: UInt64, now: Int64) -> ClientStanding {
        if addresses.isModest(address, now: now) { return .modest }
        return connections.isModest(connection, now: now) ? .modestConnection : .greedy
    }
}
