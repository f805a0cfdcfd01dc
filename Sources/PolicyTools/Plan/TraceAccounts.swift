internal import OTLP

/// What a plan remembers of one trace while its decisions are pending, and for a while after.
struct TraceAccount: BitwiseCopyable {
    var traceID: TraceID
    var hash: UInt64
    var firstStart: UInt64 = 0
    var lastEnd: UInt64 = 0
    var bytes: UInt64 = 0
    var spans: UInt32 = 0
    /// Head of the list of the trace's services in `TraceAccounts.shares`.
    var shares: UInt32 = .max
    /// Names in `PlanNames`: the root span's, or the first span's while no root has come.
    var service: Int32 = -1
    var operation: Int32 = -1
    /// When its first span came, in the recording's time.
    var seen: Int64
    var current = TraceFate.pending
    var candidate = TraceFate.pending
    var currentPolicy: UInt16 = .max
    var candidatePolicy: UInt16 = .max
    var hasError = false
    var hasRoot = false
    var isSettled = false

    init(traceID: TraceID, hash: UInt64, seen: Int64) {
        self.traceID = traceID
        self.hash = hash
        self.seen = seen
    }
}

/// What one set of policies made of a trace.
enum TraceFate: UInt8, BitwiseCopyable {
    case pending, sampled, notSampled, dropped
}

/// A service's part of a trace.
struct ServiceShare: BitwiseCopyable {
    var service: Int32
    var spans: UInt32
    var bytes: UInt64
    var next: UInt32
}

/// The traces of a plan by their ids: an open-addressed table over a list of accounts.
///
/// Traces whose decisions are known stay until `settledLimit` others have followed, so that late spans find them; as many as the
/// shards' own caches remember.
struct TraceAccounts {
    static let settledLimit = 250_000

    private var slots: [UInt32]
    private var accounts: [TraceAccount] = []
    private var free: [UInt32] = []
    private var count = 0
    private(set) var shares: [ServiceShare] = []
    private var freeShare: UInt32 = .max
    /// Settled accounts, oldest first, from `oldest` on.
    private var settled: [UInt32] = []
    private var oldest = 0

    private static let empty = UInt32.max

    init() { slots = Array(repeating: Self.empty, count: 1 << 12) }

    subscript(index: Int) -> TraceAccount {
        get { accounts[index] }
        set { accounts[index] = newValue }
    }

    /// The trace's account, or nil.
    func find(_ traceID: TraceID, hash: UInt64) -> Int? {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != Self.empty {
            let index = Int(slots[slot])
            if accounts[index].traceID == traceID { return index }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Puts a new trace in.
    mutating func insert(_ account: TraceAccount) -> Int {
        if count * 2 >= slots.count { grow() }
        let index: Int
        if let reused = free.popLast() {
            index = Int(reused)
            accounts[index] = account
        } else {
            index = accounts.count
            accounts.append(account)
        }
        place(UInt32(truncatingIfNeeded: index), account.hash)
        count += 1
        return index
    }

    private mutating func place(_ index: UInt32, _ hash: UInt64) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != Self.empty { slot = (slot + 1) & mask }
        slots[slot] = index
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: Self.empty, count: old.count * 2)
        for index in old where index != Self.empty { place(index, accounts[Int(index)].hash) }
    }

    /// Adds a span to a trace's account.
    @inline(__always)
    mutating func add(_ record: borrowing SpanRecord, service: Int32, to index: Int) {
        let start = record.startTimeUnixNano
        let end = record.endTimeUnixNano
        // As in `TraceSummary`: without a start there is no latency.
        if start != 0 && (accounts[index].firstStart == 0 || start < accounts[index].firstStart) {
            accounts[index].firstStart = start
        }
        if start != 0 && end > accounts[index].lastEnd { accounts[index].lastEnd = end }
        accounts[index].bytes &+= UInt64(record.length)
        accounts[index].spans &+= 1
        if record.flags.isError { accounts[index].hasError = true }
        var share = accounts[index].shares
        while share != Self.empty {
            if shares[Int(share)].service == service {
                shares[Int(share)].spans &+= 1
                shares[Int(share)].bytes &+= UInt64(record.length)
                return
            }
            share = shares[Int(share)].next
        }
        let new = ServiceShare(
            service: service, spans: 1, bytes: UInt64(record.length), next: accounts[index].shares)
        if freeShare != Self.empty {
            let reused = freeShare
            freeShare = shares[Int(reused)].next
            shares[Int(reused)] = new
            accounts[index].shares = reused
        } else {
            accounts[index].shares = UInt32(truncatingIfNeeded: shares.count)
            shares.append(new)
        }
    }

    /// Both decisions are known: gives the services' parts back, and forgets the oldest trace beyond the limit.
    mutating func settle(_ index: Int) {
        accounts[index].isSettled = true
        var share = accounts[index].shares
        while share != Self.empty {
            let next = shares[Int(share)].next
            shares[Int(share)].next = freeShare
            freeShare = share
            share = next
        }
        accounts[index].shares = Self.empty
        settled.append(UInt32(truncatingIfNeeded: index))
        guard settled.count - oldest > Self.settledLimit else { return }
        remove(Int(settled[oldest]))
        oldest += 1
        if oldest > Self.settledLimit {
            settled.removeFirst(oldest)
            oldest = 0
        }
    }

    /// Takes an account out; those behind it in the table move up (Knuth, 6.4, algorithm R).
    private mutating func remove(_ index: Int) {
        let mask = slots.count - 1
        var hole = Int(truncatingIfNeeded: accounts[index].hash) & mask
        while slots[hole] != UInt32(truncatingIfNeeded: index) {
            if slots[hole] == Self.empty { return }
            hole = (hole + 1) & mask
        }
        var next = (hole + 1) & mask
        while slots[next] != Self.empty {
            let home = Int(truncatingIfNeeded: accounts[Int(slots[next])].hash) & mask
            if (next - home) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = Self.empty
        free.append(UInt32(truncatingIfNeeded: index))
        count -= 1
    }
}

/// Texts by number: services and operations of a recording. Bounded; what comes beyond is "(other)".
struct PlanNames {
    private let limit: Int
    private(set) var texts: [String] = []
    private var numbers: [UInt64: Int32] = [:]
    private var other: Int32?

    init(limit: Int) { self.limit = limit }

    /// The number of what `key` stands for; `text` is asked for its text if it is new.
    mutating func number(_ key: UInt64, _ text: () -> String) -> Int32 {
        if let known = numbers[key] { return known }
        if texts.count >= limit {
            if let other { return other }
            texts.append("(other)")
            let number = Int32(truncatingIfNeeded: texts.count - 1)
            other = number
            return number
        }
        // Resources differ in more than their service: equal texts share a number.
        let made = text()
        let number = Int32(truncatingIfNeeded: byText[made] ?? texts.count)
        if Int(number) == texts.count {
            texts.append(made)
            byText[made] = Int(number)
        }
        if numbers.count < limit * 16 { numbers[key] = number }
        return number
    }

    private var byText: [String: Int] = [:]
}
