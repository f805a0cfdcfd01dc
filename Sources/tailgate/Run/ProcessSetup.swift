internal import Gateway
internal import Logging

/// What a process of ours sets once, before it does anything else.
enum ProcessSetup {
    /// The logger of all modules: lines on standard error.
    static func logger(level: TelemetryConfig.LogLevel) -> Logger {
        var logger = Logger(label: "tailgate") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel =
            switch level {
            case .debug: .debug
            case .info: .info
            case .warn: .warning
            case .error: .error
            }
        return logger
    }
}
