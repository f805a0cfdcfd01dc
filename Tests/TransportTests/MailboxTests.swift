import NIOCore
import NIOPosix
import OTLP
import Sampling
import TestSupport
import Testing

@testable import Transport

/// Hand-over between threads. For ThreadSanitizer as well.
@Suite struct MailboxTests {
    static let version = PolicyVersion(
        number: 1, policies: PolicySet(version: 1, policies: [], predicates: PredicateCompiler()))

    static func message(
        _ number: Int, memory: MemoryBudget = MemoryBudget(limitBytes: 1 << 30, softLimitBytes: 1 << 30)
    ) -> ReceivedRequest {
        ReceivedRequest(
            body: Encode.varint(UInt64(number)), payloadStart: number, index: RequestIndex(), version: version,
            cost: 100, memory: memory)
    }

    /// What waits in a mailbox counts against the memory limit before anybody looks at the heap again.
    @Test func waitingRequestsCountAsMemory() {
        let memory = MemoryBudget(limitBytes: 1 << 30, softLimitBytes: 1 << 30)
        let idle = memory.usedBytes
        let mailbox = WorkerMailbox(senders: 1)
        _ = mailbox.push(Self.message(1 << 14, memory: memory), from: 0)
        #expect(memory.usedBytes == idle + 3 + 100)
        _ = mailbox.drain(limit: 1) { _ in }
        #expect(memory.usedBytes == idle)
    }

    @Test func holdsWhatItSaysAndKeepsOrder() {
        let mailbox = WorkerMailbox(senders: 2)
        for number in 0..<WorkerMailbox.slotsPerSender {
            #expect(mailbox.hasRoom(from: 0))
            #expect(mailbox.push(Self.message(number), from: 0) == (number == 0))
        }
        #expect(!mailbox.hasRoom(from: 0) && mailbox.hasRoom(from: 1))
        #expect(!mailbox.push(Self.message(999), from: 1))
        var taken: [Int] = []
        #expect(mailbox.drain(limit: 100) { taken.append($0.payloadStart) })
        #expect(taken == Array(0..<100))
        #expect(mailbox.hasRoom(from: 0))
        #expect(!mailbox.drain(limit: 1000) { taken.append($0.payloadStart) })
        #expect(taken == Array(0..<WorkerMailbox.slotsPerSender) + [999])
        #expect(!mailbox.drain(limit: 1000) { _ in Issue.record("nothing is left") })
        #expect(mailbox.push(Self.message(1), from: 0))
    }

    @Test func pushingWithoutRoomTraps() async {
        await #expect(processExitsWith: .failure) {
            let mailbox = WorkerMailbox(senders: 1)
            for number in 0...WorkerMailbox.slotsPerSender { _ = mailbox.push(Self.message(number), from: 0) }
        }
    }

    /// The receiver looks only when it is told to: a lost wake-up would leave messages lying.
    @Test(.timeLimit(.minutes(2))) func noWakeUpIsLost() async throws {
        let senders = 3
        let perSender = 20_000
        let group = MultiThreadedEventLoopGroup(numberOfThreads: senders + 1)
        let loops = Array(group.makeIterator())
        let mailbox = WorkerMailbox(senders: senders)
        let receiver = loops[senders]
        let received = Counter()
        let disorder = Counter()
        let wakes = Counter()
        final class State {
            var next: [Int]
            init(_ senders: Int) { next = Array(repeating: 0, count: senders) }
        }
        let state = try await receiver.submit { NIOLoopBound(State(senders), eventLoop: receiver) }.get()
        @Sendable func look() {
            wakes.add(1)
            let more = mailbox.drain(limit: 7) { message in
                let (sender, number) = message.payloadStart.quotientAndRemainder(dividingBy: 1_000_000)
                if state.value.next[sender] != number { disorder.add(1) }
                state.value.next[sender] = number + 1
                received.add(1)
            }
            if more { receiver.execute { look() } }
        }
        await withTaskGroup(of: Void.self) { tasks in
            for sender in 0..<senders {
                tasks.addTask {
                    try? await loops[sender].submit {
                        var number = 0
                        while number < perSender {
                            guard mailbox.hasRoom(from: sender) else {
                                // The receiver has been woken: it makes room in time.
                                continue
                            }
                            if mailbox.push(Self.message(sender * 1_000_000 + number), from: sender) { receiver.execute { look() } }
                            number += 1
                        }
                    }.get()
                }
            }
            await tasks.waitForAll()
        }
        let deadline = NIODeadline.now() + .seconds(20)
        while received.value < senders * perSender && NIODeadline.now() < deadline {
            try await receiver.submit {}.get()
        }
        #expect(received.value == senders * perSender)
        #expect(disorder.value == 0)
        #expect(wakes.value > 0)
        try await group.shutdownGracefully()
    }
}
