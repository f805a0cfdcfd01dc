public import OTLP

/// A node of the cluster as the ring knows it.
package struct RingMember: Hashable, Sendable, Comparable {
    /// Where its peers reach it, `host:port`; its identity.
    package var address: String
    /// Its share relative to others, 1...16. Usually all have 1.
    package var weight: UInt8

    package init(_ address: String, weight: UInt8 = 1) {
        self.address = address
        self.weight = min(max(weight, 1), HashRing.maximumWeight)
    }

    package static func < (left: RingMember, right: RingMember) -> Bool {
        left.address == right.address ? left.weight < right.weight : left.address < right.address
    }
}

/// Which node owns which trace: a pure function of the member list, the same on every node.
///
/// The space of trace ids is cut into 2^17 slots by a fixed, public hash of the 16 bytes; each slot goes to the member with the
/// highest score for it (rendezvous hashing: Thaler and Ravishankar, 1998) that has room (bounded loads: Mirrokni, Thorup and
/// Zadimoghaddam, 2018). Room is the member's fair share and 4 %, so:
/// - max/mean of the owned key space is at most 1.04 by construction, for any number of members and any names;
/// - a join moves slots to the new member only, a leave moves the leaver's only, but for slots whose best member is full. With
///   up to 50 members the 4 % are more than two standard deviations of what plain rendezvous hashing would give, so these are
///   few: less than 0.2 % of the space beyond what must move (tested for all sizes). Beyond 50 members this grows; the balance
///   still holds.
///
/// A member of weight w draws w scores and the best one counts, so that its chance is w times as high; all is integer
/// arithmetic and equal on every machine.
///
/// The hash is public on purpose: every node and every tool must compute the same owner. Who can choose trace ids can aim them
/// at one node, as with every sharded system whose members do not share a secret. Inside a node the worker is chosen by
/// `HashKeys`, which are drawn by each process and have nothing to do with this hash.
///
/// Public, though no product hands it out: Swift 6.3 does not inline `package` members across modules.
public struct HashRing: Sendable {
    /// log2 of the number of slots in production; tests may use fewer.
    package static let defaultSlotBits = 17
    package static let maximumWeight: UInt8 = 16
    /// What a member may own beyond its fair share, in 1/1000.
    package static let slackPermille = 40

    /// Sorted by address, each once.
    package let members: [RingMember]
    /// Hash of the members and of the algorithm: equal versions are equal rings. Never 0.
    package let version: UInt64
    /// Owner by slot, as an index into `members`.
    @usableFromInline let table: [UInt8]
    @usableFromInline let shift: UInt64

    /// Builds the ring of these members, in any order; nil if there is none, or more than `ClusterLimits.maximumMembers`.
    ///
    /// Of members with one address the one with the lower weight counts.
    /// - Complexity: O(slots x weights), about 10 ms for 50 members. Not for a worker's loop while it is busy.
    package init?(_ list: some Sequence<RingMember>, slotBits: Int = HashRing.defaultSlotBits) {
        var members: [RingMember] = []
        for member in list.sorted() where members.last?.address != member.address { members.append(member) }
        guard !members.isEmpty, members.count <= ClusterLimits.maximumMembers, (4...24).contains(slotBits) else { return nil }
        self.members = members
        shift = UInt64(64 - slotBits)
        table = Self.assign(members, slots: 1 << slotBits)
        version = Self.version(members, slotBits: slotBits)
    }

    /// The version that a ring of these members has, without building it.
    package static func version(_ sorted: [RingMember], slotBits: Int = HashRing.defaultSlotBits) -> UInt64 {
        var hash = Self.mix(0x7269_6e67_2d76_3031, UInt64(slotBits) << 32 | UInt64(slackPermille))
        for member in sorted {
            hash = Self.mix(hash ^ Self.hash(member.address), 0x9e37_79b9_7f4a_7c15 &+ UInt64(member.weight))
        }
        return hash == 0 ? 1 : hash
    }

    /// The owner of a trace, as an index into `members`.
    ///
    /// - Complexity: O(1): two multiplications and one look-up in 128 KiB.
    @inlinable @inline(__always)
    public func owner(of traceID: TraceID) -> Int { Int(table[Int(truncatingIfNeeded: Self.hash(traceID) >> shift)]) }

