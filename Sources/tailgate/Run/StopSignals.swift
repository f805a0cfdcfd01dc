internal import Dispatch
internal import Foundation

/// SIGTERM and SIGINT as something to wait for, and SIGHUP as something to follow.
final class StopSignals: Sendable {
    private let firstCome: AsyncStream<Void>
    private let secondCome: AsyncStream<Void>
    /// An element for every SIGHUP; those that come while one is being dealt with count as one.
    let reloads: AsyncStream<Void>
    private let sources: SignalSources

    /// From now on the signals no longer end the process by themselves.
    init() {
        let (first, firstSink) = AsyncStream.makeStream(of: Void.self)
        let (second, secondSink) = AsyncStream.makeStream(of: Void.self)
        let (again, againSink) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        reloads = again
        firstCome = first
        secondCome = second
        sources = SignalSources(reload: { againSink.yield() }) { count in
            if count == 1 { firstSink.yield() } else { secondSink.yield() }
        }
    }

    /// Returns when the first signal has come.
    func first() async { for await _ in firstCome { return } }

    /// Returns when the second signal has come, or the task is cancelled.
    func second() async { for await _ in secondCome { return } }
}

/// Dispatch's sources for both signals; counts what comes on a queue of its own.
private final class SignalSources: @unchecked Sendable {
    private var sources: [any DispatchSourceSignal] = []
    private var count = 0

    init(reload: @escaping @Sendable () -> Void, _ came: @escaping @Sendable (Int) -> Void) {
        let queue = DispatchQueue(label: "tailgate.signals")
        signal(SIGPIPE, SIG_IGN)
        // A file that has reached its limit (`ulimit -f`) is a failed write, not the end of the node.
        signal(SIGXFSZ, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        let hangUp = DispatchSource.makeSignalSource(signal: SIGHUP, queue: queue)
        hangUp.setEventHandler(handler: reload)
        hangUp.resume()
        sources.append(hangUp)
        for number in [SIGTERM, SIGINT] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { [weak self] in
                guard let self else { return }
                self.count += 1
                came(self.count)
            }
            source.resume()
            sources.append(source)
        }
    }
}
