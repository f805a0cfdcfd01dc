/// What some files of Linux's /proc and cgroup file systems say. Pure: text in, numbers out;
/// nil for text that is not as the kernel writes it.
enum ProcFiles {
    /// Fields of `/proc/self/stat` (proc_pid_stat(5)).
    struct Stat: Equatable {
        /// utime + stime, in clock ticks.
        var cpuTicks: Int
        var threads: Int
        /// Start of the process, in clock ticks since boot.
        var startTicks: Int
        var virtualBytes: Int
        var residentPages: Int
    }

    static func stat(_ text: String) -> Stat? {
        // field 2 is the program's name in parentheses and may itself contain blanks and ")"
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split { $0 == " " || $0 == "\n" }
        // `fields` begins with field 3
        func field(_ number: Int) -> Int? {
            number - 3 < fields.count ? Int(fields[number - 3]) : nil
        }
        guard let user = field(14), let system = field(15), let threads = field(20),
            let start = field(22), let size = field(23), let pages = field(24)
        else { return nil }
        return Stat(
            cpuTicks: user + system, threads: threads, startTicks: start, virtualBytes: size,
            residentPages: pages)
    }

    /// Seconds since 1970 at which the machine started, from `/proc/stat`.
    static func bootTime(_ text: String) -> Int? {
        for line in text.split(separator: "\n") where line.hasPrefix("btime ") {
            return Int(line.dropFirst("btime ".count))
        }
        return nil
    }

    /// The soft limit called `name` in `/proc/self/limits`; nil if it is unlimited or not there.
    static func softLimit(_ name: String, _ text: String) -> Int? {
        for line in text.split(separator: "\n") where line.hasPrefix(name + " ") {
            return line.dropFirst(name.count).split(separator: " ").first.flatMap { Int($0) }
        }
        return nil
    }

    /// Bytes of physical memory, from `/proc/meminfo`.
    static func totalMemory(_ text: String) -> Int? {
        for line in text.split(separator: "\n") where line.hasPrefix("MemTotal:") {
            let words = line.split(separator: " ")
            guard words.count == 3, words[2] == "kB", let kilobytes = Int(words[1]),
                kilobytes <= Int.max / 1024
            else { return nil }
            return kilobytes * 1024
        }
        return nil
    }

    /// Files that may hold a memory limit for the process, given `/proc/self/cgroup`: for cgroup v2
    /// (`0::/path`) and v1 (`4:memory:/path`), its own group and all groups above, each of which
    /// limits it too. In a container the path may be the host's while only the container's own
    /// part is mounted; then the nearest that exists is the mount itself, which is in the list.
    static func memoryLimitFiles(_ text: String) -> [String] {
        var files: [String] = []
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let mount: String
            let name: String
            if parts[0] == "0" && parts[1].isEmpty {
                mount = "/sys/fs/cgroup"
                name = "memory.max"
            } else if parts[1].split(separator: ",").contains("memory") {
                mount = "/sys/fs/cgroup/memory"
                name = "memory.limit_in_bytes"
            } else {
                continue
            }
            var names = parts[2].split(separator: "/")
            // a group outside of what is mounted here: only the mount itself is left
            if names.contains("..") { names = [] }
            while true {
                files.append(([mount] + names.map { String($0) } + [name]).joined(separator: "/"))
                if names.popLast() == nil { break }
            }
        }
        return files
    }

    /// Bytes of a cgroup memory limit; nil if there is none: `max` in v2, a number near 2^63 in v1.
    static func memoryLimit(_ text: String) -> Int? {
        let word = text.split { $0 == "\n" || $0 == " " }.first
        guard let value = word.flatMap({ Int($0) }), value >= 0, value < 1 << 60 else { return nil }
        return value
    }
}