    /// The fixed hash of a trace id; its high bits are the slot. The mix is wyhash's multiply and fold, with constants for keys.
    @inlinable @inline(__always)
    public static func hash(_ traceID: TraceID) -> UInt64 {
        let product = (traceID.high ^ 0x7461_696c_6761_7465).multipliedFullWidth(by: traceID.low ^ 0x7269_6e67_2d76_3031)
        return mix(product.low ^ 0xa076_1d64_78bd_642f, product.high ^ 0xe703_7ed1_a0b4_28db)
    }

    /// Folds the 128-bit product of two words.
    @inlinable @inline(__always)
    static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    /// The member's index, or nil. - Complexity: O(log members).
    package func index(of address: String) -> Int? {
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            if members[middle].address < address { low = middle + 1 } else { high = middle }
        }
        return low < members.count && members[low].address == address ? low : nil
    }

    package func contains(_ address: String) -> Bool { index(of: address) != nil }

    package var slotCount: Int { table.count }

    /// How many slots each member owns.
    package var slotsOwned: [Int] {
        var owned = [Int](repeating: 0, count: members.count)
        for owner in table { owned[Int(owner)] += 1 }
        return owned
    }

    /// Slots whose owner differs by address.
    package func slotsMoved(to other: HashRing) -> Int {
        guard other.table.count == table.count else { return table.count }
        let numbers = members.map { other.index(of: $0.address) ?? -1 }
        var moved = 0
        for slot in table.indices where numbers[Int(table[slot])] != Int(other.table[slot]) { moved += 1 }
        return moved
    }

    // MARK: building

    private static func assign(_ members: [RingMember], slots: Int) -> [UInt8] {
        let weights = members.reduce(0) { $0 + Int($1.weight) }
        // Rounded up, so that the room of all is always enough.
        var room = members.map { (slots * Int($0.weight) * (1000 + slackPermille) + weights * 1000 - 1) / (weights * 1000) }
        var seeds: [UInt64] = []
        var owners: [UInt8] = []
        for (index, member) in members.enumerated() {
            for copy in 0..<member.weight {
                seeds.append(mix(hash(member.address), 0x9e37_79b9_7f4a_7c15 &+ UInt64(copy)))
                owners.append(UInt8(truncatingIfNeeded: index))
            }
        }
        var table = [UInt8](repeating: 0, count: slots)
        let seedSpan = seeds.span
        for slot in 0..<slots {
            let key = (UInt64(slot) &+ 1) &* 0x9e37_79b9_7f4a_7c15
            var best: UInt64 = 0
            var winner = 0
            var index = 0
            while index < seedSpan.count {
                let score = Self.score(key, seedSpan[index])
                if score > best {
                    best = score
                    winner = index
                }
                index &+= 1
            }
            var owner = owners[winner]
            if room[Int(owner)] == 0 { owner = owners[secondBest(key, seeds, owners, room)] }
            room[Int(owner)] -= 1
            table[slot] = owner
        }
        return table
    }

    /// The best among those that have room.
    private static func secondBest(_ key: UInt64, _ seeds: [UInt64], _ owners: [UInt8], _ room: [Int]) -> Int {
        var best: (score: UInt64, index: Int)?
        for index in seeds.indices where room[Int(owners[index])] > 0 {
            let score = Self.score(key, seeds[index])
            if best.map({ score > $0.score }) ?? true { best = (score, index) }
        }
        guard let best else { preconditionFailure("the members' room adds up to more than the slots") }
        return best.index
    }

    /// What a member's draw is worth for a slot (the finalizer of MurmurHash3).
    @inline(__always)
    private static func score(_ key: UInt64, _ seed: UInt64) -> UInt64 {
        var word = key ^ seed
        word = (word ^ (word >> 33)) &* 0xff51_afd7_ed55_8ccd
        word = (word ^ (word >> 33)) &* 0xc4ce_b9fe_1a85_ec53
        return word ^ (word >> 33)
    }

    /// FNV-1a and a final mix, of an address.
    static func hash(_ text: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return mix(hash ^ 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3)
    }
}

extension HashRing: Equatable {
    /// Rings of one version are one ring.
    public static func == (left: HashRing, right: HashRing) -> Bool { left.version == right.version }
}
