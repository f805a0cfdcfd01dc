/// Redraws a block of lines in place, with the control sequences that every terminal understands.
package struct TerminalBlock: Sendable {
    private var drawn = 0

    package init() {}

    /// The text to write: it moves up over the last block, clears it, and draws the new one.
    package mutating func redraw(_ lines: [String]) -> String {
        let up = drawn > 0 ? "\u{1b}[\(drawn)F\u{1b}[J" : ""
        drawn = lines.count
        return up + lines.map { $0 + "\n" }.joined()
    }
}
