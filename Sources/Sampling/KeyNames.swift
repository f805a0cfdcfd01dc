internal import Synchronization

/// Texts for keys of `dynamic` policies, which everybody else knows by their hash alone: for showing the most frequent ones.
///
/// Whoever wants to show keys asks for some; the walk that meets one of them next notes its text. Nobody pays while nothing is
/// asked for: one relaxed load per trace. Bounded: `limit` keys, `maximumText` bytes each. Shared by all workers.
final class KeyNames: Sendable {
    static let limit = 100
    /// Of one part of a key.
    static let maximumText = 64

    private struct Contents {
        var asked: Set<UInt64> = []
        var texts: [UInt64: String] = [:]
    }

    private let askedCount = Atomic<Int>(0)
    private let contents = Mutex(Contents())

    /// Some texts are asked for.
    @inline(__always)
    var isAsking: Bool { askedCount.load(ordering: .relaxed) > 0 }

    /// From now on these keys are wanted, `limit` at most; texts of others are forgotten.
    func ask(_ keys: [UInt64]) {
        contents.withLock { contents in
            let wanted = Set(keys.prefix(Self.limit))
            contents.texts = contents.texts.filter { wanted.contains($0.key) }
            contents.asked = wanted.filter { contents.texts[$0] == nil }
            askedCount.store(contents.asked.count, ordering: .relaxed)
        }
    }

    /// A key has come by; `text` is made if it is asked for.
    func learn(_ key: UInt64, _ text: () -> String) {
        contents.withLock { contents in
            guard contents.asked.remove(key) != nil else { return }
            contents.texts[key] = text()
            askedCount.store(contents.asked.count, ordering: .relaxed)
        }
    }

    func text(of key: UInt64) -> String? { contents.withLock { $0.texts[key] } }
}
