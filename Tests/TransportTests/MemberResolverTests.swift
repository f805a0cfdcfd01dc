import Cluster
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Transport

/// A name server on loopback, over UDP and TCP at one port.
private final class NameServer: Sendable {
    enum Reply: Sendable {
        case addresses([String])
        case services([(String, UInt16)])
        case code(UInt8)
        case silence
        /// Truncated over UDP.
        case long([String])
        /// Bytes that are no message, behind the right id.
        case nonsense
        /// First an answer with another id, and one to another question; then these.
        case afterStrangers([String])
    }

    private let zone: Mutex<[String: Reply]>
    private let questions = Mutex<[String]>([])
    private let udp: any Channel
    private let tcp: any Channel
    let address: MemberAddress

    init(_ zone: [String: Reply]) async throws {
        self.zone = Mutex(zone)
        let group = MultiThreadedEventLoopGroup.singleton
        let box = Box()
        tcp = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Streams(box))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(tcp.localAddress?.port)
        udp = try await DatagramBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Datagrams(box))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        address = try MemberAddress(parsing: "127.0.0.1:\(port)")
        box.server.withLock { $0 = self }
    }

    func set(_ name: String, _ reply: Reply?) { zone.withLock { $0[name] = reply } }
    var asked: [String] { questions.withLock { $0 } }

    func close() async {
        try? await udp.close()
        try? await tcp.close()
    }

    fileprivate func replies(to query: [UInt8], isStream: Bool) -> [[UInt8]] {
        var labels: [String] = []
        var offset = 12
        while query[offset] > 0 {
            labels.append(String(decoding: query[offset + 1...offset + Int(query[offset])], as: UTF8.self))
            offset += Int(query[offset]) + 1
        }
        let type = UInt16(query[offset + 1]) << 8 | UInt16(query[offset + 2])
        let key = labels.joined(separator: ".") + " \(type)"
        questions.withLock { $0.append((isStream ? "tcp " : "udp ") + key) }
        let question = Array(query[12...])
        let id = Array(query[..<2])
        func message(_ flags: UInt16, _ records: [[UInt8]], id: [UInt8] = id) -> [UInt8] {
            var bytes = id
            for word in [flags, 1, UInt16(records.count), 0, 0] { bytes += [UInt8(word >> 8), UInt8(truncatingIfNeeded: word)] }
            return bytes + question + records.flatMap { $0 }
        }
        func record(_ data: [UInt8]) -> [UInt8] {
            [0xc0, 12, UInt8(type >> 8), UInt8(type & 255), 0, 1, 0, 0, 0, 0, 0, UInt8(data.count)] + data
        }
        func addresses(_ list: [String]) -> [[UInt8]] {
            list.compactMap { IPAddress($0) }.filter { $0.isIPv4 == (type == 1) }.map { record($0.bytes) }
        }
        switch zone.withLock({ $0[labels.joined(separator: ".")] }) {
        case nil: return [message(0x8183, [])]
        case .silence: return []
        case .code(let code): return [message(0x8180 | UInt16(code), [])]
        case .addresses(let list): return [message(0x8180, addresses(list))]
        case .services(let list):
            return [
                message(
                    0x8180,
                    list.map { target, port in
                        let labels = target.split(separator: ".").map { Array($0.utf8) }
                        let name: [UInt8] = labels.flatMap { [UInt8($0.count)] + $0 } + [0]
                        return record([0, 0, 0, 0, UInt8(port >> 8), UInt8(port & 255)] + name)
                    })
            ]
        case .long(let list): return [isStream ? message(0x8180, addresses(list)) : message(0x8380, [])]
        case .nonsense: return [id + [1, 2, 3]]
        case .afterStrangers(let list):
            var other = message(0x8180, addresses(["10.9.9.9"]))
            other[13] ^= 1
            return [message(0x8180, addresses(["10.8.8.8"]), id: [id[0] ^ 1, id[1]]), other, [1], message(0x8180, addresses(list))]
        }
    }

    fileprivate final class Box: Sendable {
        let server = Mutex<NameServer?>(nil)
        func replies(to query: [UInt8], isStream: Bool) -> [[UInt8]] {
            server.withLock { $0 }?.replies(to: query, isStream: isStream) ?? []
        }
    }

    private final class Datagrams: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        let box: Box
        init(_ box: Box) { self.box = box }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            for reply in box.replies(to: Array(envelope.data.readableBytesView), isStream: false) {
                let answer = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: reply))
                context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
            }
        }
    }

    private final class Streams: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let box: Box
        init(_ box: Box) { self.box = box }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView.dropFirst(2))
            for reply in box.replies(to: bytes, isStream: true) {
                var framed = [UInt8(reply.count >> 8), UInt8(reply.count & 255)] + reply
                // In two parts, so that they have to be put together.
                let rest = Array(framed.dropFirst(5))
                framed.removeLast(rest.count)
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: framed)), promise: nil)
                context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: rest)), promise: nil)
            }
        }
    }
}

