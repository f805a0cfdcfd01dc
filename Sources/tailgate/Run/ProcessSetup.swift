internal import Foundation
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

    /// Every connection is a file descriptor: takes as many as the system allows this process.
    static func raiseFileLimit() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(resource, &limit)
    }
}
