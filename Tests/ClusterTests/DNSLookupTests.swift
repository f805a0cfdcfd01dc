import Testing

@testable import Cluster

private func configuration(_ text: String) -> DNSConfiguration { DNSConfiguration(parsing: Array(text.utf8)) }

@Suite struct DNSConfigurationTests {
    @Test func kubernetes() {
        let read = configuration(
            "search tracing.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n")
        #expect(read.servers.map { "\($0)" } == ["10.96.0.10:53"])
        #expect(read.dots == 5 && read.attempts == 2 && read.timeout == 5 * second)
        #expect(
            read.candidates(for: "tailgate-headless").map { "\($0)" } == [
                "tailgate-headless.tracing.svc.cluster.local", "tailgate-headless.svc.cluster.local",
                "tailgate-headless.cluster.local", "tailgate-headless",
            ])
        #expect(read.candidates(for: "a.b.c.d.e.f").first?.description == "a.b.c.d.e.f")
        #expect(read.candidates(for: "a.b.c.d.e").last?.description == "a.b.c.d.e")
        #expect(read.candidates(for: "tailgate-headless.").map { "\($0)" } == ["tailgate-headless"])
        #expect(read.candidates(for: "a b").isEmpty)
    }

    @Test func bounds() {
        let read = configuration(
            """
            # comment
            ; comment
            domain one.example
            search two.example three..example
            options timeout:99 attempts:0 ndots:99 rotate timeout:x
            nameserver 1.1.1.1
            nameserver ::1
            nameserver nonsense
            nameserver 1.1.1.3
            nameserver 1.1.1.4
            nonsense
            """)
        #expect(read.servers.map { "\($0)" } == ["1.1.1.1:53", "[::1]:53", "1.1.1.3:53"])
        #expect(read.search.map { "\($0)" } == ["two.example"])
        #expect(read.timeout == 30 * second && read.attempts == 1 && read.dots == 15)
        #expect(configuration("").servers.map { "\($0)" } == ["127.0.0.1:53"])
        #expect(configuration("domain a b\n").search.map { "\($0)" } == ["a"])
    }
}

@Suite struct DNSLookupTests {
    private static let one = "nameserver 1.1.1.1\nsearch x y\n"
    private static let two = "nameserver 1.1.1.1\nnameserver 1.1.1.2\noptions attempts:2\n"

    /// Plays a world: an answer's text for `name type`, or nil for silence. Returns the questions and the outcome.
    private func play(
        _ text: String, _ name: String, _ types: [DNSRecordType] = [.a, .aaaa], _ world: (String, String) -> String?
    ) -> (asked: [String], outcome: DNSOutcome) {
        var lookup = DNSLookup(name, types: types, configuration(text))
        var asked: [String] = []
        while asked.count < 200 {
            switch lookup.step {
            case .done(let outcome): return (asked, outcome)
            case .ask(let question, let server, let patience):
                #expect(patience >= second)
                let key = "\(question.name) \(question.type)"
                asked.append("\(key) @\(server.hostText.suffix(1))")
                guard let answer = world(key, server.hostText), let response = Self.response(question, answer) else {
                    lookup.failed()
                    continue
                }
                lookup.answered(response)
            }
        }
        Issue.record("it does not end")
        return (asked, .noAnswer)
    }

    /// `3`: an error code; `-`: no records; else addresses.
    private static func response(_ question: DNSQuestion, _ text: String) -> DNSResponse? {
        let code = UInt16(text) ?? 0
        let addresses = text == "-" || code > 0 ? [] : text.split(separator: " ").compactMap { IPAddress(String($0)) }
        var writer = AnswerWriter(
            flags: 0x8180 | code, answers: UInt16(addresses.count), question.name.description, question.type.rawValue)
        for address in addresses { writer.record([0xc0, 12], address.isIPv4 ? 1 : 28, address.bytes) }
        return try? DNSResponse(parsing: writer.bytes)
    }

    @Test func bothFamilies() {
        let result = play(Self.one, "n.") { key, _ in key == "n a" ? "10.0.0.1 10.0.0.2" : "::1" }
        #expect(result.asked == ["n a @1", "n aaaa @1"])
        #expect(
            result.outcome == .found(["10.0.0.1", "10.0.0.2", "::1"].compactMap { IPAddress($0).map { .address($0) } }))
    }

    @Test func searchDomains() {
        let result = play(Self.one, "n", [.a]) { key, _ in key == "n.y a" ? "10.0.0.1" : "3" }
        #expect(result.asked == ["n.x a @1", "n.y a @1"])
        #expect(result.outcome == .found([.address(IPAddress("10.0.0.1")!)]))
    }

    @Test func noSuchNameHoldsForAllTypes() {
        let result = play(Self.one, "n") { _, _ in "3" }
        #expect(result.asked == ["n.x a @1", "n.y a @1", "n a @1"])
        #expect(result.outcome == .noSuchName)
    }

    @Test func emptyAnswers() {
        #expect(play(Self.one, "n") { key, _ in key.hasPrefix("n.x") ? "-" : "3" }.outcome == .noRecords)
        // An address of the other family is no answer.
        #expect(play(Self.one, "n.", [.a]) { _, _ in "::1" }.outcome == .noRecords)
    }

    @Test func failingServers() {
        let result = play(Self.two, "n.", [.a]) { _, server in server == "1.1.1.1" ? "2" : "10.0.0.1" }
        #expect(result.asked == ["n a @1", "n a @2"])
        #expect(result.outcome == .found([.address(IPAddress("10.0.0.1")!)]))
        let all = play(Self.two, "n.", [.a]) { _, server in server == "1.1.1.1" ? "2" : "5" }
        #expect(all.asked == ["n a @1", "n a @2"])
        #expect(all.outcome == .serverFailure(code: 5))
        #expect(play(Self.one, "n", [.a]) { key, _ in key == "n.y a" ? "10.0.0.1" : "2" }.outcome == .found([.address(IPAddress("10.0.0.1")!)]))
    }

    @Test func silence() {
        let result = play(Self.two, "n.", [.a]) { _, _ in nil }
        #expect(result.asked == ["n a @1", "n a @2", "n a @1", "n a @2"])
        #expect(result.outcome == .noAnswer)
        // It ends the search, and leaves what was found.
        #expect(play(Self.one, "n") { _, _ in nil }.outcome == .noAnswer)
        let half = play(Self.one, "n.") { key, _ in key == "n a" ? "10.0.0.1" : nil }
        #expect(half.outcome == .found([.address(IPAddress("10.0.0.1")!)]))
        #expect(play(Self.one, "a..b") { _, _ in nil }.outcome == .badName)
    }
}
