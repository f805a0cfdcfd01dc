internal import CShims

/// Why compressed bytes could not be expanded.
package enum InflateError: Error, Sendable, Equatable {
    /// Not gzip, damaged, or followed by bytes that are no further gzip member.
    case corrupt
    /// The stream ends before its end mark.
    case truncated
    /// More than the allowed number of bytes would come out.
    case tooLarge
}

/// How compressed bytes are wrapped.
package enum DeflateWrapping: Sendable {
    /// RFC 1952.
    case gzip
    /// RFC 1950, or without any wrapping (RFC 1951): what comes as HTTP's `deflate`, told apart by the first two bytes.
    case deflate
}

/// Expands gzip (several members allowed), zlib or raw deflate streams; one per worker, reused.
///
/// zlib keeps a pointer to the `z_stream`, so that lives on the heap and never moves. About 110 KB once used.
@safe package struct Inflater: ~Copyable {
    private static let scratchBytes = 64 << 10
    /// zlib's code for a wrapping, with the largest window: 15 for zlib's own, 16 more for gzip's, negative for none.
    private static let gzipWindowBits: Int32 = 15 + 16
    private let stream: UnsafeMutablePointer<z_stream>
    /// zlib writes here; from here whole pieces go to the output.
    private let scratch: UnsafeMutablePointer<UInt8>

    package init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe scratch = .allocate(capacity: Inflater.scratchBytes)
        let code = unsafe tg_inflate_init(stream, Inflater.gzipWindowBits)
        precondition(code == Z_OK, "zlib has no memory to start with")
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe scratch.deallocate()
        unsafe stream.deallocate()
    }

    /// The whole expanded content of `bytes`. Never produces more than `limit` bytes, whatever the input claims.
    package mutating func inflate(
        _ bytes: Span<UInt8>, as wrapping: DeflateWrapping = .gzip, limit: Int
    ) throws(InflateError) -> [UInt8] {
        var windowBits = Inflater.gzipWindowBits
        if wrapping == .deflate { windowBits = Inflater.isZlib(bytes) ? 15 : -15 }
        unsafe inflateReset2(stream, windowBits)
        var output: [UInt8] = []
        var failure: InflateError? = nil
        unsafe bytes.withUnsafeBufferPointer { input in
            failure = unsafe run(input, isGzip: wrapping == .gzip, limit: limit, into: &output)
        }
        if let failure { throw failure }
        return output
    }

    /// RFC 1950 §2.2: method 8, and a check sum over both bytes. A raw stream would have to begin with a stored block whose padding
    /// is not zero to look the same, which no encoder writes.
    private static func isZlib(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count >= 2 else { return false }
        return bytes[0] & 0x0f == 8 && (Int(bytes[0]) << 8 | Int(bytes[1])) % 31 == 0
    }

    private func run(
        _ input: UnsafeBufferPointer<UInt8>, isGzip: Bool, limit: Int, into output: inout [UInt8]
    ) -> InflateError? {
        guard let start = input.baseAddress, input.count > 0 else { return .truncated }
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: start)
        unsafe stream.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
        output.reserveCapacity(min(limit, input.count * 4))
        while true {
            unsafe stream.pointee.next_out = scratch
            unsafe stream.pointee.avail_out = UInt32(Inflater.scratchBytes)
            let code = unsafe CShims.inflate(stream, Z_NO_FLUSH)
            let produced = unsafe Inflater.scratchBytes - Int(stream.pointee.avail_out)
            if output.count + produced > limit { return .tooLarge }
            unsafe output.append(contentsOf: UnsafeBufferPointer(start: scratch, count: produced))
            let left = unsafe stream.pointee.avail_in
            switch code {
            case Z_STREAM_END:
                if left == 0 { return nil }
                // RFC 1952 §2.2: another member may follow; anything else is not gzip.
                guard isGzip, left >= 2, let next = unsafe stream.pointee.next_in, unsafe next[0] == 0x1f,
                    unsafe next[1] == 0x8b
                else { return .corrupt }
                unsafe inflateReset(stream)
            case Z_OK, Z_BUF_ERROR:
                if left == 0 && produced < Inflater.scratchBytes { return .truncated }
            default:
                return .corrupt
            }
        }
    }
}

