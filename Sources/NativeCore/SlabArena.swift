internal import Glibc

/// A reservation of address room that is cut into slabs of one size, each filled by appending and emptied as a whole.
///
/// The buffer of spans is made of these: physical memory is used only by slabs that are in use or kept for reuse, and goes back
/// to the system with `discard`. Integers are stored in the machine's order, unaligned. Every access is checked against what the
/// slab holds, so a wrong location traps instead of reading foreign bytes. Owned by one worker.
///
/// Public for the reason that `PagedBuffer` is.
@safe public struct SlabArena: ~Copyable {
    @usableFromInline let base: UnsafeMutableRawPointer
    /// Bytes of one slab, a multiple of 2 MiB so that each can be a huge page.
    public let slabBytes: Int
    public let maximumSlabs: Int
    /// Bytes written, by slab.
    @usableFromInline var used: [UInt32] = []
    private let mapped: UnsafeMutableRawPointer
    private let mappedBytes: Int

    /// How far before the writing slab lines are fetched, in bytes: two or three spans.
    private static let writeAhead = 1024

    /// Reserves room for `maximumSlabs` slabs; nothing is used yet. Traps if the system refuses the address room.
    package init(slabBytes: Int, maximumSlabs: Int) {
        let unit = 2 << 20
        precondition(slabBytes % unit == 0 && slabBytes > 0 && slabBytes <= 1 << 30 && maximumSlabs > 0)
        self.slabBytes = slabBytes
        self.maximumSlabs = maximumSlabs
        mappedBytes = slabBytes * maximumSlabs + unit
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let start = unsafe mmap(nil, mappedBytes, PROT_READ | PROT_WRITE, flags, -1, 0),
            unsafe start != MAP_FAILED
        else { preconditionFailure("no address room for \(mappedBytes) bytes of span buffer") }
        unsafe mapped = start
        let address = Int(bitPattern: start)
        unsafe base = start + ((address + unit - 1) / unit * unit - address)
        unsafe madvise(base, slabBytes * maximumSlabs, MADV_HUGEPAGE)
    }

    deinit { unsafe munmap(mapped, mappedBytes) }

    /// Bytes written to a slab so far.
    @inlinable @inline(__always)
    public func usedBytes(of slab: Int) -> Int { slab < used.count ? Int(used[slab]) : 0 }

    @inlinable @inline(__always)
    public func room(in slab: Int) -> Int { slabBytes - usedBytes(of: slab) }

    /// Makes a slab empty; its memory stays for reuse.
    package mutating func clear(_ slab: Int) {
        precondition(slab >= 0 && slab < maximumSlabs)
        while used.count <= slab { used.append(0) }
        used[slab] = 0
    }

    /// Makes a slab empty and gives its memory back to the system.
    package mutating func discard(_ slab: Int) {
        clear(slab)
        unsafe madvise(base + slab * slabBytes, slabBytes, MADV_DONTNEED)
    }

    /// Appends two words and a run of bytes; the caller has seen that they fit. Returns the offset in the slab.
    package mutating func append(to slab: Int, _ first: UInt64, _ second: UInt64, _ bytes: Span<UInt8>) -> Int {
        let offset = Int(used[slab])
        let length = 16 + bytes.count
        precondition(slab < maximumSlabs && length <= slabBytes - offset)
        let target = unsafe base + (slab * slabBytes + offset)
        unsafe target.storeBytes(of: first, as: UInt64.self)
        unsafe target.storeBytes(of: second, toByteOffset: 8, as: UInt64.self)
        unsafe bytes.withUnsafeBufferPointer { source in
            if let start = source.baseAddress { unsafe memcpy(target + 16, start, source.count) }
        }
        // What is written next is far from the processor: the slab was last used a decision_wait ago.
        prefetch(slab, at: offset &+ length &+ Self.writeAhead, count: length)
        used[slab] = UInt32(truncatingIfNeeded: offset + length)
        return offset
    }

    /// The 8 bytes at an offset.
    @inlinable @inline(__always)
    public func word(_ slab: Int, at offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset <= usedBytes(of: slab) - 8)
        return unsafe UnsafeRawPointer(base + (slab * slabBytes + offset)).loadUnaligned(as: UInt64.self)
    }

    /// A view of written bytes.
    @_lifetime(borrow self) @inlinable @inline(__always)
    public func bytes(_ slab: Int, at offset: Int, count: Int) -> Span<UInt8> {
        let end = usedBytes(of: slab)
        precondition(offset >= 0 && count >= 0 && offset <= end && count <= end - offset)
        let start = unsafe UnsafePointer<UInt8>(
            OpaquePointer(base + (slab * slabBytes + offset)))
        let view = unsafe UnsafeBufferPointer(start: start, count: count).span
        return unsafe _overrideLifetime(view, borrowing: self)
    }

    /// Fetches the first line of a record ahead of its use. Any location is allowed.
    @inlinable @inline(__always)
    public func prefetch(_ slab: Int, at offset: Int) {
        guard slab >= 0 && slab < maximumSlabs && offset >= 0 && offset < slabBytes else { return }
        unsafe prefetchLine(base + (slab * slabBytes + offset))
    }

    /// Fetches `count` bytes ahead of their use, at most 512 of them: the processor sees by itself where more of the same are read.
    package func prefetch(_ slab: Int, at offset: Int, count: Int) {
        var offset = offset
        let end = offset &+ min(count, 512)
        while offset < end {
            prefetch(slab, at: offset)
            offset &+= 64
        }
    }
}
