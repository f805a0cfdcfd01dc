/// An attribute to put on an instrumentation scope.
package struct ScopeAttribute: Sendable, Hashable {
    /// What it says.
    package enum Value: Sendable, Hashable {
        case text(String)
        case bool(Bool)
    }

    package let name: String
    package let value: Value

    package init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }

    /// The KeyValue message.
    fileprivate var message: [UInt8] {
        var any: [UInt8] = []
        switch value {
        case .text(let text): any.appendField(1, bytes: Array(text.utf8))
        case .bool(let flag):
            // Written out for `false` too: the member of a oneof is there by being written.
            any.append(0x10)
            any.append(flag ? 1 : 0)
        }
        var message: [UInt8] = []
        message.appendField(1, bytes: Array(name.utf8))
        message.appendField(2, bytes: any)
        return message
    }
}

/// Rewrites what a ScopeSpans says apart from its spans.
package enum ScopeHeader {
    /// The header with these attributes on its scope: in the place of any that bear their names, behind all others. A header
    /// without a scope gets one. All else stays byte for byte; a malformed header comes back as it is.
    ///
    /// - Parameter header: as in `GroupRecord.scopeRange`.
    /// - Complexity: O(n).
    package static func adding(_ attributes: [ScopeAttribute], to header: Span<UInt8>) -> [UInt8] {
        do throws(WalkError) {
            return try rewritten(attributes, header)
        } catch {
            return header.array(0..<header.count)
        }
    }

    private static func rewritten(
        _ attributes: [ScopeAttribute], _ header: Span<UInt8>
    ) throws(WalkError) -> [UInt8] {
        // Repeated occurrences of the scope merge, so one that holds the fields of all of them means the same.
        var scope: [UInt8] = []
        var rest: [UInt8] = []
        var offset = 0
        while offset < header.count {
            let tag = try Wire.tag(header, offset, header.count)
            if tag.value == 0x0a {
                let payload = try Wire.payload(header, tag.next, header.count)
                try copyFields(header, payload, without: attributes, to: &scope)
                offset = payload.upperBound
            } else {
                let next = try Wire.skip(tag: tag.value, header, tag.next, header.count)
                rest.append(copying: header.extracting(offset..<next))
                offset = next
            }
        }
        for attribute in attributes { scope.appendField(3, bytes: attribute.message) }
        var output: [UInt8] = []
        output.reserveCapacity(scope.count + rest.count + 6)
        output.appendField(1, bytes: scope)
        output += rest
        return output
    }

    /// The scope's fields, but for attributes of the given names.
    private static func copyFields(
        _ bytes: Span<UInt8>, _ range: Range<Int>, without attributes: [ScopeAttribute], to output: inout [UInt8]
    ) throws(WalkError) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let tag = try Wire.tag(bytes, offset, range.upperBound)
            let next: Int
            if tag.value == 0x1a {
                let payload = try Wire.payload(bytes, tag.next, range.upperBound)
                next = payload.upperBound
                let key = try key(of: payload, bytes)
                if attributes.contains(where: { key == Array($0.name.utf8) }) {
                    offset = next
                    continue
                }
            } else {
                next = try Wire.skip(tag: tag.value, bytes, tag.next, range.upperBound)
            }
            output.append(copying: bytes.extracting(offset..<next))
            offset = next
        }
    }

    private static func key(of keyValue: Range<Int>, _ bytes: Span<UInt8>) throws(WalkError) -> [UInt8] {
        var key = keyValue.lowerBound..<keyValue.lowerBound
        var reader = FieldReader(bytes, keyValue)
        while let field = try reader.next() { if field.tag == 0x0a { key = field.payload } }
        return bytes.array(key)
    }
}
