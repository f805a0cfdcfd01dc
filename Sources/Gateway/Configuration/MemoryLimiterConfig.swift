internal import ConfigTree

/// `processors.memory_limiter[/name]`.
package struct MemoryLimiterConfig: Sendable, Equatable {
    package var id = ComponentID(type: "memory_limiter")
    /// How often memory is looked at.
    package var checkInterval: Int64
    package var limit: Limit
    /// Below the limit by this much, new requests are already refused. Nil: 20 % of the limit.
    package var spike: Limit?

    package enum Limit: Sendable, Equatable {
        case bytes(Int)
        /// Of the memory that the machine or the cgroup has, 1...100.
        case percentage(Int)

        /// - Parameter total: the memory that the machine or the cgroup has, in bytes.
        package func bytes(of total: Int) -> Int {
            switch self {
            case .bytes(let bytes): bytes
            case .percentage(let percent): total / 100 * percent
            }
        }
    }

    /// The two limits in bytes: from `soft` on, new requests are refused; `hard` is not to be passed.
    /// - Parameter total: the memory that the machine or the cgroup has, in bytes.
    package func limits(ofTotalBytes total: Int) -> (soft: Int, hard: Int) {
        let hard = limit.bytes(of: total)
        let room = spike?.bytes(of: total) ?? hard / 5
        return (max(0, hard - room), hard)
    }

    package init(id: ComponentID, checkInterval: Int64, limit: Limit, spike: Limit?) {
        self.id = id
        self.checkInterval = checkInterval
        self.limit = limit
        self.spike = spike
    }
}

extension MemoryLimiterConfig {
    /// Nil if there is no limit, which is reported.
    init?(_ id: ComponentID, _ reader: inout ConfigReader) {
        let interval = reader.duration("check_interval", default: 0, in: 0...(.max))
        if interval == 0 {
            reader.error(
                "`check_interval` is missing or 0; write for example `check_interval: 1s`", key: "check_interval")
        }
        let mebibytes = reader.integer("limit_mib", default: 0, in: 0...Int(UInt32.max))
        let spikeMebibytes = reader.integer("spike_limit_mib", default: 0, in: 0...Int(UInt32.max))
        let percent = reader.integer("limit_percentage", default: 0, in: 0...100)
        let spikePercent = reader.integer("spike_limit_percentage", default: 0, in: 0...100)
        // How often Go may collect garbage; there is none here.
        for key in ["soft", "hard"] {
            _ = reader.duration("min_gc_interval_when_\(key)_limited", default: 0, in: 0...(.max))
            _ = reader.duration("max_gc_interval_when_\(key)_limited", default: 0, in: 0...(.max))
        }
        if mebibytes > 0, spikeMebibytes >= mebibytes {
            reader.error("`\(spikeMebibytes)` is not less than limit_mib (\(mebibytes))", key: "spike_limit_mib")
        } else if mebibytes == 0, percent > 0, spikePercent >= percent {
            reader.error(
                "`\(spikePercent)` is not less than limit_percentage (\(percent))", key: "spike_limit_percentage")
        }
        reader.finish()
        self.id = id
        checkInterval = interval
        if mebibytes > 0 {
            limit = .bytes(mebibytes << 20)
            spike = spikeMebibytes > 0 ? .bytes(spikeMebibytes << 20) : nil
        } else if percent > 0 {
            limit = .percentage(percent)
            spike = spikePercent > 0 ? .percentage(spikePercent) : nil
        } else {
            reader.error("there is no limit; write `limit_mib` or `limit_percentage`")
            return nil
        }
    }
}
