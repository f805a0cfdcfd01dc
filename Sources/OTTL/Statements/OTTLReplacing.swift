internal import OTLP

/// Replacing what patterns match.
extension OTTLProgram {
    /// The text with every match replaced; nil if nothing matches.
    func replaced(
        _ text: [UInt8], _ replacement: OTTLReplacement, column: UInt16, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> [UInt8]? {
        let pattern = try matcher(replacement.pattern, isGlob: replacement.isMatch, column: column, &input)
        let value = try value(Int(replacement.text), &input)
        guard case .string(let replacementText) = value else {
            throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
        }
        let template = copy(replacementText, input)
        if replacement.isMatch {
            guard pattern.matches(text.span) else { return nil }
            return try transformed(template, replacement, column: column, &input)
        }
        guard pattern.matches(text.span) else { return nil }
        let names = pattern.groupNames
        var output: [UInt8] = []
        var copied = 0
        var start = 0
        var lastEnd = -1
        while start <= text.count, let groups = pattern.find(text.span, from: start), let match = groups.first ?? nil {
            if !match.isEmpty || match.lowerBound != lastEnd {
                output += text[copied..<match.lowerBound]
                let expanded = OTTLTemplate.expand(template, text, groups, names)
                output += try transformed(expanded, replacement, column: column, &input)
                copied = match.upperBound
                lastEnd = match.upperBound
                guard output.count <= OTTLLimits.maximumValueBytes else { throw OTTLEvaluationError(.tooLarge, column: column) }
            }
            start = match.upperBound
            guard match.isEmpty else { continue }
            start += 1
            while start < text.count && text[start] & 0xc0 == 0x80 { start += 1 }
        }
        guard lastEnd >= 0 else { return nil }
        output += text[copied...]
        return output
    }

    /// The replacement after its function and format.
    private func transformed(
        _ text: [UInt8], _ replacement: OTTLReplacement, column: UInt16, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> [UInt8] {
        guard replacement.function >= 0 else { return text }
        input.argument = text
        let value = try value(Int(replacement.function), &input)
        guard case .string(let made) = value else {
            throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
        }
        let result = copy(made, input)
        guard replacement.format >= 0 else { return result }
        let format = try self.value(Int(replacement.format), &input)
        guard case .string(let layout) = format else {
            throw OTTLEvaluationError(.unsupportedType, found: format.kind, column: column)
        }
        let bytes = copy(layout, input)
        guard let place = ByteSpans.firstRange(of: Array("%s".utf8).span, in: bytes.span) else {
            throw OTTLEvaluationError(.malformedInput, found: .string, column: column)
        }
        return Array(bytes[..<place]) + result + bytes[(place + 2)...]
    }

    /// A pattern that is not constant is compiled each time: costly, but what the Collector does.
    func matcher(
        _ source: OTTLPatternSource, isGlob: Bool = false, column: UInt16, _ input: inout OTTLSpanInput
    ) throws(OTTLEvaluationError) -> any RegularExpressionMatching {
        switch source {
        case .compiled(let pattern): return pattern
        case .dynamic(let node):
            let value = try value(Int(node), &input)
            guard case .string(let text) = value else {
                throw OTTLEvaluationError(.unsupportedType, found: value.kind, column: column)
            }
            guard let string = String(validating: copy(text, input), as: UTF8.self),
                let expression = isGlob ? OTTLGlob.expression(string) : string, let pattern = try? compilePattern(expression)
            else { throw OTTLEvaluationError(.malformedInput, found: .string, column: column) }
            return pattern
        }
    }
}

/// Replacements with `$1`, `${1}`, `$name`, `${name}` and `$$`, by the rules of Go's `regexp.Expand`.
enum OTTLTemplate {
    /// A name is as long as it can be: `$1x` is the group `1x`. What names no group that took part is empty.
    static func expand(_ template: [UInt8], _ text: [UInt8], _ groups: [Range<Int>?], _ names: [String]) -> [UInt8] {
        var output: [UInt8] = []
        var index = 0
        while index < template.count {
            guard template[index] == UInt8(ascii: "$") else {
                output.append(template[index])
                index += 1
                continue
            }
            if index + 1 < template.count, template[index + 1] == UInt8(ascii: "$") {
                output.append(UInt8(ascii: "$"))
                index += 2
                continue
            }
            guard let (name, next) = name(template, index + 1) else {
                output.append(UInt8(ascii: "$"))
                index += 1
                continue
            }
            index = next
            let number = name.first == UInt8(ascii: "0") && name.count > 1 ? nil : Int(String(decoding: name, as: UTF8.self))
            if let number {
                if number < groups.count, let range = groups[number] { output += text[range] }
            } else if let place = names.firstIndex(where: { Array($0.utf8) == name }), place + 1 < groups.count,
                let range = groups[place + 1]
            {
                output += text[range]
            }
        }
        return output
    }

    private static func name(_ template: [UInt8], _ start: Int) -> (name: [UInt8], next: Int)? {
        let hasBrace = start < template.count && template[start] == UInt8(ascii: "{")
        let first = hasBrace ? start + 1 : start
        var end = first
        while end < template.count, OTTLLexer.isLetter(template[end]) || OTTLLexer.isDigit(template[end])
            || template[end] == 0x5f
        {
            end += 1
        }
        guard end > first else { return nil }
        if hasBrace {
            guard end < template.count, template[end] == UInt8(ascii: "}") else { return nil }
            return (Array(template[first..<end]), end + 1)
        }
        return (Array(template[first..<end]), end)
    }
}
