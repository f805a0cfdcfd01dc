internal import Synchronization

/// What `dynamic` has learned: a sampling share for each key, so that all keys together stay near a goal of spans per second.
///
/// The algorithm is EMAThroughput of Honeycomb's dynsampler-go (https://github.com/honeycombio/dynsampler-go), which
/// Refinery uses as EMAThroughputSampler, with these differences: it counts spans, shares are probabilities and not rounded to 1 in n, what
/// one key leaves of its part goes to the others from the smallest key up, and a trace is chosen by its id, not by chance.
///
/// Spans per interval are counted by key and go into an exponentially weighted moving average; a key whose average falls below
/// `weight` is forgotten. At the end of each interval every key gets a part of the goal in proportion to the logarithm of its
/// average: a key with fewer spans than its part keeps them all. Logarithms, so that a kind that is a thousand times
/// as frequent gets some four times the room. Until a key has a share, the initial one holds; and the first trace of a key
/// in every `rareInterval` is kept whatever the share, so that nothing that happens goes unseen.
///
/// Bounded: `keyLimit` keys; traces of further keys count as one. Shared by all workers of a node; O(1) per decision, O(keys log
/// keys) once per interval.
final class DynamicRates: PolicyState, SharedLimiter {
    static let maximumKeys = 10_000
    /// The key of all traces that there was no room for; no trace has it.
    static let overflowKey: UInt64 = 0

    struct Settings: Sendable, Equatable {
        var goalPerSecond = 100.0
        /// Nanoseconds.
        var interval: Int64 = 15_000_000_000
        var weight = 0.5
        var initialShare = 0.1
        /// Nanoseconds; 0: off.
        var rareInterval: Int64 = 60_000_000_000
        var keyLimit = 500
        var scope = LimitScope.node

        /// The same text for the same settings, on every node.
        var words: String {
            "\(goalPerSecond),\(interval),\(weight),\(initialShare),\(rareInterval),\(keyLimit),\(scope)"
        }
    }

    struct Key {
        /// Spans seen in the interval under way.
        var seen = 0.0
        /// Spans per interval, averaged.
        var average = 0.0
        /// Nil until an interval has ended.
        var share: Double?
        /// When a trace of it was kept last.
        var keptAt: Int64?
    }

    private struct Contents {
        var keys: [UInt64: Key] = [:]
        var nextAdjustment: Int64?
        var goalShare = 1.0
        var consumed: UInt64 = 0
        /// Counted where the goal is shared.
        var offered: UInt64 = 0
    }

    let settings: Settings
    /// Texts of the most frequent keys.
    let names = KeyNames()
    private let contents = Mutex(Contents())

    init(_ settings: Settings) { self.settings = settings }

    /// Counts a trace and says whether to keep it.
    ///
    /// - Parameter hash: of the trace id, evenly spread over all 64 bits.
    func decide(key: UInt64, hash: UInt64, spans: Double, now: Int64, isPreview: Bool = false) -> Bool {
        contents.withLock { contents in
            adjustIfDue(&contents, now)
            // Looked up once where the key is known.
            var key = key
            var place = contents.keys.index(forKey: key)
            if place == nil && contents.keys.count >= settings.keyLimit {
                key = Self.overflowKey
                place = contents.keys.index(forKey: key)
            }
            var entry = place.map { contents.keys.values[$0] } ?? Key()
            entry.seen += spans
            let isRare = settings.rareInterval > 0 && (entry.keptAt.map { now - $0 >= settings.rareInterval } ?? true)
            let isKept = isRare || Self.isChosen(hash, entry.share ?? settings.initialShare)
            if isPreview { return isKept }
            if settings.scope == .cluster { contents.offered &+= UInt64(spans) }
            if isKept {
                entry.keptAt = now
                contents.consumed &+= UInt64(spans)
            }
            if let place {
                contents.keys.values[place] = entry
            } else {
                contents.keys[key] = entry
            }
            return isKept
        }
    }

    private static func isChosen(_ hash: UInt64, _ share: Double) -> Bool {
        share >= 1 || (share > 0 && hash <= UInt64(share * 0x1p64))
    }

