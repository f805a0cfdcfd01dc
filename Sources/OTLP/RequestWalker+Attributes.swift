/// Attributes of spans: the common forms in a few comparisons, everything else by the general rules.
extension RequestWalker {
    /// Checks one KeyValue and reports it if its key is wanted; `false` if it is nested too deep.
    @inline(__always)
    func walkAttribute(
        _ body: Span<UInt8>, _ start: Int, _ end: Int, hitStart: Int,
        into index: inout RequestIndex
    ) throws(WalkError) -> Bool {
        // key (0a), length, bytes, value (12), length, AnyValue: all lengths below 128.
        if end &- start >= 4 && body[start] == 0x0a {
            let keyLength = Int(body[start &+ 1])
            let keyStart = start &+ 2
            let keyEnd = keyStart &+ keyLength
            if keyLength < 0x80 && keyEnd &+ 2 <= end && body[keyEnd] == 0x12 {
                let valueStart = keyEnd &+ 2
                let valueLength = end &- valueStart
                if valueLength < 0x80 && Int(body[keyEnd &+ 1]) == valueLength {
                    if interest.span.mayHold(length: keyLength) {
                        if let name = interest.span.find(body, keyStart, keyEnd) {
                            try AttributeNames.report(
                                name, body, valueStart, end,
                                record: UInt32(truncatingIfNeeded: index.records.count),
                                hitStart: hitStart, into: &index.spanHits)
                        }
                    }
                    if isPlainValue(body, valueStart, end) || !checksNested { return true }
                    return try MessageSchema.anyValue.check(
                        body, valueStart, end, depth: MessageSchema.spanDepth + 2)
                }
            }
        }
        return try walkOddAttribute(body, start, end, hitStart: hitStart, into: &index)
    }

    /// Whether an AnyValue is one string, bool, int or double that fills it exactly.
    @inline(__always)
    private func isPlainValue(_ body: Span<UInt8>, _ start: Int, _ end: Int) -> Bool {
        let length = end &- start
        guard length >= 2 else { return length == 0 }
        let second = body[start &+ 1]
        switch body[start] {
        case 0x0a: return Int(second) == length &- 2
        case 0x18, 0x10:
            if second < 0x80 { return length == 2 }
            if length == 3 { return body[start &+ 2] < 0x80 }
            guard let read = try? Wire.longVarint(body, start &+ 1, end) else { return false }
            return read.next == end
        case 0x21: return length == 9
        default: return false
        }
    }

    /// A KeyValue in any legal form.
    @inline(never)
    private func walkOddAttribute(
        _ body: Span<UInt8>, _ start: Int, _ end: Int, hitStart: Int,
        into index: inout RequestIndex
    ) throws(WalkError) -> Bool {
        if !interest.span.isEmpty {
            try interest.span.match(
                body, start, end, record: UInt32(truncatingIfNeeded: index.records.count),
                hitStart: hitStart, into: &index.spanHits)
        }
        guard checksNested else { return true }
        return try MessageSchema.keyValue.check(
            body, start, end, depth: MessageSchema.spanDepth + 1)
    }
}

extension AttributeNames {
    /// Reports one KeyValue in any legal form if its key is wanted: the last key and the last member
    /// of the value's oneof count.
    @inline(never)
    func match(
        _ body: Span<UInt8>, _ start: Int, _ end: Int, record: UInt32, hitStart: Int,
        into hits: inout [AttributeHit]
    ) throws(WalkError) {
        var key = start..<start
        var value = AttributeValueRange(kind: .empty, range: ByteRange(start..<start))
        var offset = start
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x0a {
                key = try Wire.payload(body, tag.next, end)
                offset = key.upperBound
            } else if tag.value == 0x12 {
                let payload = try Wire.payload(body, tag.next, end)
                value = try AttributeValueRange.read(
                    body, payload.lowerBound, payload.upperBound, current: value)
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
        }
        if mayHold(length: key.count), let name = find(body, key.lowerBound, key.upperBound) {
            Self.report(name, value, record: record, hitStart: hitStart, into: &hits)
        }
    }

    /// Reports a wanted attribute whose AnyValue lies at `start..<end`.
    @inline(never)
    static func report(
        _ name: UInt16, _ body: Span<UInt8>, _ start: Int, _ end: Int, record: UInt32,
        hitStart: Int, into hits: inout [AttributeHit]
    ) throws(WalkError) {
        let value = try AttributeValueRange.read(
            body, start, end,
            current: AttributeValueRange(kind: .empty, range: ByteRange(start..<start)))
        report(name, value, record: record, hitStart: hitStart, into: &hits)
    }

    private static func report(
        _ name: UInt16, _ value: AttributeValueRange, record: UInt32, hitStart: Int,
        into hits: inout [AttributeHit]
    ) {
        // Of equal keys the first one counts. There are at most as many hits as names.
        var position = hitStart
        while position < hits.count {
            if hits[position].name == name { return }
            position += 1
        }
        hits.append(
            AttributeHit(
                record: record, valueOffset: value.range.start, valueLength: value.range.count,
                name: name, valueKind: value.kind))
    }
}
