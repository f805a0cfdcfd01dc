/// Colors for people at a terminal, and plain text for everything else.
package struct TerminalStyle: Sendable {
    /// Whether control sequences are written at all.
    package let isColored: Bool

    package init(isColored: Bool) { self.isColored = isColored }

    /// No control sequences: for files, pipes and tests.
    package static let plain = TerminalStyle(isColored: false)

    package func bold(_ text: String) -> String { wrapped(text, "1") }
    package func dim(_ text: String) -> String { wrapped(text, "2") }
    package func red(_ text: String) -> String { wrapped(text, "31") }
    package func green(_ text: String) -> String { wrapped(text, "32") }
    package func yellow(_ text: String) -> String { wrapped(text, "33") }
    package func blue(_ text: String) -> String { wrapped(text, "34") }
    package func cyan(_ text: String) -> String { wrapped(text, "36") }

    private func wrapped(_ text: String, _ code: String) -> String {
        isColored && !text.isEmpty ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}

/// Lines of cells in columns that stand below each other. No frames: blanks between columns, a line under the heads.
package struct TextTable: Sendable {
    /// Where a column's text stands.
    package enum Alignment: Sendable { case left, right }

    /// A cell: the text, and how it is colored once its width has been counted.
    package struct Cell: Sendable, ExpressibleByStringLiteral {
        package var text: String
        package var paint: @Sendable (TerminalStyle, String) -> String

        package init(_ text: String, paint: @escaping @Sendable (TerminalStyle, String) -> String = { $1 }) {
            self.text = text
            self.paint = paint
        }

        package init(stringLiteral value: String) { self.init(value) }
    }

    private var heads: [String]
    private var alignments: [Alignment]
    private var rows: [[Cell]] = []
    /// Texts of the first column that are longer are cut in the middle.
    private let widest: Int

    /// - Parameter columns: heads from left to right, each with its alignment.
    package init(_ columns: [(String, Alignment)], widest: Int = 48) {
        heads = columns.map(\.0)
        alignments = columns.map(\.1)
        self.widest = widest
    }

    package var isEmpty: Bool { rows.isEmpty }

    /// Adds a line. Missing cells are blank.
    package mutating func add(_ cells: [Cell]) {
        var cells = cells
        if let first = cells.first { cells[0].text = middleCut(first.text, to: widest) }
        rows.append(cells)
    }

    /// The lines, without trailing blanks, each behind `indent` blanks.
    package func lines(_ style: TerminalStyle, indent: Int = 2) -> [String] {
        let columns = heads.indices
        let widths = columns.map { column in
            rows.reduce(heads[column].count) { max($0, column < $1.count ? $1[column].text.count : 0) }
        }
        let margin = String(repeating: " ", count: indent)
        var lines = [margin + joined(columns.map { style.dim(placed(heads[$0], $0, widths)) })]
        for row in rows {
            let cells = columns.map { column -> String in
                guard column < row.count else { return String(repeating: " ", count: widths[column]) }
                return row[column].paint(style, placed(row[column].text, column, widths))
            }
            lines.append(margin + joined(cells))
        }
        return lines
    }

    private func joined(_ cells: [String]) -> String {
        var line = cells.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line
    }

    private func placed(_ text: String, _ column: Int, _ widths: [Int]) -> String {
        alignments[column] == .left ? Figures.left(text, widths[column]) : Figures.right(text, widths[column])
    }
}

/// `text` with its middle left out, so that it has at most `width` characters.
package func middleCut(_ text: String, to width: Int) -> String {
    guard text.count > width, width > 3 else { return text }
    let head = (width - 1) / 2
    return text.prefix(head) + "…" + text.suffix(width - 1 - head)
}

extension Figures {
    /// A share as percent, with as many digits as it takes: `12.3 %`, `0.04 %`, `100 %`.
    package static func percent(_ part: Double, of whole: Double) -> String {
        guard whole > 0 else { return "-" }
        let value = part / whole * 100
        if value == 0 || value == 100 { return "\(Int(value)) %" }
        if abs(value) < 0.1 { return "\(fixed(value, 3)) %" }
        return "\(fixed(value, abs(value) < 10 ? 2 : 1)) %"
    }

    /// A difference with its sign: `+1,234`, `-5`, `0`.
    package static func signed(_ value: Int) -> String { value > 0 ? "+\(grouped(value))" : grouped(value) }

    /// `1 trace`, `2 traces`.
    package static func count(_ value: Int, _ noun: String) -> String {
        "\(grouped(value)) \(noun)\(value == 1 ? "" : "s")"
    }
}
