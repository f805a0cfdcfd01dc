import Glibc
import Testing

@testable import NativeCore

@Suite struct UnixDatagramTests {
    private static let message = Array("READY=1\nSTATUS=here".utf8)

    /// A bound socket, by the system's own rules for names: the length of the address is that of the name.
    private static func listener(_ name: [UInt8]) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size - 108 + name.count)
        let bound = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        return bound == 0 ? descriptor : -1
    }

    private static func receive(_ descriptor: Int32) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? [] : Array(buffer[..<count])
    }

    @Test func reachesAPath() throws {
        let path = "/tmp/tailgate-\(getpid())-\(UInt32.random(in: 0...(.max))).sock"
        let descriptor = Self.listener(Array(path.utf8) + [0])
        defer {
            close(descriptor)
            unlink(path)
        }
        try #require(descriptor >= 0)
        try UnixDatagram.send(Self.message.span, to: path)
        #expect(Self.receive(descriptor) == Self.message)
    }

    @Test func reachesAnAbstractName() throws {
        let name = "tailgate-\(getpid())-\(UInt32.random(in: 0...(.max)))"
        let descriptor = Self.listener([0] + Array(name.utf8))
        defer { close(descriptor) }
        try #require(descriptor >= 0)
        try UnixDatagram.send(Self.message.span, to: "@" + name)
        #expect(Self.receive(descriptor) == Self.message)
        // A longer name is another name.
        #expect(throws: FileError(code: ECONNREFUSED)) { try UnixDatagram.send(Self.message.span, to: "@" + name + "x") }
    }

    @Test func takesTheLongestPathAndNoLonger() {
        let longest = "/tmp/" + String(repeating: "x", count: 102)
        #expect(longest.utf8.count == 107)
        #expect(throws: FileError(code: ENOENT)) { try UnixDatagram.send(Self.message.span, to: longest) }
        #expect(throws: FileError(code: ENAMETOOLONG)) { try UnixDatagram.send(Self.message.span, to: longest + "x") }
    }

    @Test(arguments: ["", "@", "/tmp/a\0b"])
    func refusesNamesThatAreNone(path: String) {
        #expect(throws: FileError(code: EINVAL)) { try UnixDatagram.send(Self.message.span, to: path) }
    }

    @Test func saysThatNobodyIsThere() {
        #expect(throws: FileError(code: ENOENT)) { try UnixDatagram.send(Self.message.span, to: "/tmp/no/such/socket") }
    }
}