private func members(_ addresses: String...) -> [RingMember] { addresses.map { RingMember($0) }.sorted() }

@Suite struct DNSMemberResolverTests {
    private func resolver(
        _ server: MemberAddress, _ name: String, _ query: DNSMemberResolver.Query = .addresses([.a], port: 4319),
        timeout: Int64 = 10_000_000_000, resolvConf: String = "/nonexistent"
    ) -> DNSMemberResolver {
        DNSMemberResolver(
            name, query, servers: [server], interval: 1_000_000_000, timeout: timeout,
            group: MultiThreadedEventLoopGroup.singleton, configurationPath: resolvConf)
    }

    @Test func everyKindOfAnswer() async throws {
        let server = try await NameServer([
            "two": .addresses(["10.0.0.2", "10.0.0.1", "fd00::1"]), "empty": .addresses([]), "broken": .code(2), "refused": .code(5),
            "silent": .silence, "odd": .nonsense, "busy": .afterStrangers(["10.0.0.3"]),
            "long": .long((1...200).map { "10.0.1.\($0)" }), "_p._tcp.n": .services([("N-1.n", 4319), ("n-2.n", 4320)]),
        ])
        let at = server.address
        #expect(await resolver(at, "two").resolve() == .partial(members("10.0.0.1:4319", "10.0.0.2:4319")))
        let both = resolver(at, "two", .addresses([.a, .aaaa], port: 1))
        #expect(await both.resolve() == .partial(members("10.0.0.1:1", "10.0.0.2:1", "[fd00::1]:1")))
        #expect(await resolver(at, "none").resolve() == .failed(.noSuchName("none")))
        #expect(await resolver(at, "empty").resolve() == .failed(.noRecords("empty")))
        #expect(await resolver(at, "broken").resolve() == .failed(.serverFailure("broken", code: 2)))
        #expect(await resolver(at, "refused").resolve() == .failed(.serverFailure("refused", code: 5)))
        #expect(await resolver(at, "odd").resolve() == .failed(.noAnswer("odd")))
        #expect(await resolver(at, "busy").resolve() == .partial(members("10.0.0.3:4319")))
        let services = resolver(at, "_p._tcp.n", .services)
        #expect(await services.resolve() == .partial(members("n-1.n:4319", "n-2.n:4320")))
        if case .partial(let list) = await resolver(at, "long").resolve() {
            #expect(list.count == 200)
        } else {
            Issue.record("no list over TCP")
        }
        #expect(server.asked.contains("tcp long 1"))
        await server.close()
    }

    @Test func silenceEndsInTime() async throws {
        let server = try await NameServer(["silent": .silence])
        // By the clock of this process, however slow the machine is: before the five seconds of resolv.conf's default are over.
        let clock = Task { try await Task.sleep(for: .seconds(4)) }
        async let hasRunOut: Void? = try? await clock.value
        #expect(await resolver(server.address, "silent", timeout: 200_000_000).resolve() == .failed(.noAnswer("silent")))
        clock.cancel()
        #expect(await hasRunOut == nil, "the answer took four seconds and more")
        await server.close()
        // Nobody is there any more: the system says so, at once or not at all.
        #expect(await resolver(server.address, "silent", timeout: 200_000_000).resolve() == .failed(.noAnswer("silent")))
    }

    @Test func shortNamesAreFoundInSearchDomains() async throws {
        let server = try await NameServer(["tailgate-headless.svc.cluster.local": .addresses(["10.0.0.1"])])
        let folder = try TemporaryFolder()
        try folder.write("resolv.conf", "search tracing.svc.cluster.local svc.cluster.local\noptions ndots:5\n")
        let found = await resolver(server.address, "tailgate-headless", resolvConf: folder.path("resolv.conf")).resolve()
        #expect(found == .partial(members("10.0.0.1:4319")))
        #expect(
            server.asked == [
                "udp tailgate-headless.tracing.svc.cluster.local 1", "udp tailgate-headless.svc.cluster.local 1",
            ])
        await server.close()
    }

    @Test func watchTellsEveryAnswer() async throws {
        let server = try await NameServer(["n": .addresses(["10.0.0.1"])])
        let resolver = DNSMemberResolver(
            "n", .addresses([.a], port: 1), servers: [server.address], interval: 1_000_000, timeout: 5_000_000_000,
            group: MultiThreadedEventLoopGroup.singleton, configurationPath: "/nonexistent")
        let (stream, continuation) = AsyncStream.makeStream(of: MemberResolution.self)
        let task = Task { await MemberWatch(resolver, weights: ["10.0.0.1:1": 3]).run { continuation.yield($0) } }
        var answers = stream.makeAsyncIterator()
        let first = await answers.next()
        #expect(first == .partial([RingMember("10.0.0.1:1", weight: 3)]))
        #expect(await answers.next() == first)
        server.set("n", nil)
        var last = await answers.next()
        while last == first { last = await answers.next() }
        #expect(last == .failed(.noSuchName("n")))
        #expect(last?.answer == .failed)
        task.cancel()
        await task.value
        await server.close()
    }
}

