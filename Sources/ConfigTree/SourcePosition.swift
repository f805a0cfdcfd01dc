/// A place in a configuration file that a message can point to.
package struct SourcePosition: Sendable, Equatable {
    /// The file as the user named it, or as `${file:...}` resolved it.
    package var file: String
    /// Counted from 1.
    package var line: Int
    /// Counted from 1, in characters.
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }
}

extension SourcePosition: CustomStringConvertible {
    /// `file:line:column`, the form that editors and terminals turn into a link.
    package var description: String { "\(file):\(line):\(column)" }
}
