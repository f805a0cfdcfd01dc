import Foundation
internal import NativeCore
package import Telemetry

/// Figures of this process and its machine, read from Linux's /proc and cgroup files.
///
/// A figure that cannot be read is left at 0 or nil, never guessed.
package struct ProcessStatistics: Sendable {
    /// Soft limit of open files, nil if there is none.
    package let maxFDs: Int?
    /// Soft limit of the address space in bytes, nil if there is none.
    package let maxVirtualBytes: Int?
    /// Memory that this process may use, in bytes: the least of physical memory and the limits of
    /// its cgroups (v1 and v2). nil if none of them can be read.
    package let memoryLimit: Int?
    /// Whether `memoryLimit` comes from a cgroup.
    package let isLimitedByCgroup: Bool
    /// Bytes of physical memory of the machine.
    package let totalMemory: Int?

    private let ticksPerSecond: Int
    private let pageBytes: Int
    /// Seconds since 1970.
    private let bootTime: Int
    private let start = ContinuousClock.now

    /// Reads what does not change while the process lives. To be called early, since the uptime
    /// counts from here.
    package init() {
        let limits = Self.text("/proc/self/limits") ?? ""
        maxFDs = ProcFiles.softLimit("Max open files", limits)
        maxVirtualBytes = ProcFiles.softLimit("Max address space", limits)
        totalMemory = Self.text("/proc/meminfo").flatMap { ProcFiles.totalMemory($0) }
        let groups = ProcFiles.memoryLimitFiles(Self.text("/proc/self/cgroup") ?? "")
            .compactMap { Self.text($0) }.compactMap { ProcFiles.memoryLimit($0) }
        let limit = (groups + [totalMemory].compactMap { $0 }).min()
        memoryLimit = limit
        isLimitedByCgroup = limit != nil && groups.min() == limit
        ticksPerSecond = max(1, sysconf(Int32(_SC_CLK_TCK)))
        pageBytes = max(1, sysconf(Int32(_SC_PAGESIZE)))
        bootTime = Self.text("/proc/stat").flatMap { ProcFiles.bootTime($0) } ?? 0
    }

    /// The figures as they are now. Reads two small files and lists a directory: well under a
    /// millisecond with a few thousand descriptors, so only a scrape should do it.
    package func read() -> ProcessFigures {
        var figures = ProcessFigures()
        figures.maxFDs = maxFDs
        figures.maxVirtualBytes = maxVirtualBytes
        let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
        // the listing itself has one open
        figures.openFDs = max(0, (files?.count ?? 1) - 1)
        let uptime = start.duration(to: .now).components
        figures.uptimeNanoseconds =
            Int(uptime.seconds) * 1_000_000_000 + Int(uptime.attoseconds / 1_000_000_000)
        guard let stat = Self.text("/proc/self/stat").flatMap({ ProcFiles.stat($0) }) else {
            return figures
        }
        figures.cpuNanoseconds = nanoseconds(ticks: stat.cpuTicks)
        figures.threads = stat.threads
        figures.virtualBytes = stat.virtualBytes
        figures.residentBytes = stat.residentPages * pageBytes
        figures.startNanosecondsSinceEpoch =
            bootTime * 1_000_000_000 + nanoseconds(ticks: stat.startTicks)
        return figures
    }

    /// Seconds and rest apart, so that nothing overflows.
    private func nanoseconds(ticks: Int) -> Int {
        let (seconds, rest) = ticks.quotientAndRemainder(dividingBy: ticksPerSecond)
        return seconds * 1_000_000_000 + rest * 1_000_000_000 / ticksPerSecond
    }

    /// The kernel's files that are read here are much shorter.
    private static let fileLimit = 4 << 20

    private static func text(_ path: String) -> String? {
        (try? RegularFile.read(path, limit: fileLimit)).map { String(decoding: $0, as: UTF8.self) }
    }
}
