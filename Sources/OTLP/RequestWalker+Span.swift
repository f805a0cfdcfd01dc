/// The Span message: the innermost loop of the gateway.
extension RequestWalker {
    /// Walks one span and appends its record, or counts why it was left out.
    @inline(__always)
    func walkSpan(
        _ body: Span<UInt8>, _ start: Int, _ end: Int, group: UInt32,
        into index: inout RequestIndex
    ) throws(WalkError) {
        var traceID = TraceID(high: 0, low: 0)
        var traceIDLength = 0
        var spanID: UInt64 = 0
        var spanIDLength = 0
        var startTime: UInt64 = 0
        var endTime: UInt64 = 0
        var statusCode: UInt64 = 0
        var traceFlags: UInt64 = 0
        var parentID: UInt64 = 0
        var rejection: SpanRejection?
        let hitStart = index.spanHits.count
        let looksInside = checksNested || !interest.span.isEmpty
        var offset = start
        while offset < end {
            var tag = UInt64(body[offset])
            var next = offset &+ 1
            if tag == 0x85 && next < end && body[next] == 1 {
                // `flags`, the one field with a tag of two bytes: 85 01 is 0x85.
                next &+= 1
            } else if tag >= 0x80 || tag < 8 {
                let read = try Wire.tag(body, offset, end)
                tag = read.value
                next = read.next
            }
            switch tag {
            case 0x4a:  // attributes
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                guard looksInside else { continue }
                let fits = try walkAttribute(
                    body, payload.lowerBound, offset, hitStart: hitStart, into: &index)
                if !fits { rejection = .nestingTooDeep }
            case 0x0a:  // trace_id
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                traceIDLength = payload.count
                if traceIDLength == 16 {
                    traceID.high = Wire.loadBig64(body, payload.lowerBound)
                    traceID.low = Wire.loadBig64(body, payload.lowerBound &+ 8)
                }
            case 0x12:  // span_id
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                spanIDLength = payload.count
                if spanIDLength == 8 { spanID = Wire.loadLittle64(body, payload.lowerBound) }
            case 0x22:  // parent_span_id
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                switch payload.count {
                case 8: parentID = Wire.loadLittle64(body, payload.lowerBound)
                case 0: parentID = 0
                default: rejection = rejection ?? .parentSpanIDLength
                }
            case 0x1a, 0x2a:  // trace_state, name
                offset = try Wire.payload(body, next, end).upperBound
            case 0x30, 0x50, 0x60, 0x70:  // kind, dropped_..._count
                offset = try Wire.varint(body, next, end).next
            case 0x39:  // start_time_unix_nano
                offset = try Wire.fixed(8, next, end)
                startTime = Wire.loadLittle64(body, next)
            case 0x41:  // end_time_unix_nano
                offset = try Wire.fixed(8, next, end)
                endTime = Wire.loadLittle64(body, next)
            case 0x7a:  // status
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                statusCode = try walkStatus(
                    body, payload.lowerBound, offset, current: statusCode)
            case 0x85:  // flags
                offset = try Wire.fixed(4, next, end)
                traceFlags = UInt64(Wire.loadLittle32(body, next))
            case 0x5a:  // events
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                guard checksNested else { continue }
                let fits = try MessageSchema.event.check(
                    body, payload.lowerBound, offset, depth: MessageSchema.spanDepth + 1)
                if !fits { rejection = .nestingTooDeep }
            case 0x6a:  // links
                let payload = try Wire.payload(body, next, end)
                offset = payload.upperBound
                if let reason = try walkLink(body, payload.lowerBound, offset) {
                    rejection = reason
                }
            default:
                offset = try Wire.skip(tag: tag, body, next, end)
            }
        }

        if traceIDLength != 16 {
            rejection = .traceIDLength
        } else if traceID.isZero {
            rejection = .traceIDZero
        } else if spanIDLength != 8 {
            rejection = .spanIDLength
        } else if spanID == 0 {
            rejection = .spanIDZero
        }
        guard index.records.count < maximumSpans else {
            throw WalkError(.tooManySpans, at: start)
        }
        if let rejection {
            index.rejected.add(rejection)
            index.spanHits.removeLast(index.spanHits.count - hitStart)
            return
        }
        // A code that OTLP doesn't know counts as UNSET.
        var flags = SpanFlags(
            rawValue: statusCode <= 2 ? UInt32(truncatingIfNeeded: statusCode) : 0)
        if parentID == 0 { flags.insert(.isRoot) }
        if traceFlags & 1 != 0 { flags.insert(.w3cSampled) }
        // start <= end <= body.count <= UInt32.max
        index.spanBytes &+= end &- start
        if end &- start > index.largestSpan { index.largestSpan = end &- start }
        index.records.append(
            SpanRecord(
                traceID: traceID, hash: keys.hash(traceID), startTimeUnixNano: startTime,
                endTimeUnixNano: endTime, offset: UInt32(truncatingIfNeeded: start),
                length: UInt32(truncatingIfNeeded: end &- start), group: group, flags: flags))
    }

    /// Status: the code, or `current` where the message has none (repeated messages merge).
    @inline(__always)
    func walkStatus(
        _ body: Span<UInt8>, _ start: Int, _ end: Int, current: UInt64
    ) throws(WalkError) -> UInt64 {
        // `{}` and `{code}` are what nearly every span has.
        if start == end { return current }
        if end &- start == 2 && body[start] == 0x18 && body[start &+ 1] < 0x80 {
            return UInt64(body[start &+ 1])
        }
        return try walkLongStatus(body, start, end, current: current)
    }

    @inline(never)
    private func walkLongStatus(
        _ body: Span<UInt8>, _ start: Int, _ end: Int, current: UInt64
    ) throws(WalkError) -> UInt64 {
        var code = current
        var offset = start
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x18 {
                let read = try Wire.varint(body, tag.next, end)
                code = read.value
                offset = read.next
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
        }
        return code
    }

    /// Link: lengths of identifiers, and the attributes if nested messages are checked.
    @inline(never)
    private func walkLink(
        _ body: Span<UInt8>, _ start: Int, _ end: Int
    ) throws(WalkError) -> SpanRejection? {
        var traceIDLength = 0
        var spanIDLength = 0
        var offset = start
        while offset < end {
            let tag = try Wire.tag(body, offset, end)
            if tag.value == 0x0a || tag.value == 0x12 {
                let payload = try Wire.payload(body, tag.next, end)
                if tag.value == 0x0a {
                    traceIDLength = payload.count
                } else {
                    spanIDLength = payload.count
                }
                offset = payload.upperBound
            } else {
                offset = try Wire.skip(tag: tag.value, body, tag.next, end)
            }
        }
        if checksNested {
            let fits = try MessageSchema.link.check(
                body, start, end, depth: MessageSchema.spanDepth + 1)
            if !fits { return .nestingTooDeep }
        }
        // Empty identifiers are legal protobuf and every backend takes them.
        guard traceIDLength == 16 || traceIDLength == 0, spanIDLength == 8 || spanIDLength == 0
        else { return .linkIDLength }
        return nil
    }
}
