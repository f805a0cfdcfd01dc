internal import CShims

/// A block of HTTP/2 header fields: all names and values in one byte array, with an index beside it.
///
/// Order and repetitions are kept. Names are lower-case, as HTTP/2 demands. Used for received and for sent fields.
/// The receiver bounds its size (`HTTP2Settings.maximumHeaderBytes`).
package struct HTTP2Headers: Sendable {
    /// Where one field's name and value stand in `storage`.
    private struct Entry: Sendable {
        var start: Int32
        var nameLength: Int32
        var valueLength: Int32
        /// Never put into a compression table, as its size could then tell what it is (RFC 7541 §7.1.3).
        var isSecret = false
    }

    private var storage: [UInt8] = []
    private var entries: [Entry] = []

    package init() {}

    /// A block of ASCII fields, for fields known when the program was written.
    package init(_ fields: KeyValuePairs<StaticString, StaticString>) {
        for (name, value) in fields {
            append(name: name.description.utf8, value: value.description.utf8)
        }
    }

    package var count: Int { entries.count }

    /// Bytes as RFC 9113 §10.5.1 counts them: name, value and 32 for every field.
    package var accountedBytes: Int { storage.count + 32 * entries.count }

    package mutating func append(
        name: some Collection<UInt8>, value: some Collection<UInt8>
    ) {
        let start = Int32(truncatingIfNeeded: storage.count)
        storage.append(contentsOf: name)
        storage.append(contentsOf: value)
        entries.append(
            Entry(
                start: start, nameLength: Int32(truncatingIfNeeded: name.count),
                valueLength: Int32(truncatingIfNeeded: value.count)))
    }

    /// Appends an ASCII field. With `isSecret` no hop stores its value in a compression table.
    package mutating func append(_ name: String, _ value: String, isSecret: Bool = false) {
        append(name: name.utf8, value: value.utf8)
        entries[entries.count - 1].isSecret = isSecret
    }

    /// Appends an ASCII field whose value was made as bytes. Not generic, so that it is compiled for just this.
    package mutating func append(_ name: StaticString, bytes value: [UInt8]) {
        unsafe append(name: UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), value: value)
    }

    package func name(at index: Int) -> ArraySlice<UInt8> {
        let entry = entries[index]
        return storage[Int(entry.start)..<Int(entry.start + entry.nameLength)]
    }

    package func value(at index: Int) -> ArraySlice<UInt8> {
        let entry = entries[index]
        let start = Int(entry.start + entry.nameLength)
        return storage[start..<start + Int(entry.valueLength)]
    }

    /// The first value of the field `name` (lower-case), or nil. Linear in the number of fields, which is small.
    package func first(_ name: StaticString) -> ArraySlice<UInt8>? {
        for index in entries.indices {
            let entry = entries[index]
            if equals(Int(entry.start), Int(entry.nameLength), name) { return value(at: index) }
        }
        return nil
    }

    /// Without text in between: every request is asked for a dozen fields.
    private func equals(_ start: Int, _ length: Int, _ text: StaticString) -> Bool {
        guard length == text.utf8CodeUnitCount else { return false }
        return unsafe storage.withUnsafeBufferPointer { bytes in
            let found = unsafe UnsafeBufferPointer(rebasing: bytes[start..<start + length])
            return unsafe found.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: length))
        }
    }

    /// The same for a name that the configuration chose.
    package func first(named name: String) -> ArraySlice<UInt8>? {
        let wanted = name.utf8.count
        for index in entries.indices where Int(entries[index].nameLength) == wanted {
            if self.name(at: index).elementsEqual(name.utf8) { return value(at: index) }
        }
        return nil
    }

    /// Whether the field `name` is there with exactly this value.
    package func has(_ name: StaticString, _ value: StaticString) -> Bool {
        guard let found = first(name) else { return false }
        return equals(found.startIndex, found.count, value)
    }

    /// Calls `body` with what nghttp2's submit functions take; the pointers are valid during the call only.
    func withNameValues<Result>(
        _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Result
    ) -> Result {
        unsafe storage.withUnsafeBufferPointer { bytes in
            var pairs: [nghttp2_nv] = unsafe []
            unsafe pairs.reserveCapacity(entries.count)
            // nghttp2 only reads through these pointers, but its C type is not const.
            let base = unsafe UnsafeMutablePointer(mutating: bytes.baseAddress)
            for entry in entries {
                let name = unsafe base.map { unsafe $0 + Int(entry.start) }
                let value = unsafe name.map { unsafe $0 + Int(entry.nameLength) }
                unsafe pairs.append(
                    nghttp2_nv(
                        name: name, value: value, namelen: Int(entry.nameLength),
                        valuelen: Int(entry.valueLength),
                        flags: UInt8((entry.isSecret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE).rawValue)))
            }
            return unsafe pairs.withUnsafeBufferPointer { unsafe body($0.baseAddress, $0.count) }
        }
    }

    /// Appends a field that nghttp2 hands to a callback.
    mutating func appendRaw(
        name: UnsafePointer<UInt8>, nameLength: Int, value: UnsafePointer<UInt8>, valueLength: Int
    ) {
        unsafe append(
            name: UnsafeBufferPointer(start: name, count: nameLength),
            value: UnsafeBufferPointer(start: value, count: valueLength))
    }
}

