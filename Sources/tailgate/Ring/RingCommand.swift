internal import ReportText
internal import ArgumentParser
internal import Cluster
internal import ConfigTree
internal import Gateway
internal import LoadTools
internal import NIOPosix
internal import OTLP
internal import Transport

struct RingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ring",
        abstract: "Show which node of a cluster owns what.",
        discussion: """
            Reads `extensions.cluster` of a configuration, asks its resolver once, and computes the ring of all members that it names, \
            as every node does. Nodes are not asked: one that is in the list and does not answer is routed around by its peers, and \
            the ring in force is the one that nodes report.

            Exit code 64 if the configuration is wrong, 69 if the resolver finds nobody.

            Examples:
              tailgate ring --config gateway.yaml
              tailgate ring --config gateway.yaml 5b8efff798038103d269b633813fc60c
            """)

    @Option(name: .shortAndLong, help: "The configuration file (YAML, the OpenTelemetry Collector's format).")
    var config: String

    @Argument(help: "A trace id, 32 hexadecimal digits: who owns it?")
    var trace: TraceIDArgument?

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() async throws {
        let (loaded, problems) = ConfigurationLoader.loadCluster(path: config, environment: .command)
        if !problems.all.isEmpty { StandardError.print(ProblemReport.text(problems)) }
        guard let loaded, !problems.hasErrors else { throw ExitCodes.configuration }
        let resolution = await MemberResolvers.watch(loaded, on: MultiThreadedEventLoopGroup.singleton).once()
        let members: [RingMember]
        switch resolution {
        case .complete(let list), .partial(let list): members = list
        case .failed(let failure):
            StandardError.print("tailgate: no members: \(failure)")
            throw ExitCodes.unavailable
        }
        guard let ring = HashRing(members) else {
            StandardError.print("tailgate: \(members.count) members; a ring has 1 to \(ClusterLimits.maximumMembers)")
            throw ExitCodes.unavailable
        }
        let report = RingReport(ring, self: "\(loaded.advertise)", trace: trace?.id)
        print(json ? report.json.rendered() : report.text)
    }
}

/// 32 hexadecimal digits, not all zero.
struct TraceIDArgument: ExpressibleByArgument, Sendable {
    var id: TraceID

    init?(argument: String) {
        guard let id = TraceID(hex: argument), !id.isZero else { return nil }
        self.id = id
    }
}
