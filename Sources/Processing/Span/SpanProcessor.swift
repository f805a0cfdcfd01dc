package import ConfigTree
internal import NativeCore
internal import OTLP

/// `span`: makes names of attributes and attributes of names, and sets the status.
package struct SpanProcessor: ProcessorType {
    package static let typeNames = ["span"]

    package static var schema: ProcessorSchema {
        ProcessorSchema(
            "Renames spans by their attributes, takes attributes out of names, and sets the status.", stability: .alpha,
            fields: [
                ProcessorField(
                    "name",
                    .map([
                        ProcessorField(
                            "from_attributes", .textList,
                            "The new name is made of these attributes; if one is missing, the name stays."),
                        ProcessorField("separator", .text, default: "\"\"", "Stands between the attributes."),
                        ProcessorField(
                            "to_attributes",
                            .map([
                                ProcessorField(
                                    "rules", .textList,
                                    "Regular expressions: each named group becomes an attribute, and `{name}` stands in the name instead.",
                                    isRequired: true),
                                ProcessorField(
                                    "break_after_match", .boolean, default: "false",
                                    "Whether the first rule that matches is the last."),
                                ProcessorField(
                                    "keep_original_name", .boolean, default: "false", "Whether the name stays as it was."),
                            ]), "Takes attributes out of the name; done after `from_attributes`."),
                    ]), "How the name changes."),
                ProcessorField(
                    "status",
                    .map([
                        ProcessorField(
                            "code", .text, "The new status.", isRequired: true, allowed: StatusCode.allCases.map(\.rawValue)),
                        ProcessorField("description", .text, "Its text; only with `code: Error`."),
                    ]), "The status that spans get."),
                SpanMatcher.field("include", "Only spans that match are edited."),
                SpanMatcher.field("exclude", "Spans that match are left alone; asked after `include`."),
            ])
    }

    fileprivate enum StatusCode: String, CaseIterable {
        case unset = "Unset"
        case ok = "Ok"
        case error = "Error"
    }

    private let stage: SpanRenameStage

    package init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        let matcher = SpanMatcher(&block, &builder)
        var sources: [AttributeName] = []
        var separator: [UInt8] = []
        var rules: SpanRenameStage.Rules?
        if var name = block.map("name") {
            sources = name.strings("from_attributes").map { builder.spanAttribute($0) }
            separator = Array(name.string("separator", default: "").utf8)
            if var reader = name.map("to_attributes") {
                rules = SpanRenameStage.Rules(&reader, &builder)
                reader.finish()
            }
            name.finish()
        }
        var status: SpanRenameStage.Status?
        if var reader = block.map("status") {
            status = Self.status(&reader)
            reader.finish()
        }
        guard !block.problems.hasErrors, let matcher else { return nil }
        guard !sources.isEmpty || rules != nil || status != nil else {
            block.error("nothing to do: write `name.from_attributes`, `name.to_attributes` or `status`")
            return nil
        }
        stage = SpanRenameStage(matcher: matcher, sources: sources, separator: separator, rules: rules, status: status)
    }

    private static func status(_ block: inout ConfigReader) -> SpanRenameStage.Status? {
        guard block.has("code") else {
            block.error("a status needs a `code`: Unset, Ok or Error")
            return nil
        }
        let code = block.oneOf("code", default: StatusCode.unset)
        let description = block.string("description", default: "")
        if !description.isEmpty, code != .error {
            block.error("only `code: Error` can have a description", key: "description")
        }
        let number: UInt64 = code == .error ? 2 : code == .ok ? 1 : 0
        return SpanRenameStage.Status(code: number, message: code == .error ? Array(description.utf8) : [])
    }

    package var stages: [ProcessorStage] { [.spans(stage)] }
}

/// The processor at work.
struct SpanRenameStage: SpanStage {
    struct Status: Sendable {
        let code: UInt64
        let message: [UInt8]
    }

    struct Rules: Sendable {
        let rules: [(pattern: RegularExpression, names: [[UInt8]])]
        let breaksAfterMatch: Bool
        let keepsName: Bool

        init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
            let patterns = block.placedStrings("rules")
            breaksAfterMatch = block.bool("break_after_match", default: false)
            keepsName = block.bool("keep_original_name", default: false)
            if patterns.isEmpty { block.error("there is no rule: write at least one pattern with named groups", key: "rules") }
            rules = patterns.compactMap { pattern in
                guard let expression = builder.expression(pattern, block.problems) else { return nil }
                if expression.groupNames.contains("") {
                    block.problems.warning(
                        "a group without a name makes an attribute with the key \"\", as in the Collector; write `(?P<name>...)`, or `(?:...)`",
                        at: pattern.position, keyPath: pattern.keyPath)
                }
                return (expression, expression.groupNames.map { Array($0.utf8) })
            }
            guard !patterns.isEmpty, rules.count == patterns.count else { return nil }
        }
    }

    let matcher: SpanMatcher
    let sources: [AttributeName]
    let separator: [UInt8]
    let rules: Rules?
    let status: Status?

    func applies(to group: GroupView, _ run: inout StageRun) -> Bool { matcher.mayMatch(group) }

    func look(_ span: SpanView, _ group: GroupView, _ run: inout StageRun) -> SpanLook {
        var isWanted = status != nil
        if !isWanted, !sources.isEmpty {
            isWanted = true
            for source in sources where span.value(source) == nil { isWanted = false }
        }
        if !isWanted, let rules {
            let name = span.fields.name.bytes(in: span.body)
            if !name.isEmpty {
                for rule in rules.rules where rule.pattern.matches(name) { isWanted = true }
            }
        }
        return isWanted && matcher.matches(span, group) ? .open : .pass
    }

    func edit(_ span: inout MessageDraft, _ group: GroupView, _ run: inout StageRun) -> StageVerdict {
        guard matcher.matches(span, group) else { return .keep }
        nameFromAttributes(&span)
        attributesFromName(&span)
        if let status { span.setStatus(code: status.code, message: status.message) }
        return .keep
    }

    private func nameFromAttributes(_ span: inout MessageDraft) {
        guard !sources.isEmpty else { return }
        var name: [UInt8] = []
        for (place, source) in sources.enumerated() {
            guard let value = span.value(source.bytes) else { return }
            if place > 0 { name += separator }
            switch value.kind {
            case .string, .bool, .int: name += AnyValueText.text(of: value, in: span.content)
            case .double: name += Array(GoNumbers.plain(value.double(in: span.content)).utf8)
            case .empty, .array, .kvlist, .bytes: name += Array("<unknown-attribute-type>".utf8)
            }
        }
        span.setName(name)
    }

    private func attributesFromName(_ span: inout MessageDraft) {
        guard let rules else { return }
        for rule in rules.rules {
            let name = [UInt8](copying: span.name.bytes(in: span.content))
            guard !name.isEmpty else { return }
            guard let match = rule.pattern.find(name.span) else { continue }
            var renamed: [UInt8] = []
            var end = 0
            for (group, range) in zip(rule.names, match.dropFirst()) {
                span.put(group, AnyValueBytes.text(range.map { Array(name[$0]) } ?? []))
                // A group that took no part, or lies inside of another, has no place of its own in the name.
                guard let range, range.lowerBound >= end else { continue }
                renamed += name[end..<range.lowerBound] + [UInt8(ascii: "{")] + group + [UInt8(ascii: "}")]
                end = range.upperBound
            }
            renamed += name[end...]
            if !rules.keepsName { span.setName(renamed) }
            if rules.breaksAfterMatch { return }
        }
    }
}
