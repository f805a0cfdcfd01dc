internal import ArgumentParser

/// Exit codes, as sysexits.h names them.
enum ExitCodes {
    /// EX_USAGE: the configuration is wrong.
    static let configuration = ExitCode(64)
    /// EX_NOINPUT: data to work on can't be read.
    static let unreadableData = ExitCode(66)
    /// EX_UNAVAILABLE: something outside is not as it must be, such as a port in use.
    static let unavailable = ExitCode(69)
    /// EX_IOERR: what was printed did not arrive.
    static let unwritableOutput = ExitCode(74)
    /// EX_SOFTWARE: the ledger does not balance.
    static let imbalance = ExitCode(70)
}
