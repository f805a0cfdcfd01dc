package import NIOCore
internal import Cluster
package import Transport

/// Makes what a configuration describes.
package enum MemberResolvers {
    /// A watch over the configured resolver. DNS questions go over sockets on `group`'s loops.
    package static func watch(_ config: ClusterConfig, on group: any EventLoopGroup) -> MemberWatch {
        MemberWatch(make(config.resolver, on: group), weights: config.weights)
    }

    private static func make(_ resolver: ClusterConfig.Resolver, on group: any EventLoopGroup) -> any MemberResolver {
        switch resolver {
        case .static(let members): StaticMemberResolver(members.map { RingMember("\($0)") }.sorted())
        case .file(let path, let interval): FileMemberResolver(path: path, interval: interval)
        case .dns(let settings, let types, let port): make(settings, .addresses(types, port: port), group)
        case .dnsService(let settings): make(settings, .services, group)
        }
    }

    private static func make(
        _ settings: ClusterConfig.DNSSettings, _ query: DNSMemberResolver.Query, _ group: any EventLoopGroup
    ) -> DNSMemberResolver {
        DNSMemberResolver(
            settings.hostname, query, servers: settings.servers, interval: settings.interval, timeout: settings.timeout,
            group: group)
    }
}
