import Foundation
import Glibc
import NIOCore

/// CLOCK_MONOTONIC in nanoseconds.
enum MonotonicClock {
    static func now() -> Int64 { Int64(NIODeadline.now().uptimeNanoseconds) }
}

/// Time since 1970 in nanoseconds, to the microsecond.
enum WallClock {
    static func now() -> Int64 { Int64(Date().timeIntervalSince1970 * 1e6) * 1000 }
}

/// User and system time of this process, in seconds.
enum ProcessorClock {
    static func seconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }
}
