package import Cluster

/// Finds out who the members of the cluster are.
package protocol MemberResolver: Sendable {
    /// From one question to the next, nanoseconds.
    var interval: Int64 { get }
    /// Asks once. Always comes to an end, in the time that the resolver's settings allow.
    func resolve() async -> MemberResolution
}

/// What a resolver found, or why it found nothing.
package enum MemberResolution: Sendable, Equatable {
    /// All members: who is missing is gone.
    case complete([RingMember])
    /// Maybe not all of them.
    case partial([RingMember])
    case failed(MemberResolverFailure)

    /// As the membership takes it.
    package var answer: ResolverAnswer {
        switch self {
        case .complete(let members): .authoritative(members)
        case .partial(let members): .partial(members)
        case .failed: .failed
        }
    }
}

/// Why a resolver found nothing. All of these leave the last good list as it is.
package enum MemberResolverFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// NXDOMAIN.
    case noSuchName(String)
    /// The name exists, without addresses or services.
    case noRecords(String)
    /// SERVFAIL (2), REFUSED (5) or another error of the name servers.
    case serverFailure(String, code: UInt8)
    /// No name server answered in time.
    case noAnswer(String)
    case badName(String)
    case unreadableFile(String, reason: String)
    /// Somebody is writing it.
    case changingFile(String)
    case badFile(String, MemberFile.Problem)

    package var description: String {
        switch self {
        case .noSuchName(let name): "there is no name \"\(name)\" (NXDOMAIN)"
        case .noRecords(let name): "\"\(name)\" has no records of the wanted type"
        case .serverFailure(let name, 2): "the name servers fail to answer for \"\(name)\" (SERVFAIL)"
        case .serverFailure(let name, 5): "the name servers refuse to answer for \"\(name)\" (REFUSED)"
        case .serverFailure(let name, let code): "the name servers answer for \"\(name)\" with error \(code)"
        case .noAnswer(let name): "no name server answers for \"\(name)\" in time"
        case .badName(let name): "\"\(name)\" can be no name in DNS"
        case .unreadableFile(let path, let reason): "\(path) can't be read: \(reason)"
        case .changingFile(let path): "\(path) is being written"
        case .badFile(let path, let problem): "\(path): \(problem)"
        }
    }
}

/// A list that stands in the configuration.
package struct StaticMemberResolver: MemberResolver {
    private let members: [RingMember]
    /// The list never changes; a membership that was told once needs no more.
    package let interval: Int64 = 60_000_000_000

    package init(_ members: [RingMember]) { self.members = members }

    package func resolve() async -> MemberResolution { .complete(members) }
}
