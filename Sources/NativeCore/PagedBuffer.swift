internal import CShims
internal import Glibc

/// A fixed number of plain values in memory of its own, zero at first and taken from the system as it is touched.
///
/// For tables that are large and probed at random: from 2 MiB on the kernel is asked for huge pages, and `prefetch` hides the
/// way to memory. Indexes are checked. Owned by one worker; freed to the system at once with its owner, not through the
/// allocator. `Element`s must be valid when all their bits are zero.
///
/// Public, though no product hands it out: Swift 6.3 does not inline `package` members across modules.
@safe public struct PagedBuffer<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline let base: UnsafeMutablePointer<Element>
    public let count: Int
    private let mappedBytes: Int

    /// Takes address room for `count` elements; memory is used only where elements are written (in pages, or in 2 MiB
    /// steps with `hugePages`). Traps if the system has no address room left: for tables that are made when a node starts or is
    /// reloaded.
    package init(count: Int, hugePages: Bool = true) {
        precondition(count > 0)
        guard let (start, bytes) = unsafe Self.map(count, hugePages) else {
            preconditionFailure("no memory for a buffer of \(count) elements")
        }
        self.count = count
        unsafe base = start
        mappedBytes = bytes
    }

    /// The same for tables that grow with what comes from outside: nil if the system has no address room left.
    package init?(ifRoomFor count: Int, hugePages: Bool = true) {
        guard count > 0, let (start, bytes) = unsafe Self.map(count, hugePages) else { return nil }
        self.count = count
        unsafe base = start
        mappedBytes = bytes
    }

    private static func map(_ count: Int, _ hugePages: Bool) -> (UnsafeMutablePointer<Element>, Int)? {
        let hugePage = 2 << 20
        var bytes = count * MemoryLayout<Element>.stride
        let wantsHuge = hugePages && bytes >= hugePage
        let unit = wantsHuge ? hugePage : 4096
        // The end is not rounded up to a huge page: small pages serve what is left over.
        bytes = (bytes + 4095) / 4096 * 4096
        // Room for one more unit lets the start be aligned to it.
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        let mapped = unsafe mmap(nil, bytes + unit, PROT_READ | PROT_WRITE, flags, -1, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { return nil }
        let address = Int(bitPattern: mapped)
        let aligned = (address + unit - 1) / unit * unit
        if aligned > address { unsafe munmap(mapped, aligned - address) }
        let start = unsafe mapped + (aligned - address)
        let tail = unit - (aligned - address)
        if tail > 0 { unsafe munmap(start + bytes, tail) }
        if wantsHuge { unsafe madvise(start, bytes, MADV_HUGEPAGE) }
        return unsafe (start.bindMemory(to: Element.self, capacity: count), bytes)
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(base), mappedBytes) }

    /// - Complexity: O(1), one bounds check.
    @inlinable
    public subscript(_ index: Int) -> Element {
        @inline(__always)
        unsafeAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            return unsafe UnsafePointer(base + index)
        }
        @inline(__always)
        unsafeMutableAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            return unsafe base + index
        }
    }

    /// Fetches the element's cache line ahead of its use. Any index is allowed.
    @inlinable @inline(__always)
    public func prefetch(_ index: Int) {
        if UInt(bitPattern: index) < UInt(bitPattern: count) { unsafe prefetchLine(UnsafeRawPointer(base + index)) }
    }

    /// Lends the elements `range` for changing. The range is checked.
    package mutating func withMutableSpan(_ range: Range<Int>, _ body: (inout MutableSpan<Element>) -> Void) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        let elements = unsafe UnsafeMutableBufferPointer(start: base + range.lowerBound, count: range.count)
        var span = unsafe MutableSpan(_unsafeElements: elements)
        body(&span)
    }

    /// Gives whole pages inside the elements `range` back to the system; they read as zero afterwards.
    package mutating func discard(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        let stride = MemoryLayout<Element>.stride
        let from = (range.lowerBound * stride + 4095) / 4096 * 4096
        let to = range.upperBound * stride / 4096 * 4096
        if to > from { unsafe madvise(UnsafeMutableRawPointer(base) + from, to - from, MADV_DONTNEED) }
    }

    /// Bytes of address room taken.
    package var capacityBytes: Int { mappedBytes }
}

/// Fetches a cache line; never faults.
@usableFromInline @inline(__always)
func prefetchLine(_ address: UnsafeRawPointer) { unsafe tg_prefetch(address) }
