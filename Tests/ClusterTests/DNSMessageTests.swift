import TestSupport
import Testing

@testable import Cluster

/// Writes answers as name servers do.
struct AnswerWriter {
    var bytes: [UInt8]

    init(id: UInt16 = 7, flags: UInt16 = 0x8180, questions: UInt16 = 1, answers: UInt16, _ name: String, _ type: UInt16 = 1) {
        bytes = []
        for field in [id, flags, questions, answers, 0, 0] { word(field) }
        bytes += DNSName(name)!.wire
        word(type)
        word(1)
    }

    mutating func word(_ value: UInt16) { bytes += [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

    /// `owner` is written as it stands: a name's wire form, or a pointer.
    mutating func record(_ owner: [UInt8], _ type: UInt16, _ data: [UInt8], class dataClass: UInt16 = 1) {
        bytes += owner
        word(type)
        word(dataClass)
        bytes += [0, 0, 0, 30]
        word(UInt16(data.count))
        bytes += data
    }
}

/// A pointer to the question's name.
private let question: [UInt8] = [0xc0, 12]

private func parse(_ bytes: [UInt8]) -> Result<DNSResponse, DNSMessageError> {
    do { return .success(try DNSResponse(parsing: bytes)) } catch { return .failure(error) }
}

@Suite struct DNSNameTests {
    @Test(arguments: [
        ("a", "a"), ("Tailgate-Headless.Tracing.SVC.", "tailgate-headless.tracing.svc"), ("_peers._tcp.x", "_peers._tcp.x"),
    ]) func names(text: String, shown: String) { #expect(DNSName(text)?.description == shown) }

    @Test(arguments: ["", ".", "a..b", ".a", "a..", "a b", "ä", "a/b", String(repeating: "a", count: 64)])
    func noNames(text: String) { #expect(DNSName(text) == nil) }

    @Test func lengths() {
        let label = String(repeating: "a", count: 63)
        #expect(DNSName(label) != nil)
        // 3 * 64 + 62 + 1 = 255
        #expect(DNSName("\(label).\(label).\(label).\(label.dropLast(2))") != nil)
        #expect(DNSName("\(label).\(label).\(label).\(label.dropLast(1))") == nil)
    }

    @Test func query() {
        let name = DNSName("a.bc")!
        #expect(
            DNSQuestion(name, .aaaa).query(id: 0x1234) == [
                0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 2, 98, 99, 0, 0, 28, 0, 1,
            ])
    }
}

@Suite struct DNSMessageTests {
    @Test func addressesOverAliases() throws {
        var writer = AnswerWriter(answers: 4, "www.example")
        let alias = DNSName("alias.example")!.wire
        let other = DNSName("other.example")!.wire
        // Out of order, and with an address of somebody else.
        writer.record(alias, 1, [10, 0, 0, 1])
        writer.record(other, 1, [10, 0, 0, 9])
        writer.record(question, 5, alias)
        writer.record(alias, 1, [10, 0, 0, 1])
        let response = try DNSResponse(parsing: writer.bytes)
        #expect(response.id == 7)
        #expect(response.answers(DNSQuestion(DNSName("WWW.example.")!, .a)))
        #expect(!response.answers(DNSQuestion(DNSName("www.example")!, .aaaa)))
        #expect(response.found == [.address(IPAddress("10.0.0.1")!)])
    }

    @Test func aliasesInACircleEnd() throws {
        var writer = AnswerWriter(answers: 2, "a.example")
        let other = DNSName("b.example")!.wire
        writer.record(question, 5, other)
        writer.record(other, 5, question)
        #expect(try DNSResponse(parsing: writer.bytes).found == [])
    }

    @Test func services() throws {
        var writer = AnswerWriter(answers: 4, "_p._tcp.x", 33)
        writer.record(question, 33, [0, 0, 0, 33, 0x10, 0xdf] + DNSName("N-1.x")!.wire)
        writer.record(question, 33, [0, 0, 0, 33, 0x10, 0xdf, 2, 110, 50, 0xc0, 12])
        // No such service, and one without a port.
        writer.record(question, 33, [0, 0, 0, 0, 0, 1, 0])
        writer.record(question, 33, [0, 0, 0, 0, 0, 0, 1, 97, 0])
        #expect(
            try DNSResponse(parsing: writer.bytes).found == [
                .service(target: DNSName("n-1.x")!, port: 4319), .service(target: DNSName("n2._p._tcp.x")!, port: 4319),
            ])
    }

    @Test func unknownTypesAndClassesAreSkipped() throws {
        var writer = AnswerWriter(answers: 3, "a.x")
        writer.record(question, 16, [3, 1, 2, 3])
        writer.record(question, 1, [1], class: 3)
        writer.record(question, 1, [10, 0, 0, 2])
        #expect(try DNSResponse(parsing: writer.bytes).answers.count == 1)
    }

    @Test func codesAndTruncation() throws {
        for code: UInt16 in [0, 2, 3, 5] {
            let response = try DNSResponse(parsing: AnswerWriter(flags: 0x8180 | code, answers: 0, "a.x").bytes)
            #expect(response.code == UInt8(code))
        }
        // What follows is cut off, and is not looked at.
        let truncated = try DNSResponse(parsing: AnswerWriter(flags: 0x8380, answers: 9, "a.x").bytes)
        #expect(truncated.isTruncated && truncated.answers.isEmpty)
    }

    @Test func broken() {
        #expect(parse([]) == .failure(.truncated))
        #expect(parse(AnswerWriter(flags: 0x0100, answers: 0, "a.x").bytes) == .failure(.notAnAnswer))
        #expect(parse(AnswerWriter(flags: 0x9000, answers: 0, "a.x").bytes) == .failure(.notAnAnswer))
        #expect(parse(AnswerWriter(questions: 0, answers: 0, "a.x").bytes) == .failure(.notAnAnswer))
        #expect(parse(AnswerWriter(answers: 1, "a.x").bytes) == .failure(.truncated))
        func record(_ owner: [UInt8], _ type: UInt16, _ data: [UInt8]) -> Result<DNSResponse, DNSMessageError> {
            var writer = AnswerWriter(answers: 1, "a.x")
            writer.record(owner, type, data)
            return parse(writer.bytes)
        }
        #expect(record(question, 1, [1, 2, 3]) == .failure(.badRecord))
        #expect(record(question, 1, [UInt8](repeating: 0, count: 16)) == .failure(.badRecord))
        #expect(record(question, 28, [1, 2, 3, 4]) == .failure(.badRecord))
        #expect(record(question, 5, [1, 97, 0, 0]) == .failure(.badRecord))
        #expect(record(question, 33, [0, 0, 0]) == .failure(.truncated))
        // The question ends at 21: a name that points at itself, forward, or with a reserved kind of label.
        #expect(record([0xc0, 21], 1, [1, 2, 3, 4]) == .failure(.badName))
        #expect(record([0xc0, 25], 1, [1, 2, 3, 4]) == .failure(.badName))
        #expect(record([0x40, 1], 1, [1, 2, 3, 4]) == .failure(.badName))
        // 5 + 4 * 64 octets are too many.
        let label = [63] + [UInt8](repeating: 97, count: 63)
        #expect(record(label + label + label + label + [0], 1, [1, 2, 3, 4]) == .failure(.badName))
    }

    /// No bytes make the parser trap, and every prefix of a message is refused.
    @Test func anyBytes() throws {
        var writer = AnswerWriter(answers: 4, "_p._tcp.example", 33)
        writer.record(question, 5, [1, 97, 0xc0, 12])
        writer.record(question, 33, [0, 0, 0, 33, 0x10, 0xdf, 1, 98, 0xc0, 12])
        writer.record(question, 1, [10, 0, 0, 1])
        writer.record(question, 28, [UInt8](repeating: 1, count: 16))
        let good = writer.bytes
        #expect(try DNSResponse(parsing: good).answers.count == 4)
        for length in 0..<good.count { #expect(throws: DNSMessageError.self) { try DNSResponse(parsing: Array(good[..<length])) } }
        var random = SeededGenerator(53)
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0...random.below(4) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
            if random.below(4) == 0 { bytes.removeLast(random.below(bytes.count)) }
            if case .success(let response) = parse(bytes) { _ = response.found.map { "\($0)" } }
        }
        for _ in 0..<5_000 {
            var bytes = (0..<random.below(80)).map { _ in UInt8(random.below(256)) }
            if bytes.count > 6 { (bytes[2], bytes[4], bytes[5]) = (0x80, 0, 1) }
            _ = parse(bytes)
        }
    }
}

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("FE80::00A", "fe80::a"),
        ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"), ("1:0:0:2:3:0:0:4", "1::2:3:0:0:4"),
        ("::ffff:10.0.0.1", "::ffff:a00:1"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ]) func oneText(text: String, shown: String) {
        #expect(IPAddress(text)?.description == shown)
        #expect(IPAddress(shown) == IPAddress(text))
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.", "+1.2.3.4", ":", ":1", "1:", "1::2::3", ":::", "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9", "::1:2:3:4:5:6:7:8", "12345::", "g::", "::1.2.3", "1.2.3.4::", "fe80::1%eth0", "::+1", "1:::2", "::-1",
    ]) func noAddress(text: String) { #expect(IPAddress(text) == nil) }
}

