internal import CShims

/// What jemalloc knows of the process's heap. Segments and tables map their memory themselves and are not in it.
package struct AllocatorStatistics: Sendable, Equatable {
    /// Bytes handed out to the program.
    package var allocatedBytes: Int
    /// Bytes in pages that hold allocations.
    package var activeBytes: Int
    /// Bytes of physical memory held, with what is kept for reuse.
    package var residentBytes: Int

    /// Present figures, or nil when jemalloc is not the allocator in use.
    package static func current() -> AllocatorStatistics? {
        var epoch: UInt64 = 1
        let size = MemoryLayout<UInt64>.size
        guard unsafe mallctl("epoch", nil, nil, &epoch, size) == 0 else { return nil }
        guard let allocated = read("stats.allocated"), let active = read("stats.active"),
            let resident = read("stats.resident")
        else { return nil }
        return AllocatorStatistics(allocatedBytes: allocated, activeBytes: active, residentBytes: resident)
    }

    /// jemalloc's version, or nil when it is not the allocator in use.
    package static func version() -> String? {
        var text: UnsafePointer<CChar>? = nil
        var size = MemoryLayout<Int>.size
        guard unsafe mallctl("version", &text, &size, nil, 0) == 0, let text = unsafe text else { return nil }
        return unsafe String(cString: text)
    }

    /// Whether freed memory is given back by a thread of jemalloc's own, without anybody allocating.
    package static func purgesInBackground() -> Bool {
        var on = false
        var size = MemoryLayout<Bool>.size
        return unsafe mallctl("background_thread", &on, &size, nil, 0) == 0 && on
    }

    private static func read(_ name: StaticString) -> Int? {
        var value = 0
        var size = MemoryLayout<Int>.size
        let code = unsafe mallctl(UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), &value, &size, nil, 0)
        return code == 0 ? value : nil
    }
}
