internal import ConfigTree

/// Times and durations.
extension OTTLProgram {
    func callTimes(
        _ function: OTTLFunctionID, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        switch function {
        case .now: return .time(OTTLTime(unixNano: input.now))
        case .duration:
            let text = try bytesArgument(0, node, &input)
            guard let duration = try? GoDuration.parse(String(decoding: text, as: UTF8.self)) else {
                throw OTTLEvaluationError(.malformedInput, found: .string, column: node.column)
            }
            return .duration(duration)
        case .unix:
            let seconds = try integerArgument(0, node, &input)
            let nanoseconds = has(1, node) ? try integerArgument(1, node, &input) : 0
            return .time(OTTLTime(nanoseconds: Int128(seconds) * 1_000_000_000 + Int128(nanoseconds)))
        case .time:
            let text = try bytesArgument(0, node, &input)
            let layout = try bytesArgument(1, node, &input)
            guard let time = OTTLTimeLayout.parse(text, layout) else {
                throw OTTLEvaluationError(.malformedInput, found: .string, column: node.column)
            }
            return .time(time)
        case .hours, .minutes, .seconds, .milliseconds, .microseconds, .nanoseconds:
            let value = try argument(0, node, &input)
            guard case .duration(let duration) = value else {
                throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
            }
            return Self.part(function, of: duration)
        default:
            let value = try argument(0, node, &input)
            guard case .time(let time) = value else {
                throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
            }
            return try callWithTime(function, time, node, &input)
        }
    }

    private func callWithTime(
        _ function: OTTLFunctionID, _ time: OTTLTime, _ node: OTTLNode, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> OTTLValue {
        switch function {
        case .unixNano: return .int(time.unixNano)
        case .unixMicro: return .int(Int64(truncatingIfNeeded: Self.floor(time.total, 1_000)))
        case .unixMilli: return .int(Int64(truncatingIfNeeded: Self.floor(time.total, 1_000_000)))
        case .unixSeconds: return .int(time.seconds)
        case .formatTime: return .text(OTTLTimeLayout.format(time, try bytesArgument(1, node, &input)))
        case .truncateTime:
            let value = try argument(1, node, &input)
            guard case .duration(let duration) = value else {
                throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: node.column)
            }
            // As in Go: down to a multiple since the zero time; nothing for a duration that is not positive.
            guard duration > 0 else { return .time(time) }
            let elapsed = time.total - OTTLCalendar.zero.total
            let rest = elapsed - Self.floor(elapsed, Int128(duration)) * Int128(duration)
            return .time(OTTLTime(nanoseconds: time.total - rest))
        default: break
        }
        let fields = OTTLCalendar.fields(time)
        switch function {
        case .year: return .int(fields.year)
        case .month: return .int(fields.month)
        case .day: return .int(fields.day)
        case .weekday: return .int(fields.weekday)
        case .hour: return .int(fields.hour)
        case .minute: return .int(fields.minute)
        case .second: return .int(fields.second)
        case .nanosecond: return .int(fields.nanosecond)
        default: return .null
        }
    }

    private static func floor(_ value: Int128, _ divisor: Int128) -> Int128 {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? quotient - 1 : quotient
    }

    /// Hours, minutes and seconds with their fraction; the smaller units as whole numbers.
    private static func part(_ function: OTTLFunctionID, of duration: Int64) -> OTTLValue {
        func fraction(_ unit: Int64) -> OTTLValue {
            .double(Double(duration / unit) + Double(duration % unit) / Double(unit))
        }
        switch function {
        case .hours: return fraction(3_600_000_000_000)
        case .minutes: return fraction(60_000_000_000)
        case .seconds: return fraction(1_000_000_000)
        case .milliseconds: return .int(duration / 1_000_000)
        case .microseconds: return .int(duration / 1_000)
        default: return .int(duration)
        }
    }
}
