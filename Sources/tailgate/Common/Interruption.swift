import Dispatch
import Foundation
import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// The first SIGINT or SIGTERM as a future; a second one ends the process at once.
enum Interruption {
    /// Takes the signals over. Call once a process.
    static func install() -> EventLoopFuture<Void> {
        let promise = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)
        state.withLock { state in
            state.promise = promise
            for number in [SIGINT, SIGTERM] {
                _ = signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler {
                    if isTriggered.load(ordering: .relaxed) { exit(130) }
                    trigger()
                }
                source.activate()
                // A source stops when it is released.
                state.sources.append(source)
            }
        }
        return promise.futureResult
    }

    /// Does what the first signal does.
    static func trigger() {
        guard !isTriggered.exchange(true, ordering: .relaxed) else { return }
        state.withLock { $0.promise }?.succeed()
    }

    private struct State {
        var promise: EventLoopPromise<Void>?
        var sources: [any DispatchSourceSignal] = []
    }

    private static let isTriggered = Atomic<Bool>(false)
    private static let state = Mutex(State())
}

/// Lines on standard error.
enum StandardError {
    static func print(_ line: String) {
        FileHandle.standardError.write(Data((line + "\n").utf8))
    }
}
