internal import ConfigTree
internal import OTLP

extension PolicySet {
    /// A hash of what the set is made of: 16 hex digits, the same for the same policies in the same order, wherever they were
    /// read from and however they were laid out.
    package var contentHash: String {
        var text: [UInt8] = stopsAtFirstMatch ? [1] : []
        for node in nodes { node.appendCanonical(to: &text) }
        let hash = hashBytes(text.span, key: HashKeys(0x706f_6c69_6379, 1))
        return String(hash, radix: 16).leftPadded(to: 16)
    }
}

extension ConfigNode {
    /// A form in which equal trees are equal bytes and different ones are not: map entries sorted by key, lengths before texts.
    fileprivate func appendCanonical(to bytes: inout [UInt8]) {
        func append(_ tag: UInt8, _ text: String) {
            bytes.append(tag)
            bytes += Array("\(text.utf8.count):".utf8)
            bytes += Array(text.utf8)
        }
        switch value {
        case .null: bytes.append(UInt8(ascii: "n"))
        case .scalar(let scalar):
            switch scalar.meaning {
            case .text: append(UInt8(ascii: "t"), scalar.text)
            case .boolean(let value): append(UInt8(ascii: "b"), "\(value)")
            case .integer(let value): append(UInt8(ascii: "i"), "\(value)")
            case .number(let value): append(UInt8(ascii: "f"), "\(value)")
            case .null: bytes.append(UInt8(ascii: "n"))
            }
        case .list(let items):
            append(UInt8(ascii: "l"), "\(items.count)")
            for item in items { item.appendCanonical(to: &bytes) }
        case .map(let entries):
            append(UInt8(ascii: "m"), "\(entries.count)")
            for entry in entries.sorted(by: { $0.key < $1.key }) {
                append(UInt8(ascii: "k"), entry.key)
                entry.value.appendCanonical(to: &bytes)
            }
        }
    }
}

extension String {
    fileprivate func leftPadded(to length: Int) -> String {
        String(repeating: "0", count: max(0, length - count)) + self
    }
}