    private func adjustIfDue(_ contents: inout Contents, _ now: Int64) {
        guard let due = contents.nextAdjustment else {
            contents.nextAdjustment = now + settings.interval
            return
        }
        guard now >= due else { return }
        // Intervals in which nothing came at all are made up for, but not for ever.
        let missed = min(64, (now - due) / settings.interval)
        Self.adjust(&contents.keys, settings, goalShare: contents.goalShare)
        for _ in 0..<missed { Self.adjust(&contents.keys, settings, goalShare: contents.goalShare) }
        contents.nextAdjustment = now + settings.interval
        names.ask(Self.mostFrequent(contents.keys).map(\.key))
    }

    /// The keys with the highest averages, highest first, `KeyNames.limit` at most.
    private static func mostFrequent(_ keys: [UInt64: Key]) -> [(key: UInt64, value: Key)] {
        let known = keys.filter { $0.key != overflowKey && $0.value.share != nil }
        return Array(known.sorted { ($1.value.average, $0.key) < ($0.value.average, $1.key) }.prefix(KeyNames.limit))
    }

    func figures(now: Int64) -> PolicyFigures {
        let keys = contents.withLock { $0.keys }
        var figures = PolicyFigures()
        figures.keyCount = keys.count
        figures.keys = Self.mostFrequent(keys).map { key, entry in
            PolicyFigures.Key(
                text: names.text(of: key), spansPerSecond: entry.average * 1e9 / Double(settings.interval),
                share: entry.share ?? settings.initialShare)
        }
        return figures
    }

    /// Ends an interval: averages, then shares.
    static func adjust(_ keys: inout [UInt64: Key], _ settings: Settings, goalShare: Double) {
        for (key, entry) in keys {
            let average = entry.average * (1 - settings.weight) + entry.seen * settings.weight
            if average < settings.weight {
                keys[key] = nil
            } else {
                keys[key]?.average = average
                keys[key]?.seen = 0
            }
        }
        distribute(among: &keys, settings, goalShare: goalShare)
    }

    /// Gives every key with an average its share.
    private static func distribute(among keys: inout [UInt64: Key], _ settings: Settings, goalShare: Double) {
        // Equal averages in the order of keys, so that the outcome does not depend on the order of a hash table.
        let known = keys.filter { $0.value.average > 0 }
        let ascending = known.map { ($0.key, max(1, $0.value.average)) }.sorted { ($0.1, $0.0) < ($1.1, $1.0) }
        var room = settings.goalPerSecond * goalShare * Double(settings.interval) / 1e9
        var weights = ascending.reduce(0) { $0 + weight(of: $1.1) }
        for (key, average) in ascending {
            let part = weights > 0 ? room * weight(of: average) / weights : room
            let kept = min(average, part)
            keys[key]?.share = kept / average
            room -= kept
            weights -= weight(of: average)
        }
    }

    /// A key's claim on the goal; one span per interval is a claim, too.
    private static func weight(of average: Double) -> Double { logarithm(average * 2) }

    /// The logarithm to base 2 of a number from 1 on, to a ten-thousandth: below the floor of Foundation there is none, and
    /// shares need no better one.
    static func logarithm(_ value: Double) -> Double {
        let fraction = value.significand
        // ln(x) = 2 artanh((x - 1) / (x + 1)), for 1 <= x < 2.
        let z = (fraction - 1) / (fraction + 1)
        let square = z * z
        let natural = 2 * z * (1 + square * (1 / 3.0 + square * (1 / 5.0 + square * (1 / 7.0 + square / 9))))
        return Double(value.exponent) + natural / 0.693_147_180_559_945_3
    }

    var consumed: UInt64 { contents.withLock { $0.consumed } }

    // MARK: shared

    var shared: [(part: String, limiter: any SharedLimiter)] { settings.scope == .cluster ? [("", self)] : [] }

    var goal: Double { settings.goalPerSecond }

    var meter: LimitMeter { contents.withLock { LimitMeter(offered: $0.offered, consumed: $0.consumed) } }

    var share: Double { contents.withLock { $0.goalShare } }

    /// A change of more than 2 % is not left for the end of the interval.
    func setShare(_ share: Double, now: Int64?) {
        let share = min(1, max(0, share))
        contents.withLock { contents in
            guard abs(share - contents.goalShare) > 0.02 * contents.goalShare else { return }
            contents.goalShare = share
            Self.distribute(among: &contents.keys, settings, goalShare: share)
        }
    }

    /// How many keys are told apart now, and the share of one; for explanations and tests.
    var keyCount: Int { contents.withLock { $0.keys.count } }

    func share(of key: UInt64) -> Double? { contents.withLock { $0.keys[key]?.share } }
}
