/// What a look-up came to. Only `found` changes a member list.
package enum DNSOutcome: Sendable, Equatable {
    case found([DNSRecord.Data])
    /// NXDOMAIN under every name that was tried.
    case noSuchName
    /// The name exists, and has no records of these types.
    case noRecords
    /// Servers answered, but with an error: SERVFAIL (2), REFUSED (5), ...
    case serverFailure(code: UInt8)
    /// No server gave an answer in time.
    case noAnswer
    /// It can be no name, alone or below a search domain.
    case badName
}

/// Looks one name up: which name, type and server is next, and what the answers mean. A value without I/O or clock.
///
/// Follows glibc's `res_search` and `res_send`: a name that does not exist, or has no records, goes on to the next search domain; a
/// server that fails or keeps silent is followed by the next one, all of them `attempts` times; silence of all ends the look-up.
/// - Complexity: at most candidates x types x attempts x servers questions.
package struct DNSLookup: Sendable {
    package enum Step: Sendable, Equatable {
        /// Ask this server and wait so many nanoseconds.
        case ask(DNSQuestion, server: MemberAddress, patience: Int64)
        case done(DNSOutcome)
    }

    private let configuration: DNSConfiguration
    private let candidates: [DNSName]
    private let types: [DNSRecordType]
    private var candidate = 0
    private var type = 0
    private var attempt = 0
    private var server = 0
    /// Of the current name, over its types.
    private var records: [DNSRecord.Data] = []
    private var lastFailure: UInt8?
    private var failure: UInt8?
    private var hasNameWithoutRecords = false
    private var outcome: DNSOutcome?

    package init(_ name: String, types: [DNSRecordType], _ configuration: DNSConfiguration) {
        self.configuration = configuration
        self.types = types
        candidates = configuration.candidates(for: name)
        if candidates.isEmpty || types.isEmpty || configuration.servers.isEmpty { outcome = .badName }
    }

    /// What to do now; the same until an answer or its lack is told.
    package var step: Step {
        if let outcome { return .done(outcome) }
        return .ask(
            DNSQuestion(candidates[candidate], types[type]), server: configuration.servers[server],
            patience: configuration.patience(attempt: attempt))
    }

    /// The server that was asked answered the question that was asked.
    package mutating func answered(_ response: DNSResponse) {
        guard outcome == nil else { return }
        switch response.code {
        case DNSResponse.noError:
            let wanted = types[type]
            let found = response.found.filter { $0.isOf(wanted) }
            if found.isEmpty { hasNameWithoutRecords = true }
            records += found
            nextType()
        case DNSResponse.noSuchName:
            // That holds for all types.
            nextName()
        case let code:
            lastFailure = code
            nextServer()
        }
    }

    /// The server that was asked gave no answer in time, can't be reached, or answers nonsense.
    package mutating func failed() {
        guard outcome == nil else { return }
        nextServer()
    }

    private mutating func nextServer() {
        server += 1
        if server < configuration.servers.count { return }
        server = 0
        attempt += 1
        if attempt < configuration.attempts && lastFailure == nil { return }
        // All servers had their turns. An error is an answer, so that they are not asked again for it.
        guard let code = lastFailure else {
            outcome = records.isEmpty ? .noAnswer : .found(records)
            return
        }
        failure = code
        nextType()
    }

    private mutating func nextType() {
        (server, attempt, lastFailure) = (0, 0, nil)
        type += 1
        if type == types.count { nextName() }
    }

    private mutating func nextName() {
        if !records.isEmpty {
            outcome = .found(records)
            return
        }
        (server, attempt, lastFailure, type) = (0, 0, nil, 0)
        candidate += 1
        guard candidate == candidates.count else { return }
        if hasNameWithoutRecords {
            outcome = .noRecords
        } else if let failure {
            outcome = .serverFailure(code: failure)
        } else {
            outcome = .noSuchName
        }
    }
}

extension DNSRecord.Data {
    fileprivate func isOf(_ type: DNSRecordType) -> Bool {
        switch self {
        case .address(let address): type == (address.isIPv4 ? .a : .aaaa)
        case .service: type == .srv
        case .alias: false
        }
    }
}
