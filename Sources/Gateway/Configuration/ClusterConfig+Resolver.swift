internal import Cluster
internal import ConfigTree

extension ClusterConfig {
    private static let example = "`resolver: {dns: {hostname: tailgate-headless, port: 4319}}`"

    /// `resolver`: a map with one key, which is the kind.
    static func readResolver(_ reader: inout ConfigReader, _ advertise: MemberAddress?) -> Resolver? {
        guard var section = reader.map("resolver") else {
            reader.error("`resolver` is missing; write for example \(example)", key: "resolver")
            return nil
        }
        var resolvers: [Resolver?] = []
        if var settings = section.map("static") { resolvers.append(readStatic(&settings, advertise)) }
        if var settings = section.map("file") { resolvers.append(readFile(&settings)) }
        if var settings = section.map("dns") { resolvers.append(readDNS(&settings, advertise)) }
        if var settings = section.map("dns_srv") { resolvers.append(readService(&settings, advertise)) }
        section.notSupported(
            ["k8s", "aws_cloud_map"], because: "write `dns: {hostname: ...}` with the name of a headless service")
        section.finish()
        if resolvers.count > 1 {
            section.error("there are \(resolvers.count) resolvers; keep one of them")
        } else if resolvers.isEmpty, section.keys.isEmpty, reader.isEmptyMap("resolver") {
            section.error("there is no resolver; write `static`, `file`, `dns` or `dns_srv`, for example \(example)")
        }
        return resolvers.count == 1 ? resolvers[0] : nil
    }

    private static func readStatic(_ reader: inout ConfigReader, _ advertise: MemberAddress?) -> Resolver? {
        let texts = reader.placedStrings("members")
        reader.finish()
        var members: [MemberAddress] = []
        var isWrong = false
        for text in texts {
            func fail(_ message: String) {
                isWrong = true
                reader.problems.error(message, at: text.position, keyPath: text.keyPath)
            }
            do {
                let member = try MemberAddress(parsing: text.text)
                if members.contains(member) {
                    fail("`\(member)` is named twice; keep one of them")
                } else {
                    members.append(member)
                }
            } catch {
                fail("\"\(clipped(text.text))\" \(error)")
            }
        }
        if texts.isEmpty {
            reader.error("there are no members; write `members: [host:port, ...]`, this node among them", key: "members")
        }
        if members.count > ClusterLimits.maximumMembers {
            isWrong = true
            reader.error(
                "\(members.count) members are more than a ring has room for: \(ClusterLimits.maximumMembers)", key: "members")
        }
        guard !isWrong, !members.isEmpty else { return nil }
        if let advertise, !members.contains(advertise) {
            let nearest = nearestName(to: "\(advertise)", among: members.map { "\($0)" }).map { "; did you mean `\($0)`?" } ?? ""
            reader.warning(
                "`advertise` (\(advertise)) is not among them, so that this node will own no traces\(nearest)", key: "members")
        }
        return .static(members)
    }

    private static func readFile(_ reader: inout ConfigReader) -> Resolver? {
        let path = reader.stringIfPresent("path") ?? ""
        let interval = reader.duration("interval", default: 1_000_000_000, in: 100_000_000...3_600_000_000_000)
        if path.isEmpty { reader.error("`path` is missing; name a file with one `host:port` a line", key: "path") }
        reader.finish()
        return path.isEmpty ? nil : .file(path: path, interval: interval)
    }

    private static func readDNS(_ reader: inout ConfigReader, _ advertise: MemberAddress?) -> Resolver? {
        let settings = readSettings(&reader, example: "tailgate-headless")
        let port = reader.integer("port", default: Int(advertise?.port ?? 4319), in: 1...65_535)
        reader.finish()
        if let advertise, Int(advertise.port) != port {
            reader.warning(
                "`advertise` has the port \(advertise.port), so that this node will own no traces; write the same port", key: "port")
        }
        var types: [DNSRecordType] = [.a, .aaaa]
        switch advertise?.host {
        case .address(let address): types = [address.isIPv4 ? .a : .aaaa]
        case .name(let name):
            reader.error(
                "nodes are known by address here, and `advertise` is the name \"\(clipped(name))\"; write this node's address in it, such as `${env:POD_IP}:\(port)`"
            )
            return nil
        case nil: break
        }
        return settings.map { .dns($0, types: types, port: UInt16(clamping: port)) }
    }

    private static func readService(_ reader: inout ConfigReader, _ advertise: MemberAddress?) -> Resolver? {
        let settings = readSettings(&reader, example: "_peers._tcp.tailgate-headless")
        reader.notSupported(["port"], because: "SRV records bring it; leave the key out")
        reader.finish()
        if case .address(let address)? = advertise?.host {
            reader.error(
                "nodes are known by their SRV records' names here, and `advertise` is the address \(address); write this node's name in it, such as `${env:HOSTNAME}.tailgate-headless.tracing.svc.cluster.local:4319`"
            )
            return nil
        }
        return settings.map { .dnsService($0) }
    }

    private static func readSettings(_ reader: inout ConfigReader, example: String) -> DNSSettings? {
        let hostname = reader.stringIfPresent("hostname") ?? ""
        var settings = DNSSettings(hostname: hostname)
        settings.interval = reader.duration("interval", default: settings.interval, in: 100_000_000...3_600_000_000_000)
        settings.timeout = reader.duration("timeout", default: settings.timeout, in: 100_000_000...300_000_000_000)
        for server in reader.placedStrings("servers") {
            do {
                let address = try MemberAddress(parsing: server.text)
                guard case .address = address.host else {
                    reader.problems.error(
                        "\"\(clipped(server.text))\" is a name; write a name server's address, such as `127.0.0.1:8600`",
                        at: server.position, keyPath: server.keyPath)
                    continue
                }
                settings.servers.append(address)
            } catch {
                reader.problems.error("\"\(clipped(server.text))\" \(error)", at: server.position, keyPath: server.keyPath)
            }
        }
        if settings.servers.count > 3 {
            reader.error("\(settings.servers.count) name servers; 3 at most are expected", key: "servers")
        }
        if hostname.isEmpty {
            reader.error("`hostname` is missing; write for example `hostname: \(example)`", key: "hostname")
            return nil
        }
        if DNSName(hostname) == nil {
            reader.error(
                "\"\(clipped(hostname))\" can be no name in DNS: labels of 1 to 63 letters, digits, `-` and `_` are expected, with dots between",
                key: "hostname")
            return nil
        }
        return settings
    }
}

extension ConfigReader {
    /// Whether a map stands under the key, or nothing; anything else has been reported as no map.
    fileprivate mutating func isEmptyMap(_ key: String) -> Bool {
        switch node(key)?.value {
        case .map(let entries)?: entries.isEmpty
        case .null?: true
        default: false
        }
    }
}
