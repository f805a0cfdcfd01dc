/// gRPC's message framing: one flag byte, four length bytes (big-endian), payload.
///
/// Source: grpc/doc/PROTOCOL-HTTP2.md.
package enum GRPCFraming {
    /// The length of the prefix before each message, in bytes.
    package static let prefixLength = 5

    /// Appends the prefix of a message of `length` bytes, which must be below 2^32.
    package static func appendPrefix(
        length: Int, isCompressed: Bool, to output: inout [UInt8]
    ) {
        let word = UInt32(truncatingIfNeeded: length)
        output.append(isCompressed ? 1 : 0)
        output.append(UInt8(truncatingIfNeeded: word >> 24))
        output.append(UInt8(truncatingIfNeeded: word >> 16))
        output.append(UInt8(truncatingIfNeeded: word >> 8))
        output.append(UInt8(truncatingIfNeeded: word))
    }
}

/// Takes a stream's DATA bytes apart into messages, wherever the chunks are cut: pure, holds no bytes.
///
/// Call `next` until it returns `nil`, then feed the next chunk. At the end of the stream
/// `isBetweenMessages` tells whether the last message was complete.
package struct GRPCMessageDeframer: Sendable {
    /// What comes next in a chunk.
    package enum Event: Equatable, Sendable {
        /// A prefix is complete: a message of this length follows.
        case begin(length: Int, isCompressed: Bool)
        /// A piece of the message, as a range of the chunk; never empty.
        case payload(Range<Int>)
        /// The message is complete.
        case end
    }

    /// Why a stream can't be read on.
    ///
    /// The deframer must not be used after it.
    package enum Failure: Error, Equatable, Sendable {
        /// The declared length is above the limit: RESOURCE_EXHAUSTED.
        case messageTooLarge(declared: Int)
        /// The flag byte is neither 0 nor 1: INTERNAL.
        case badFlag(UInt8)
    }

    private enum State: Sendable {
        case prefix(read: Int, flag: UInt8, length: UInt32)
        case payload(remaining: Int)
    }

    private static let start = State.prefix(read: 0, flag: 0, length: 0)
    private let maximumLength: Int
    private var state = Self.start

    /// Creates a deframer that refuses messages above `maximumLength` bytes as soon as it has read
    /// their prefix.
    package init(maximumLength: Int) { self.maximumLength = maximumLength }

    /// Whether no message is begun.
    package var isBetweenMessages: Bool {
        if case .prefix(read: 0, _, _) = state { true } else { false }
    }

    /// The next event in `chunk` from `offset`, which moves behind what was used; `nil` where the
    /// chunk is used up.
    package mutating func next(
        _ chunk: Span<UInt8>, from offset: inout Int
    ) throws(Failure) -> Event? {
        switch state {
        case .prefix(var read, var flag, var length):
            while read < GRPCFraming.prefixLength {
                guard offset < chunk.count else {
                    state = .prefix(read: read, flag: flag, length: length)
                    return nil
                }
                let byte = chunk[offset]
                offset += 1
                if read == 0 {
                    guard byte <= 1 else { throw .badFlag(byte) }
                    flag = byte
                } else {
                    length = length << 8 | UInt32(byte)
                }
                read += 1
            }
            guard Int(length) <= maximumLength else {
                throw .messageTooLarge(declared: Int(length))
            }
            state = .payload(remaining: Int(length))
            return .begin(length: Int(length), isCompressed: flag == 1)
        case .payload(remaining: 0):
            state = Self.start
            return .end
        case .payload(let remaining):
            guard offset < chunk.count else { return nil }
            let piece = offset..<(offset + min(remaining, chunk.count - offset))
            state = .payload(remaining: remaining - piece.count)
            offset = piece.upperBound
            return .payload(piece)
        }
    }
}