/// Expands a gzip stream piece by piece (RFC 1952, several members allowed): for files of any size.
@safe package struct StreamInflater: ~Copyable {
    private static let scratchBytes = 256 << 10
    private let stream: UnsafeMutablePointer<z_stream>
    private let scratch: UnsafeMutablePointer<UInt8>
    /// Whether what was taken so far is whole members and nothing more.
    package private(set) var isAtMemberEnd = true

    package init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe scratch = .allocate(capacity: StreamInflater.scratchBytes)
        let code = unsafe tg_inflate_init(stream, 31)
        precondition(code == Z_OK, "zlib has no memory to start with")
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe scratch.deallocate()
        unsafe stream.deallocate()
    }

    /// Appends what the next piece of the stream expands to: at most about 1,032 times its size.
    package mutating func inflate(_ bytes: Span<UInt8>, into output: inout [UInt8]) throws(InflateError) {
        var isCorrupt = false
        unsafe bytes.withUnsafeBufferPointer { input in
            guard let start = input.baseAddress, input.count > 0 else { return }
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: start)
            unsafe stream.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
            while true {
                if isAtMemberEnd {
                    guard unsafe stream.pointee.avail_in > 0 else { return }
                    unsafe inflateReset(stream)
                    isAtMemberEnd = false
                }
                unsafe stream.pointee.next_out = scratch
                unsafe stream.pointee.avail_out = UInt32(StreamInflater.scratchBytes)
                let code = unsafe CShims.inflate(stream, Z_NO_FLUSH)
                let produced = unsafe StreamInflater.scratchBytes - Int(stream.pointee.avail_out)
                unsafe output.append(contentsOf: UnsafeBufferPointer(start: scratch, count: produced))
                switch code {
                case Z_STREAM_END: isAtMemberEnd = true
                case Z_OK, Z_BUF_ERROR:
                    if unsafe stream.pointee.avail_in == 0 && produced < StreamInflater.scratchBytes { return }
                default:
                    isCorrupt = true
                    return
                }
            }
        }
        if isCorrupt { throw .corrupt }
    }
}

/// Compresses whole messages to gzip; one per thread, reused (about 340 KB).
@safe package struct Deflater: ~Copyable {
    private static let scratchBytes = 64 << 10
    private let stream: UnsafeMutablePointer<z_stream>
    /// zlib writes here; from here whole pieces go to the output.
    private let scratch: UnsafeMutablePointer<UInt8>

    /// `level` 1 ... 9. The default is the Collector's choice for speed: +8 % bytes against level 6 at 2.5 times its speed.
    package init(level: Int32 = 1) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe scratch = .allocate(capacity: Deflater.scratchBytes)
        let code = unsafe tg_deflate_init_gzip(stream, level)
        precondition(code == Z_OK, "zlib has no memory to start with")
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe scratch.deallocate()
        unsafe stream.deallocate()
    }

    /// One gzip member that holds `bytes`, with `prefixBytes` zero bytes left free in front for a message prefix. The array has
    /// no more room than it needs; while it grows, twice that is held.
    package mutating func gzip(_ bytes: Span<UInt8>, prefixBytes: Int = 0) -> [UInt8] {
        unsafe deflateReset(stream)
        var output: [UInt8] = []
        // What fits into the scratch is known to the byte before the output is allocated.
        unsafe bytes.withUnsafeBufferPointer { input in
            unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            unsafe stream.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
            while true {
                unsafe stream.pointee.next_out = scratch
                unsafe stream.pointee.avail_out = UInt32(Deflater.scratchBytes)
                let code = unsafe deflate(stream, Z_FINISH)
                precondition(code == Z_STREAM_END || code == Z_OK, "zlib writes as long as there is room")
                let produced = unsafe Deflater.scratchBytes - Int(stream.pointee.avail_out)
                if output.isEmpty {
                    output.reserveCapacity(prefixBytes + produced)
                    output.append(contentsOf: repeatElement(0, count: prefixBytes))
                }
                unsafe output.append(contentsOf: UnsafeBufferPointer(start: scratch, count: produced))
                if code == Z_STREAM_END { return }
            }
        }
        guard output.capacity > output.count + output.count / 4 + 4096 else { return output }
        var exact: [UInt8] = []
        exact.reserveCapacity(output.count)
        exact.append(contentsOf: output)
        return exact
    }
}
