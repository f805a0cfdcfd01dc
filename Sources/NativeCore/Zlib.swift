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

/// Expands gzip (RFC 1952, several members allowed) or zlib streams; one per worker, reused.
///
/// zlib keeps a pointer to the `z_stream`, so that lives on the heap and never moves. About 110 KB once used.
@safe package struct Inflater: ~Copyable {
    private static let scratchBytes = 64 << 10
    private let stream: UnsafeMutablePointer<z_stream>
    /// zlib writes here; from here whole pieces go to the output.
    private let scratch: UnsafeMutablePointer<UInt8>

    package init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        unsafe scratch = .allocate(capacity: Inflater.scratchBytes)
        // 15 + 32: gzip or zlib, told apart by the header.
        let code = unsafe tg_inflate_init(stream, 47)
        precondition(code == Z_OK, "zlib has no memory to start with")
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe scratch.deallocate()
        unsafe stream.deallocate()
    }

    /// The whole expanded content of `bytes`. Never produces more than `limit` bytes, whatever the input claims.
    package mutating func inflate(_ bytes: Span<UInt8>, limit: Int) throws(InflateError) -> [UInt8] {
        var output: [UInt8] = []
        var failure: InflateError? = nil
        unsafe bytes.withUnsafeBufferPointer { input in
            failure = unsafe run(input, limit: limit, into: &output)
        }
        if let failure { throw failure }
        return output
    }

    private func run(
        _ input: UnsafeBufferPointer<UInt8>, limit: Int, into output: inout [UInt8]
    ) -> InflateError? {
        guard let start = input.baseAddress, input.count > 0 else { return .truncated }
        unsafe inflateReset(stream)
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
                guard left >= 2, let next = unsafe stream.pointee.next_in, unsafe next[0] == 0x1f,
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

/// Compresses whole messages to gzip; one per worker, reused (about 270 KB).
@safe package struct Deflater: ~Copyable {
    private let stream: UnsafeMutablePointer<z_stream>

    /// `level` 1 ... 9. The default is the Collector's choice for speed: +8 % bytes against level 6 at 2.5 times its speed.
    package init(level: Int32 = 1) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let code = unsafe tg_deflate_init_gzip(stream, level)
        precondition(code == Z_OK, "zlib has no memory to start with")
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// One gzip member that holds `bytes`, with `prefixBytes` zero bytes left free in front for a message prefix.
    package mutating func gzip(_ bytes: Span<UInt8>, prefixBytes: Int = 0) -> [UInt8] {
        unsafe deflateReset(stream)
        let bound = unsafe Int(deflateBound(stream, UInt(bytes.count)))
        return unsafe [UInt8](unsafeUninitializedCapacity: bound + prefixBytes) { buffer, count in
            guard let target = buffer.baseAddress else { return }
            unsafe target.update(repeating: 0, count: prefixBytes)
            unsafe bytes.withUnsafeBufferPointer { input in
                unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                unsafe stream.pointee.avail_in = UInt32(truncatingIfNeeded: input.count)
                unsafe stream.pointee.next_out = target + prefixBytes
                unsafe stream.pointee.avail_out = UInt32(truncatingIfNeeded: bound)
                let code = unsafe deflate(stream, Z_FINISH)
                precondition(code == Z_STREAM_END, "deflateBound promised enough room")
                count = unsafe prefixBytes + bound - Int(stream.pointee.avail_out)
            }
        }
    }
}