@Suite struct MemberAddressTests {
    @Test(arguments: [
        ("10.0.0.1:4319", "10.0.0.1:4319"), ("[FE80:0::1]:1", "[fe80::1]:1"), ("Node-1.Example.:65535", "node-1.example:65535"),
        ("localhost:04319", "localhost:4319"),
    ]) func oneText(text: String, shown: String) throws { #expect(try MemberAddress(parsing: text).description == shown) }

    @Test(arguments: [
        ("a", MemberAddressError.noPort), ("a:", .badPort), ("a:0", .badPort), ("a:65536", .badPort), ("a:+1", .badPort), (":1", .noHost),
        ("[]:1", .badHost), ("::1:4319", .noBrackets), ("[10.0.0.1]:1", .badHost), ("10.0.0:1", .badHost), ("a b:1", .badHost),
        ("10.0.0.256:1", .badHost), ("[::x]:1", .badHost),
    ]) func wrong(text: String, error: MemberAddressError) {
        #expect(throws: error) { try MemberAddress(parsing: text) }
    }

    @Test func files() throws {
        let text = "# members\nb:2 # the second\r\n\n\t a:1\nb:2\n"
        #expect(try MemberFile.parse(Array(text.utf8)).map { "\($0)" } == ["a:1", "b:2"])
        func problem(_ bytes: [UInt8]) -> MemberFile.Problem? {
            do { _ = try MemberFile.parse(bytes) } catch { return error }
            return nil
        }
        #expect(problem(Array("a:1\nb\n".utf8)) == .badLine(2, "b", .noPort))
        #expect(problem(Array("a:1 b:2".utf8)) == .badLine(1, "a:1 b:2", .badHost))
        #expect(problem(Array(" \n# a:1\n".utf8)) == .empty)
        #expect(problem([0xff, 0xfe]) == .notText)
        #expect(problem([UInt8](repeating: 10, count: MemberFile.maximumBytes)) == .empty)
        #expect(problem([UInt8](repeating: 10, count: MemberFile.maximumBytes + 1)) == .tooLarge)
        func many(_ count: Int) -> [UInt8] { Array((0..<count).map { "n\($0):1\n" }.joined().utf8) }
        #expect(problem(many(ClusterLimits.maximumMembers)) == nil)
        #expect(problem(many(ClusterLimits.maximumMembers + 1)) == .tooMany)
    }
}

