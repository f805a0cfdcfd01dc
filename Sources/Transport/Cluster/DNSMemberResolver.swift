package import Cluster
package import NIOCore
internal import NativeCore

/// Members from DNS. Answers' times to live are ignored: the interval says how old a list may be.
package struct DNSMemberResolver: MemberResolver {
    package enum Query: Sendable, Equatable {
        /// A member for each address of the name, all at one port.
        case addresses([DNSRecordType], port: UInt16)
        /// A member for each SRV record, known by its target's name.
        case services
    }

    private let name: String
    private let query: Query
    /// Asked instead of the servers in `/etc/resolv.conf`, if there are any.
    private let servers: [MemberAddress]
    private let configurationPath: String
    /// For a whole look-up, nanoseconds.
    private let timeout: Int64
    package let interval: Int64
    private let client: DNSClient

    package init(
        _ name: String, _ query: Query, servers: [MemberAddress] = [], interval: Int64, timeout: Int64, group: any EventLoopGroup,
        configurationPath: String = "/etc/resolv.conf"
    ) {
        self.name = name
        self.query = query
        self.servers = servers
        self.interval = interval
        self.timeout = timeout
        self.configurationPath = configurationPath
        client = DNSClient(group)
    }

    package func resolve() async -> MemberResolution {
        let types: [DNSRecordType]
        switch query {
        case .addresses(let wanted, _): types = wanted
        case .services: types = [.srv]
        }
        switch await client.look(up: name, types: types, configuration(), timeout: timeout) {
        case .found(let records):
            let members = Set(records.compactMap(member)).sorted()
            return members.isEmpty ? .failed(.noRecords(name)) : .partial(members)
        case .noSuchName: return .failed(.noSuchName(name))
        case .noRecords: return .failed(.noRecords(name))
        case .serverFailure(let code): return .failed(.serverFailure(name, code: code))
        case .noAnswer: return .failed(.noAnswer(name))
        case .badName: return .failed(.badName(name))
        }
    }

    private func member(_ record: DNSRecord.Data) -> RingMember? {
        switch (record, query) {
        case (.address(let address), .addresses(_, let port)): RingMember("\(MemberAddress(address, port: port))")
        case (.service(let target, let port), .services): RingMember("\(MemberAddress(target, port: port))")
        default: nil
        }
    }

    /// Read each time: it is small and local, and may be changed while the node runs.
    private func configuration() -> DNSConfiguration {
        let bytes = try? RegularFile.read(configurationPath, limit: DNSConfiguration.maximumBytes)
        var configuration = bytes.map { DNSConfiguration(parsing: $0) } ?? DNSConfiguration()
        if !servers.isEmpty { configuration.servers = servers }
        return configuration
    }
}
