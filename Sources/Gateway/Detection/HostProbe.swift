internal import NIOCore
internal import NIOPosix
internal import NativeCore
internal import Processing

/// Gathers what detectors of `resourcedetection` read: once, before the node starts.
enum HostProbe {
    /// The facts that are needed, as far as they can be had in time.
    ///
    /// - Parameters:
    ///   - needs: of all detectors together; nothing else is looked at.
    ///   - variables: of the process.
    static func look(_ needs: DetectionNeeds, variables: [String: String]) async -> DetectionEnvironment {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        let timeout = needs.timeout > 0 ? needs.timeout : 5_000_000_000
        // A resolver that does not answer is left behind: its thread ends when its own time-out is over.
        async let names = within(timeout) { try? await pool.runIfActive { hostNames(needs.hostnameSources) } }
        async let docker = needs.docker ? DockerProbe.ask(variables: variables, timeout: timeout) : nil
        var environment = DetectionEnvironment(variables: variables)
        environment.host.kernel = kernel()
        environment.host.names = await names ?? [.os: environment.host.kernel.node]
        if needs.hostDetails { addDetails(&environment.host) }
        environment.docker = await docker
        pool.shutdownGracefully { _ in }
        return environment
    }

    /// What comes first: the value, or the end of the time.
    private static func within<Value: Sendable>(
        _ timeout: Int64, _ body: @escaping @Sendable () async -> Value?
    ) async -> Value? {
        let (stream, continuation) = AsyncStream<Value?>.makeStream()
        let work = Task { continuation.yield(await body()) }
        let clock = Task {
            try? await Task.sleep(for: .nanoseconds(timeout))
            continuation.yield(nil)
        }
        defer {
            work.cancel()
            clock.cancel()
        }
        for await value in stream { return value }
        return nil
    }

    private static func text(_ path: String, limit: Int = 1 << 20) -> String? {
        (try? RegularFile.read(path, limit: limit)).map { String(decoding: $0, as: UTF8.self) }
    }

    private static func line(_ path: String) -> String {
        text(path)?.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    }

    private static func kernel() -> KernelFacts {
        var facts = KernelFacts()
        facts.node = line("/proc/sys/kernel/hostname")
        facts.release = line("/proc/sys/kernel/osrelease")
        facts.version = line("/proc/sys/kernel/version")
        #if arch(x86_64)
            facts.machine = "x86_64"
        #elseif arch(arm64)
            facts.machine = "aarch64"
        #endif
        return facts
    }

    /// Asks one source after the other.
    private static func hostNames(_ sources: [HostnameSource]) -> [HostnameSource: String] {
        let own = line("/proc/sys/kernel/hostname")
        var names: [HostnameSource: String] = [:]
        for source in sources {
            switch source {
            case .os: names[.os] = own
            case .dns: names[.dns] = fullName(of: own, in: text("/etc/hosts") ?? "") ?? HostNames.nameOfAddress(of: own)
            case .cname: names[.cname] = HostNames.canonicalName(of: own)
            case .lookup: names[.lookup] = HostNames.nameOfAddress(of: own)
            }
        }
        return names
    }

    /// The first name of the line of `/etc/hosts` that has this one.
    static func fullName(of name: String, in hosts: String) -> String? {
        for line in hosts.split(whereSeparator: \.isNewline) {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            if words.dropFirst().contains(where: { $0 == name }) { return String(words[1]) }
        }
        return nil
    }

    private static func addDetails(_ host: inout HostFacts) {
        host.machineID = text("/etc/machine-id") ?? text("/var/lib/dbus/machine-id") ?? ""
        host.osRelease = text("/etc/os-release") ?? text("/usr/lib/os-release") ?? ""
        host.cpuInfo = text("/proc/cpuinfo", limit: 16 << 20) ?? ""
        var interfaces: [NetworkInterface] = []
        for device in (try? System.enumerateDevices()) ?? [] {
            if let place = interfaces.firstIndex(where: { $0.name == device.name }) {
                if let address = device.address?.ipAddress { interfaces[place].addresses.append(address) }
                continue
            }
            // IFF_UP and IFF_LOOPBACK of <net/if.h>.
            let flags = Int(line("/sys/class/net/\(device.name)/flags").dropFirst(2), radix: 16) ?? 0
            let hardware = line("/sys/class/net/\(device.name)/address").split(separator: ":").compactMap { UInt8($0, radix: 16) }
            interfaces.append(
                NetworkInterface(
                    name: device.name, isUp: flags & 1 != 0, isLoopback: flags & 8 != 0,
                    hardwareAddress: hardware.count == 6 && hardware.contains { $0 != 0 } ? hardware : [],
                    addresses: device.address?.ipAddress.map { [$0] } ?? []))
        }
        host.interfaces = interfaces
    }
}
