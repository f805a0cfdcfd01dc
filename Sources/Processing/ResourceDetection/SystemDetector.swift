internal import ConfigTree

/// `system`: what the host says of itself.
struct SystemDetector: ResourceDetector {
    static let name = "system"

    /// The schema that the Collector's detector names.
    static let schemaURL = "https://opentelemetry.io/schemas/1.40.0"

    static let attributes: [(name: String, isOn: Bool)] = [
        ("host.name", true), ("os.type", true), ("host.id", false), ("host.arch", false), ("host.ip", false),
        ("host.mac", false),
        ("host.interface", false), ("os.description", false), ("os.name", false), ("os.version", false), ("os.build.id", false),
        ("host.cpu.vendor.id", false), ("host.cpu.family", false), ("host.cpu.model.id", false), ("host.cpu.model.name", false),
        ("host.cpu.stepping", false), ("host.cpu.cache.l2.size", false),
    ]

    static let fields: [ProcessorField] = [
        ProcessorField(
            "hostname_sources", .textList, default: "[dns, os]",
            "Where `host.name` comes from; the first source that knows it.",
            allowed: HostnameSource.allCases.map(\.rawValue)),
        DetectorCatalog.resourceAttributes(attributes),
    ]

    private let sources: [HostnameSource]
    private let enabled: Set<String>

    init(_ block: inout ConfigReader) {
        var sources: [HostnameSource] = []
        for text in block.placedStrings("hostname_sources") {
            if let source = HostnameSource(rawValue: text.text) {
                sources.append(source)
            } else {
                block.problems.error(
                    "unknown source `\(clipped(text.text))`; known: \(HostnameSource.allCases.map(\.rawValue).joined(separator: ", "))",
                    at: text.position, keyPath: text.keyPath)
            }
        }
        self.sources = sources.isEmpty ? [.dns, .os] : sources
        enabled = DetectorCatalog.enabled(&block, Self.attributes)
    }

    func need(_ needs: inout DetectionNeeds) {
        for source in sources where !needs.hostnameSources.contains(source) { needs.hostnameSources.append(source) }
        if enabled.contains(where: { $0 != "host.name" && $0 != "os.type" }) { needs.hostDetails = true }
    }

    func detect(_ environment: DetectionEnvironment) throws(DetectionError) -> DetectedResource {
        let host = environment.host
        guard let name = sources.lazy.compactMap({ host.names[$0] }).first(where: { !$0.isEmpty }) else {
            throw DetectionError(
                message: "no source of the host's name has answered: \(sources.map(\.rawValue).joined(separator: ", "))")
        }
        var found = DetectedResource(schemaURL: Self.schemaURL)
        func set(_ key: String, _ value: String) {
            if enabled.contains(key), !value.isEmpty { found.set(key, AnyValueBytes.text(value)) }
        }
        func set(_ key: String, _ values: [String]) {
            if enabled.contains(key) { found.set(key, AnyValueBytes.list(values.map { AnyValueBytes.text($0) })) }
        }
        let release = HostFiles.osRelease(host.osRelease)
        let kernel = host.kernel
        set("host.name", name)
        set("os.type", kernel.system.lowercased())
        set("os.version", release["VERSION_ID"] ?? "")
        set("host.id", HostFiles.firstLine(host.machineID))
        set("host.arch", HostFiles.architecture(kernel.machine))
        let used = host.interfaces.filter { $0.isUp && !$0.isLoopback }
        set("host.ip", used.flatMap(\.addresses))
        set("host.mac", used.filter { !$0.hardwareAddress.isEmpty }.map { HostFiles.macAddress($0.hardwareAddress) })
        set("host.interface", used.map(\.name))
        let uname = [kernel.system, kernel.node, kernel.release, kernel.version, kernel.machine].joined(separator: " ")
        set("os.description", [release["PRETTY_NAME"] ?? "", "(\(uname))"].filter { !$0.isEmpty }.joined(separator: " "))
        set("os.name", release["NAME"] ?? "")
        set("os.build.id", kernel.release)
        let processor = HostFiles.processor(host.cpuInfo)
        set("host.cpu.vendor.id", processor["vendor_id"] ?? "")
        set("host.cpu.family", processor["cpu family"] ?? "")
        set("host.cpu.model.id", processor["model"] ?? "")
        set("host.cpu.model.name", processor["model name"] ?? "")
        set("host.cpu.stepping", processor["stepping"] ?? "")
        if enabled.contains("host.cpu.cache.l2.size"),
            let size = processor["cache size"]?.split(separator: " ").first.flatMap({ Int64($0) })
        {
            found.set("host.cpu.cache.l2.size", AnyValueBytes.integer(size))
        }
        return found
    }
}

/// Reading the files of a Linux host.
enum HostFiles {
    /// The pairs of `/etc/os-release`, without quotes.
    static func osRelease(_ text: String) -> [String: String] {
        var pairs: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) where line.first != "#" {
            guard let equals = line.firstIndex(of: "=") else { continue }
            var value = line[line.index(after: equals)...]
            if let quote = value.first, quote == "\"" || quote == "'", value.count > 1, value.last == quote {
                value = value.dropFirst().dropLast()
            }
            pairs[String(line[..<equals])] = String(value)
        }
        return pairs
    }

    /// What `/proc/cpuinfo` says of the first processor.
    static func processor(_ text: String) -> [String: String] {
        var pairs: [String: String] = [:]
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else {
                if pairs.isEmpty { continue }
                break
            }
            let key = line[..<colon].split(whereSeparator: \.isWhitespace).joined(separator: " ")
            let value = line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace).joined(separator: " ")
            pairs[key] = value
        }
        return pairs
    }

    static func firstLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).first.map { $0.split(whereSeparator: \.isWhitespace).joined() } ?? ""
    }

    /// `uname -m` in the words of the semantic conventions.
    static func architecture(_ machine: String) -> String {
        switch machine {
        case "x86_64": "amd64"
        case "aarch64": "arm64"
        case "i386", "i486", "i586", "i686": "x86"
        case "ppc64", "ppc64le": machine
        default: machine.hasPrefix("armv") ? "arm32" : machine
        }
    }

    /// `AC-DE-48-23-45-67`.
    static func macAddress(_ bytes: [UInt8]) -> String {
        bytes.map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return digits.count < 2 ? "0" + digits : digits
        }.joined(separator: "-")
    }
}
