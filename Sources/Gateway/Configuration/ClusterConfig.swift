package import Cluster
internal import ConfigTree
package import Transport

/// `extensions.cluster`: how this node and its peers find each other. An extension of Tailgate's own.
package struct ClusterConfig: Sendable, Equatable {
    package static let type = "cluster"
    package var id = ComponentID(type: Self.type)
    /// Where spans from peers, hand-overs and health come in. An empty host means all interfaces.
    package var listen: NetworkAddress
    /// Where peers reach this node; its identity in the ring.
    package var advertise: MemberAddress
    package var resolver: Resolver
    /// Bytes per second that this node hands over when the ring changes.
    package var handoffBandwidth = 100 << 20
    /// How long clients' spans are gathered into one batch for their owner, nanoseconds.
    package var forwardDelay: Int64 = 5_000_000
    /// How long a leaving node may take to hand its spans over, nanoseconds.
    package var drainTimeout: Int64 = 30_000_000_000
    /// Between nodes. Compression costs more than a local network does, so there is none unless asked for.
    package var compression = GRPCCompression.none
    /// By address; who is not in here has 1. Should be the same on all nodes.
    package var weights: [String: UInt8] = [:]
    /// Of `listen`: one `tls` block serves for both sides. `auth` is asked of peers, and shown to them.
    package var guards = ListenerGuardsConfig()
    /// Of connections to peers; nil: plain text.
    package var peerTLS: TLSSettings?

    package var auth: AuthReference? { guards.auth }

    package enum Resolver: Sendable, Equatable {
        /// Never empty.
        case `static`([MemberAddress])
        case file(path: String, interval: Int64)
        /// `types`: only the kind of addresses that `advertise` is of, as a pod with two addresses would count twice.
        case dns(DNSSettings, types: [DNSRecordType], port: UInt16)
        case dnsService(DNSSettings)
    }

    /// What both kinds of DNS resolvers have.
    package struct DNSSettings: Sendable, Equatable {
        package var hostname: String
        /// From one look-up to the next, nanoseconds.
        package var interval: Int64 = 5_000_000_000
        /// For a look-up with all its questions, nanoseconds.
        package var timeout: Int64 = 10_000_000_000
        /// Asked instead of those in `/etc/resolv.conf`, if there are any.
        package var servers: [MemberAddress] = []
    }

    /// This node's own weight.
    package var weight: UInt8 { weights["\(advertise)"] ?? 1 }

    /// A hand-over of less within `drainTimeout` is warned of: half of the memory of the node that `Deploy/kubernetes` makes.
    static let smallestHandover = 2 << 30
}

extension ClusterConfig {
    private static let second: Int64 = 1_000_000_000

    /// Nil if there is no address or no resolver to work with, which is reported.
    init?(_ id: ComponentID, _ reader: inout ConfigReader) {
        let listen = Self.readListen(&reader)
        let advertise = Self.readAdvertise(&reader)
        let resolver = Self.readResolver(&reader, advertise)
        let bandwidth = reader.byteCount("handoff_bandwidth", default: 100 << 20, in: 1 << 20...1 << 40)
        let forwardDelay = reader.duration("forward_delay", default: 5_000_000, in: 0...Self.second)
        let drainTimeout = reader.duration("drain_timeout", default: 30 * Self.second, in: Self.second...3600 * Self.second)
        let compression = reader.oneOf("compression", default: GRPCCompression.none)
        var weights: [String: UInt8] = [:]
        if var section = reader.map("weights") { weights = Self.readWeights(&section, resolver) }
        let tls = TLSConfig.peers(&reader)
        var guards = ListenerGuardsConfig()
        guards.tls = tls?.server
        guards.auth = AuthReference.read(&reader)
        if var section = reader.map("limits") { guards.limits = ListenerLimitsConfig(&section) }
        reader.finish()
        let (handover, overflow) = bandwidth.multipliedReportingOverflow(by: Int(drainTimeout / Self.second))
        if !overflow, handover < Self.smallestHandover {
            reader.warning(
                "a leaving node hands over \(handover >> 20) MiB at most in its drain_timeout of \(GoDuration.describe(drainTimeout)), and what it holds beyond is decided there, apart from the rest of its traces; give it \(Self.smallestHandover >> 20) MiB or more",
                key: "handoff_bandwidth")
        }
        guard let listen, let advertise, let resolver else { return nil }
        self.id = id
        self.listen = listen
        self.advertise = advertise
        self.resolver = resolver
        handoffBandwidth = bandwidth
        self.forwardDelay = forwardDelay
        self.drainTimeout = drainTimeout
        self.compression = compression
        self.weights = weights
        self.guards = guards
        peerTLS = tls?.client
    }

    private static func readListen(_ reader: inout ConfigReader) -> NetworkAddress? {
        guard let text = reader.stringIfPresent("listen") else {
            reader.missing("listen", "write `listen: 0.0.0.0:4319`")
            return nil
        }
        switch NetworkAddress.parse(text, allowsAnyHost: true, ports: 1...65_535) {
        case .success(let address): return address
        case .failure(let wrong):
            reader.error(wrong.message, key: "listen")
            return nil
        }
    }

    private static func readAdvertise(_ reader: inout ConfigReader) -> MemberAddress? {
        guard let text = reader.stringIfPresent("advertise") else {
            reader.missing("advertise", "write where peers reach this node, such as `advertise: ${env:POD_IP}:4319`")
            return nil
        }
        do {
            let address = try MemberAddress(parsing: text)
            if case .address(let ip) = address.host, ip.isUnspecified {
                reader.error("\"\(clipped(text))\" is no address that peers can reach; write this node's own", key: "advertise")
                return nil
            }
            return address
        } catch {
            reader.error("\"\(clipped(text))\" \(error)", key: "advertise")
            return nil
        }
    }

    private static func readWeights(_ reader: inout ConfigReader, _ resolver: Resolver?) -> [String: UInt8] {
        var weights: [String: UInt8] = [:]
        for entry in reader.keys {
            let range = 1...Int(HashRing.maximumWeight)
            let weight = UInt8(clamping: reader.integer(entry.key, default: 1, in: range))
            func fail(_ message: String) {
                reader.problems.error(message, at: entry.keyPosition, keyPath: reader.keyPath)
            }
            do {
                let address = try MemberAddress(parsing: entry.key)
                if case .static(let members)? = resolver, !members.contains(address) {
                    let nearest = nearestName(to: "\(address)", among: members.map { "\($0)" }).map { "; did you mean `\($0)`?" } ?? ""
                    fail("`\(address)` is no member\(nearest)")
                } else if weights.updateValue(weight, forKey: "\(address)") != nil {
                    fail("`\(address)` has two weights; keep one")
                }
            } catch {
                fail("\"\(clipped(entry.key))\" \(error)")
            }
        }
        return weights
    }
}

extension ConfigReader {
    /// Reports a key without which there is nothing to work with, unless it is written and was found wrong already.
    fileprivate mutating func missing(_ key: String, _ advice: String) {
        if let node = node(key), node.value != .null { return }
        error("`\(key)` is missing; \(advice)", key: key)
    }
}
