/// Figures of the whole process. Written by the scrape into cells of its own, not by a worker.
///
/// Series of optional figures (limits that may be infinite) exist only if asked for, since an
/// invented value would be worse than none.
package struct ProcessMetrics: Sendable {
    package let ready: GaugeID
    package let memoryLimit: GaugeID
    package let memorySoftLimit: GaugeID
    package let memoryUsed: GaugeID
    package let allocatorAllocatedBytes: GaugeID
    package let allocatorActiveBytes: GaugeID
    package let allocatorResidentBytes: GaugeID
    private let collectorHeapAllocBytes: GaugeID
    private let collectorTotalSysMemoryBytes: GaugeID
    private let collectorUptime: CounterID
    private let collectorCPUSeconds: CounterID
    private let collectorMemoryRSS: GaugeID
    private let cpuSeconds: CounterID
    private let openFDs: GaugeID
    private let maxFDs: GaugeID?
    private let virtualMemoryBytes: GaugeID
    private let virtualMemoryMaxBytes: GaugeID?
    private let residentMemoryBytes: GaugeID
    private let startTime: GaugeID
    private let threads: GaugeID

    /// - Parameters:
    ///   - hasFDLimit: whether the number of file descriptors is limited.
    ///   - hasVirtualMemoryLimit: whether the address space is limited.
    package init(
        hasFDLimit: Bool, hasVirtualMemoryLimit: Bool, in catalog: inout MetricCatalog
    ) throws(MetricCatalogError) {
        typealias List = MetricList
        ready = try catalog.gauge(List.ready)
        memoryLimit = try catalog.gauge(List.memoryLimit)
        memorySoftLimit = try catalog.gauge(List.memorySoftLimit)
        memoryUsed = try catalog.gauge(List.memoryUsed)
        allocatorAllocatedBytes = try catalog.gauge(List.allocatorAllocatedBytes)
        allocatorActiveBytes = try catalog.gauge(List.allocatorActiveBytes)
        allocatorResidentBytes = try catalog.gauge(List.allocatorResidentBytes)
        collectorUptime = try catalog.counter(List.collectorUptime)
        collectorCPUSeconds = try catalog.counter(List.collectorCPUSeconds)
        collectorMemoryRSS = try catalog.gauge(List.collectorMemoryRSS)
        collectorHeapAllocBytes = try catalog.gauge(List.collectorHeapAllocBytes)
        collectorTotalSysMemoryBytes = try catalog.gauge(List.collectorTotalSysMemoryBytes)
        cpuSeconds = try catalog.counter(List.processCPUSeconds)
        openFDs = try catalog.gauge(List.processOpenFDs)
        maxFDs = hasFDLimit ? try catalog.gauge(List.processMaxFDs) : nil
        virtualMemoryBytes = try catalog.gauge(List.processVirtualMemoryBytes)
        virtualMemoryMaxBytes =
            hasVirtualMemoryLimit ? try catalog.gauge(List.processVirtualMemoryMaxBytes) : nil
        residentMemoryBytes = try catalog.gauge(List.processResidentMemoryBytes)
        startTime = try catalog.gauge(List.processStartTime)
        threads = try catalog.gauge(List.processThreads)
    }

    /// Enters what the kernel says about the process.
    package func write(_ figures: ProcessFigures, into cells: MetricCells) {
        cells.set(collectorUptime, total: figures.uptimeNanoseconds)
        cells.set(collectorCPUSeconds, total: figures.cpuNanoseconds)
        cells.set(collectorMemoryRSS, figures.residentBytes)
        cells.set(cpuSeconds, total: figures.cpuNanoseconds)
        cells.set(openFDs, figures.openFDs)
        if let maxFDs, let value = figures.maxFDs { cells.set(maxFDs, value) }
        cells.set(virtualMemoryBytes, figures.virtualBytes)
        if let virtualMemoryMaxBytes, let value = figures.maxVirtualBytes {
            cells.set(virtualMemoryMaxBytes, value)
        }
        cells.set(residentMemoryBytes, figures.residentBytes)
        cells.set(startTime, figures.startNanosecondsSinceEpoch)
        cells.set(threads, figures.threads)
    }

    /// Enters what the allocator says, in bytes.
    package func writeAllocator(
        allocated: Int, active: Int, resident: Int, into cells: MetricCells
    ) {
        cells.set(allocatorAllocatedBytes, allocated)
        cells.set(allocatorActiveBytes, active)
        cells.set(allocatorResidentBytes, resident)
        cells.set(collectorHeapAllocBytes, allocated)
        cells.set(collectorTotalSysMemoryBytes, resident)
    }
}

/// What the kernel says about a process.
package struct ProcessFigures: Sendable, Equatable {
    package var cpuNanoseconds = 0
    package var residentBytes = 0
    package var virtualBytes = 0
    /// nil: not limited.
    package var maxVirtualBytes: Int?
    package var openFDs = 0
    /// nil: not limited.
    package var maxFDs: Int?
    package var threads = 0
    package var startNanosecondsSinceEpoch = 0
    package var uptimeNanoseconds = 0

    package init() {}
}
