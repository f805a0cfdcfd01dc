import Telemetry
import Testing

@testable import Gateway

@Suite struct ProcFilesTests {
    @Test func statIsReadBehindTheLastParenthesis() {
        let text = """
            4711 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 1100 22 0 0 20 0 17 0 123456 987654321 4242 \
            18446744073709551615 1 1 0 0

            """
        #expect(
            ProcFiles.stat(text)
                == ProcFiles.Stat(
                    cpuTicks: 1122, threads: 17, startTicks: 123_456, virtualBytes: 987_654_321,
                    residentPages: 4242))
    }

    @Test(arguments: ["", "4711 (x", "4711 (x) S 1 2 3", "4711 (x) S \(String(repeating: "x ", count: 40))"])
    func statThatIsNone(text: String) {
        #expect(ProcFiles.stat(text) == nil)
    }

    @Test func bootTime() {
        #expect(ProcFiles.bootTime("cpu 1 2\nbtime 1700000000\nprocesses 5\n") == 1_700_000_000)
        #expect(ProcFiles.bootTime("cpu 1 2\n") == nil)
    }

    @Test func limits() {
        let text = """
            Limit                     Soft Limit           Hard Limit           Units
            Max open files            1024                 1048576              files
            Max address space         unlimited            unlimited            bytes

            """
        #expect(ProcFiles.softLimit("Max open files", text) == 1024)
        #expect(ProcFiles.softLimit("Max address space", text) == nil)
        #expect(ProcFiles.softLimit("Max nonsense", text) == nil)
    }

    @Test func totalMemory() {
        #expect(
            ProcFiles.totalMemory("MemTotal:       32768 kB\nMemFree: 1 kB\n") == 32 << 20)
        #expect(ProcFiles.totalMemory("MemFree: 1 kB\n") == nil)
        #expect(ProcFiles.totalMemory("MemTotal: lots kB\n") == nil)
    }

    @Test func limitFilesOfVersion2() {
        #expect(
            ProcFiles.memoryLimitFiles("0::/kubepods/pod1\n") == [
                "/sys/fs/cgroup/kubepods/pod1/memory.max", "/sys/fs/cgroup/kubepods/memory.max",
                "/sys/fs/cgroup/memory.max",
            ])
        #expect(ProcFiles.memoryLimitFiles("0::/\n") == ["/sys/fs/cgroup/memory.max"])
        #expect(ProcFiles.memoryLimitFiles("0::/../x\n") == ["/sys/fs/cgroup/memory.max"])
    }

    @Test func limitFilesOfVersion1() {
        let text = "9:name=systemd:/\n4:cpu,memory:/docker/abc\n3:cpuset:/\nrubbish\n"
        #expect(
            ProcFiles.memoryLimitFiles(text) == [
                "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ])
        #expect(ProcFiles.memoryLimitFiles("") == [])
    }

    @Test(arguments: [
        ("max\n", nil), ("536870912\n", 536_870_912), ("9223372036854771712\n", nil), ("", nil),
        ("-1\n", -1),
    ] as [(String, Int?)])
    func memoryLimit(text: String, limit: Int?) {
        #expect(ProcFiles.memoryLimit(text) == (limit == -1 ? nil : limit))
    }
}

@Suite struct ProcessStatisticsTests {
    @Test func thisProcess() throws {
        let statistics = ProcessStatistics()
        let figures = statistics.read()
        #expect(figures.residentBytes > 1 << 20)
        #expect(figures.virtualBytes >= figures.residentBytes)
        #expect(figures.openFDs >= 3)
        #expect(figures.threads >= 1)
        #expect(figures.cpuNanoseconds > 0)
        #expect(figures.uptimeNanoseconds > 0)
        // started after 2020
        #expect(figures.startNanosecondsSinceEpoch > 1_577_836_800_000_000_000)
        let limit = try #require(statistics.memoryLimit)
        let total = try #require(statistics.totalMemory)
        #expect(limit > 1 << 20 && limit <= total)
    }
}
