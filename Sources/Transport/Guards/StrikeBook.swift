/// Addresses whose connections were closed for abuse: what comes anew from them is let in slowly. A value without clock.
///
/// A client that is sent away would otherwise come back at once, and cost what a new connection costs. Connections that are open are
/// not touched: others may share the address. Holds `capacity` addresses at most; those with few strikes make room.
package struct StrikeBook: Sendable {
    private struct Entry {
        var strikes: Int
        var halvedAt: Int64
        var nextAt: Int64
    }

    private let capacity: Int
    private var entries: [PeerAddress: Entry] = [:]

    /// Strikes count half as much after so long, nanoseconds.
    private static let halfLife: Int64 = 10_000_000_000
    /// So many are forgiven.
    private static let forgiven = 2
    /// Between two new connections from an address, for each strike beyond those; nanoseconds.
    private static let step: Int64 = 20_000_000
    private static let longest: Int64 = 1_000_000_000
    /// No address has more than this.
    private static let most = 256

    package init(capacity: Int = 256) { self.capacity = capacity }

    package var count: Int { entries.count }

    /// A connection of this address was closed for abuse. O(capacity) when the book is full.
    /// - Parameter now: monotonic nanoseconds, here and below.
    package mutating func strike(_ address: PeerAddress, now: Int64) {
        var entry = current(address, now) ?? Entry(strikes: 0, halvedAt: now, nextAt: .min)
        entry.strikes = min(Self.most, entry.strikes + 1)
        if entries.count >= capacity, entries[address] == nil, let least = entries.min(by: { $0.value.strikes < $1.value.strikes }) {
            entries[least.key] = nil
        }
        entries[address] = entry
    }

    /// Whether a connection of this address may come in now.
    package mutating func admits(_ address: PeerAddress, now: Int64) -> Bool {
        if entries.isEmpty { return true }
        guard var entry = current(address, now) else {
            entries[address] = nil
            return true
        }
        defer { entries[address] = entry }
        if entry.strikes <= Self.forgiven { return true }
        if now < entry.nextAt { return false }
        entry.nextAt = now + min(Self.longest, Self.step * Int64(entry.strikes - Self.forgiven))
        return true
    }

    /// Whether little is forgiven to connections of this address.
    package func isSuspect(_ address: PeerAddress) -> Bool { entries[address] != nil }

    private func current(_ address: PeerAddress, _ now: Int64) -> Entry? {
        guard var entry = entries[address] else { return nil }
        let halvings = (now - entry.halvedAt) / Self.halfLife
        if halvings > 0 {
            entry.strikes >>= min(halvings, 62)
            entry.halvedAt += halvings * Self.halfLife
        }
        return entry.strikes == 0 ? nil : entry
    }
}
