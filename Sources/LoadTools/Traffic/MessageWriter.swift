/// Appends protobuf fields to a byte array. Used once per template, never while sending.
struct MessageWriter {
    private(set) var bytes: [UInt8] = []

    var count: Int { bytes.count }

    mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func tag(_ field: Int, wireType: UInt8) {
        varint(UInt64(field) << 3 | UInt64(wireType))
    }

    mutating func integer(_ field: Int, _ value: UInt64) {
        tag(field, wireType: 0)
        varint(value)
    }

    mutating func fixed64(_ field: Int, _ value: UInt64) {
        tag(field, wireType: 1)
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func fixed32(_ field: Int, _ value: UInt32) {
        tag(field, wireType: 5)
        for shift in stride(from: UInt32(0), to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func data(_ field: Int, _ content: [UInt8]) {
        tag(field, wireType: 2)
        varint(UInt64(content.count))
        bytes += content
    }

    mutating func text(_ field: Int, _ content: String) {
        tag(field, wireType: 2)
        varint(UInt64(content.utf8.count))
        bytes += content.utf8
    }

    mutating func message(_ field: Int, _ fill: (inout MessageWriter) -> Void) {
        var inner = MessageWriter()
        fill(&inner)
        data(field, inner.bytes)
    }

    /// A KeyValue as a length-delimited field.
    mutating func attribute(_ field: Int, _ attribute: Attribute) {
        message(field) { pair in
            pair.text(1, attribute.key)
            pair.message(2) { value in
                switch attribute.value {
                case .text(let text): value.text(1, text)
                case .integer(let number): value.integer(3, UInt64(bitPattern: number))
                }
            }
        }
    }

    /// How many bytes a varint takes.
    static func varintLength(_ value: Int) -> Int {
        value < 0x80 ? 1 : 1 + varintLength(value >> 7)
    }
}

/// An attribute of generated traffic.
struct Attribute {
    enum Value {
        case text(String)
        case integer(Int64)
    }

    var key: String
    var value: Value

    init(_ key: String, _ text: String) {
        self.key = key
        value = .text(text)
    }

    init(_ key: String, _ number: Int) {
        self.key = key
        value = .integer(Int64(number))
    }
}
