/// Something wrong with a configuration: where, under which key, and what would be right.
package struct ConfigProblem: Sendable, Equatable {
    package enum Severity: Sendable, Equatable {
        /// The configuration can't be used.
        case error
        /// It can be used, but may not do what its author expects.
        case warning
    }

    package var position: SourcePosition
    /// From the top of the configuration, `receivers.otlp.protocols.grpc.endpoint`; list items as `policies[2]`.
    /// Empty if the problem is with the file itself.
    package var keyPath: String
    package var message: String
    package var severity: Severity

    package init(position: SourcePosition, keyPath: String, message: String, severity: Severity) {
        self.position = position
        self.keyPath = keyPath
        self.message = message
        self.severity = severity
    }
}

extension ConfigProblem: CustomStringConvertible {
    /// `file:line:column: key.path: message`, on one line for machines and people alike.
    package var description: String {
        let mark = severity == .warning ? "warning: " : ""
        return keyPath.isEmpty ? "\(position): \(mark)\(message)" : "\(position): \(keyPath): \(mark)\(message)"
    }
}

/// Everything found wrong while one configuration is read.
///
/// Readers add to it and carry on with a default, so that a user sees all errors of a file at once. Used by one task at
/// a time. Bounded: after `limit` problems only the fact that there are more is kept.
package final class ConfigProblems {
    /// Nobody reads further than this; a broken file of megabytes must not cost megabytes of messages.
    package static let limit = 500

    /// In the order in which they were found, at most `limit` plus one line that says that there are more.
    package private(set) var all: [ConfigProblem] = []
    /// Kept apart from `all`, so that an error beyond the limit still counts.
    package private(set) var hasErrors = false

    package init() {}

    package func error(_ message: String, at position: SourcePosition, keyPath: String) {
        hasErrors = true
        add(ConfigProblem(position: position, keyPath: keyPath, message: message, severity: .error))
    }

    package func warning(_ message: String, at position: SourcePosition, keyPath: String) {
        add(ConfigProblem(position: position, keyPath: keyPath, message: message, severity: .warning))
    }

    package var errors: [ConfigProblem] { all.filter { $0.severity == .error } }
    package var warnings: [ConfigProblem] { all.filter { $0.severity == .warning } }

    /// Adds what was found elsewhere.
    package func add(_ problem: ConfigProblem) {
        if problem.severity == .error { hasErrors = true }
        if all.count < Self.limit {
            all.append(problem)
        } else if all.count == Self.limit {
            let message = "more than \(Self.limit) problems; the rest is not shown"
            all.append(ConfigProblem(position: problem.position, keyPath: "", message: message, severity: .error))
        }
    }
}
