internal import Sampling

/// The tables of `Policies/README.md`, made from the catalogue of policies, so that they can't say anything else than the program.
package enum PolicyReference {
    /// The lines that mark the made part in the file.
    package static let begin = "<!-- made by `tailgate policy schema --format markdown`: begin -->"
    package static let end = "<!-- made by `tailgate policy schema --format markdown`: end -->"

    /// The made part, with its marks.
    package static func markdown() -> String {
        var lines = [begin, "", "## Policies", ""]
        lines += ["| type | keeps | from |", "|---|---|---|"]
        for type in PolicyCatalog.types {
            let origin = type.schema.origin == .collector ? "Collector" : "Tailgate"
            lines.append("| [`\(type.typeName)`](#\(type.typeName)) | \(cell(type.schema.summary)) | \(origin) |")
        }
        for type in PolicyCatalog.types { lines += section(type) }
        lines += ["", "## Conditions on a span", "", "Under `root_span`, and under `span` in the rules of `first_match`. All keys hold on the same span; a list under a key means one of its items.", ""]
        lines += table(SpanConditionReader.fields.map { FormatField($0) })
        lines += ["", "## The file", ""] + table(PolicyFileFormat.file)
        lines += ["", "### settings", ""] + table(PolicyFileFormat.settings)
        lines += ["", "Every other key of the `tail_sampling` block may stand here, too: \(PolicySettings.otherKeys.map { "`\($0)`" }.joined(separator: ", "))."]
        lines += ["", "## Tests", "", "### test", ""] + table(PolicyFileFormat.test)
        lines += ["", "### traces", ""] + table(PolicyFileFormat.traceGroup)
        lines += ["", "### span", ""] + table(PolicyFileFormat.span)
        lines += ["", "### expect", ""] + table(PolicyFileFormat.expectation)
        lines += ["", "## Lint rules", "", "`tailgate policy lint` looks for these. The names are stable.", "", "| rule | finds | what to do |", "|---|---|---|"]
        for rule in LintRule.allCases { lines.append("| `\(rule.rawValue)` | \(cell(rule.summary)) | \(cell(rule.advice)) |") }
        lines += ["", "## Where Tailgate decides otherwise than the Collector", "", "Compared with version 0.156 of the tail sampling processor. Those marked with ! are warned of when a configuration is touched by them.", "", "| policies | difference | why |", "|---|---|---|"]
        for deviation in PolicyDeviations.all {
            let types = deviation.types.isEmpty ? "all" : deviation.types.map { "`\($0)`" }.joined(separator: ", ")
            lines.append("| \(types)\(deviation.isWarnedOf ? " !" : "") | \(cell(deviation.text)) | \(cell(deviation.reason)) |")
        }
        lines += ["", end]
        return lines.joined(separator: "\n") + "\n"
    }

    private static func section(_ type: any SamplingPolicy.Type) -> [String] {
        let schema = type.schema
        var lines = ["", "### \(type.typeName)", "", schema.summary]
        if !schema.notes.isEmpty { lines[lines.count - 1] += " " + schema.notes }
        guard !schema.fields.isEmpty else { return lines }
        if type is RootSpanPolicy.Type { return lines + ["", "Its keys are the [conditions on a span](#conditions-on-a-span)."] }
        return lines + [""] + table(schema.fields.map { FormatField($0) })
    }

    private static func table(_ fields: [FormatField]) -> [String] {
        ["| key | value | default | meaning |", "|---|---|---|---|"] + fields.flatMap { rows($0, prefix: "") }
    }

    private static func rows(_ field: FormatField, prefix: String) -> [String] {
        let name = prefix + field.name
        let standard = field.isRequired ? "required" : field.defaultValue.map { $0.contains(" ") ? $0 : "`\($0)`" } ?? ""
        var doc = field.doc
        if !field.allowed.isEmpty { doc += " One of \(field.allowed.map { $0.isEmpty ? "`\"\"`" : "`\($0)`" }.joined(separator: ", "))." }
        if field.isExtension { doc += " *Tailgate only.*" }
        var lines = ["| `\(name)` | \(field.kind.word) | \(cell(standard)) | \(cell(doc)) |"]
        switch field.kind {
        case .map(let inner): lines += inner.flatMap { rows($0, prefix: name + ".") }
        case .mapList(let inner): lines += inner.flatMap { rows($0, prefix: name + "[].") }
        default: break
        }
        return lines
    }

    private static func cell(_ text: String) -> String {
        text.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|")
            .split(separator: "\n").joined(separator: " ")
    }
}
