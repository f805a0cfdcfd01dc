import Foundation

/// A TCP client on 127.0.0.1 that shows every byte, for tests. Reads give up after 20 s.
///
/// Its blocking calls run on a queue of their own: the threads of Swift tasks are few, and the
/// server under test needs them. Used by one test at a time, hence safe to send.
final class LoopbackClient: @unchecked Sendable {
    struct Failure: Error { let step: String }

    struct Response: Sendable {
        var status = 0
        /// Names in lower case.
        var headers: [String: String] = [:]
        var body = ""
    }

    private let socket: Int32
    private let queue = DispatchQueue(label: "loopback client")
    private var received: [UInt8] = []
    private var isOpen = true

    init(port: Int) throws {
        socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw Failure(step: "socket") }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else {
            _ = Foundation.close(socket)
            throw Failure(step: "connect")
        }
    }

    deinit { close() }

    func close() {
        if isOpen { _ = Foundation.close(socket) }
        isOpen = false
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Foundation.send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    /// Whether the peer ends the connection, whatever comes before.
    func readsEnd() async -> Bool {
        await blocking { self.waitForEnd() }
    }

    /// Reads a response with a Content-Length. Status 0 if the connection ends first.
    func readResponse(withBody: Bool = true) async -> Response {
        await blocking { self.waitForResponse(withBody: withBody) }
    }

    private func blocking<T: Sendable>(_ work: @escaping @Sendable () -> T) async -> T {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: work()) }
        }
    }

    private func waitForEnd() -> Bool {
        while true {
            switch receive() {
            case 0: return true
            case ..<0: return errno == ECONNRESET
            default: continue
            }
        }
    }

    private func waitForResponse(withBody: Bool) -> Response {
        var response = Response()
        let separator = Array("\r\n\r\n".utf8)
        while true {
            if let end = received.indices.first(where: { received[$0...].starts(with: separator) })
            {
                let lines = String(decoding: received[..<end], as: UTF8.self)
                    .components(separatedBy: "\r\n")
                received.removeFirst(end + separator.count)
                response.status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
                for line in lines.dropFirst() {
                    let pair = line.split(separator: ":", maxSplits: 1)
                    guard pair.count == 2 else { continue }
                    response.headers[pair[0].lowercased()] =
                        pair[1].trimmingCharacters(in: .whitespaces)
                }
                break
            }
            guard receive() > 0 else { return response }
        }
        let length = withBody ? response.headers["content-length"].flatMap { Int($0) } ?? 0 : 0
        while received.count < length {
            guard receive() > 0 else { return response }
        }
        response.body = String(decoding: received.prefix(length), as: UTF8.self)
        received.removeFirst(length)
        return response
    }

    private func receive() -> Int {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = recv(socket, &chunk, chunk.count, 0)
        if count > 0 { received += chunk.prefix(count) }
        return count
    }
}