@Suite struct FileMemberResolverTests {
    @Test func changesCountWhenTheyStand() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("members")
        let resolver = FileMemberResolver(path: path, interval: 1_000_000_000)
        guard case .failed(.unreadableFile) = resolver.look() else {
            Issue.record("there is no file")
            return
        }
        try folder.write("members", "a:1\nb:1\n")
        #expect(resolver.look() == .complete(members("a:1", "b:1")))
        // Half written at the first look, another half at the second.
        try folder.write("members", "a:1\n")
        #expect(resolver.look() == .complete(members("a:1", "b:1")))
        try folder.write("members", "a:1\nb:1\nc")
        #expect(resolver.look() == .complete(members("a:1", "b:1")))
        try folder.write("members", "a:1\nb:1\nc:1\n")
        #expect(resolver.look() == .complete(members("a:1", "b:1")))
        #expect(resolver.look() == .complete(members("a:1", "b:1", "c:1")))
        try folder.write("members", "a:1\nb\n")
        #expect(resolver.look() == .complete(members("a:1", "b:1", "c:1")))
        #expect(resolver.look() == .failed(.badFile(path, .badLine(2, "b", .noPort))))
        try FileManager.default.removeItem(atPath: path)
        #expect(resolver.look().answer == .failed)
        try folder.write("members", "d:1\n")
        _ = resolver.look()
        #expect(resolver.look() == .complete(members("d:1")))
    }

    /// As Kubernetes replaces a mounted ConfigMap.
    @Test func symbolicLinksAreFollowed() throws {
        let folder = try TemporaryFolder()
        let manager = FileManager.default
        for (name, text) in [("one", "a:1\n"), ("two", "b:1\n")] {
            try manager.createDirectory(atPath: folder.path(name), withIntermediateDirectories: false)
            try folder.write("\(name)/members", text)
        }
        try manager.createSymbolicLink(atPath: folder.path("data"), withDestinationPath: "one")
        try manager.createSymbolicLink(atPath: folder.path("members"), withDestinationPath: "data/members")
        let resolver = FileMemberResolver(path: folder.path("members"), interval: 1_000_000_000)
        #expect(resolver.look() == .complete(members("a:1")))
        try manager.removeItem(atPath: folder.path("data"))
        try manager.createSymbolicLink(atPath: folder.path("data"), withDestinationPath: "two")
        #expect(resolver.look() == .complete(members("a:1")))
        #expect(resolver.look() == .complete(members("b:1")))
    }

    @Test func noRegularFile() async throws {
        let folder = try TemporaryFolder()
        let resolver = FileMemberResolver(path: folder.path("."), interval: 1_000_000_000)
        guard case .failed(.unreadableFile(_, let reason)) = await resolver.resolve() else {
            Issue.record("a folder is no file")
            return
        }
        #expect(reason == "it is a directory")
    }

    /// A pipe in place of the file costs no wait, and the file is read again when it is back.
    @Test(.timeLimit(.minutes(1))) func aPipeForAWhile() throws {
        let folder = try TemporaryFolder()
        try folder.write("members", "a:1\n")
        let path = folder.path("members")
        let resolver = FileMemberResolver(path: path, interval: 1_000_000_000)
        #expect(resolver.look() == .complete(members("a:1")))
        try FileManager.default.removeItem(atPath: path)
        #expect(mkfifo(path, 0o600) == 0)
        #expect(resolver.look() == .complete(members("a:1")), "a change counts when it stands")
        #expect(resolver.look() == .failed(.unreadableFile(path, reason: "it is a pipe, and a regular file is expected")))
        try FileManager.default.removeItem(atPath: path)
        try folder.write("members", "b:1\n")
        _ = resolver.look()
        #expect(resolver.look() == .complete(members("b:1")))
    }
}

/// A folder that goes with its owner.
private final class TemporaryFolder {
    private let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("tailgate-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
    func write(_ name: String, _ text: String) throws { try Data(text.utf8).write(to: url.appendingPathComponent(name)) }
}
