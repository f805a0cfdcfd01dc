internal import ConfigTree

/// `exporters.<type>[/name]`: one destination of kept traces.
package struct ExporterConfig: Sendable, Equatable {
    package var id: ComponentID
    package var kind: Kind

    package enum Kind: Sendable, Equatable {
        /// Also `jaeger` and `tempo`, which are OTLP with knowledge of the backend.
        case otlp(OTLPExporterConfig)
        case file(FileExporterConfig)
        case debug(DebugExporterConfig)
    }

    package init(id: ComponentID, kind: Kind) {
        self.id = id
        self.kind = kind
    }
}

/// What an OTLP exporter knows about the other end.
package enum OTLPBackend: String, Sendable {
    case otlp, jaeger, tempo
}

/// `exporters.otlp`, `otlp_grpc`, `jaeger` or `tempo`.
package struct OTLPExporterConfig: Sendable, Equatable {
    package var backend = OTLPBackend.otlp
    package var client = GRPCClientConfig()
    /// Of one attempt; 0 is none.
    package var timeout: Int64 = 5_000_000_000
    /// Nil if switched off: then a request is sent or lost at once.
    package var queue: QueueConfig? = QueueConfig()
    /// Nil if switched off: then a failed attempt is final.
    package var retry: RetryConfig? = RetryConfig()
    /// `tenant` of a `tempo` exporter, sent as `X-Scope-OrgID`. It is not among `client.headers`.
    package var tenant: String?

    /// Every value at its default.
    package init() {}
}

/// `exporters.file[/name]`: OTLP JSON lines.
package struct FileExporterConfig: Sendable, Equatable {
    package var path = ""
    /// False: the file is emptied at start, as the Collector does.
    package var append = false
    /// How long written lines may stay in memory.
    package var flushInterval: Int64 = 1_000_000_000

    /// Every value at its default.
    package init() {}
}

/// `exporters.debug[/name]`.
package struct DebugExporterConfig: Sendable, Equatable {
    package var verbosity = Verbosity.basic
    /// So many messages in a second are logged,
    package var samplingInitial = 2
    /// and then every so many-th.
    package var samplingThereafter = 1

    package enum Verbosity: String, Sendable, CaseIterable {
        case basic, normal, detailed
    }

    /// Every value at its default.
    package init() {}
}

extension ExporterConfig {
    /// - Parameter id: its type is one of the exporters that Tailgate has.
    init(_ id: ComponentID, _ reader: inout ConfigReader) {
        self.id = id
        switch id.type {
        case "file": kind = .file(FileExporterConfig(&reader))
        case "debug": kind = .debug(DebugExporterConfig(&reader))
        default: kind = .otlp(OTLPExporterConfig(OTLPBackend(rawValue: id.type) ?? .otlp, &reader))
        }
        reader.finish()
    }
}

extension OTLPExporterConfig {
    init(_ backend: OTLPBackend, _ reader: inout ConfigReader) {
        self.backend = backend
        client = GRPCClientConfig(&reader)
        timeout = reader.duration("timeout", default: timeout, in: 0...(.max))
        if var section = reader.map("sending_queue") { queue = QueueConfig(&section) }
        if var section = reader.map("retry_on_failure") { retry = RetryConfig(&section) }
        if backend == .tempo { readTenant(&reader) }
        if backend == .jaeger, case .host(let address) = client.endpoint, address.port == 14_250 {
            reader.error(
                "port 14250 speaks Jaeger's legacy protocol (api_v2), which is not in Tailgate yet; Jaeger takes OTLP on port 4317 since 1.35: write `\(NetworkAddress(host: address.host, port: 4317))`",
                key: "endpoint")
        }
    }

    /// Tempo's tenant: at most 150 of the characters that it allows.
    private mutating func readTenant(_ reader: inout ConfigReader) {
        guard let text = reader.stringIfPresent("tenant"), !text.isEmpty else { return }
        let allowed =
            text.utf8.count <= 150
            && text.utf8.allSatisfy { byte in
                byte &- UInt8(ascii: "0") < 10 || (byte | 0x20) &- UInt8(ascii: "a") < 26
                    || "!-_.*'()".utf8.contains(byte)
            }
        if !allowed {
            reader.error(
                "\"\(clipped(text))\" is no tenant id: up to 150 letters, digits and !-_.*'() are allowed",
                key: "tenant")
        } else if client.headers.contains(where: { $0.name == "x-scope-orgid" }) {
            reader.error("the tenant is also set by the header `X-Scope-OrgID`; keep one of them", key: "tenant")
        }
        tenant = text
    }
}

extension FileExporterConfig {
    private enum Format: String, CaseIterable {
        case json, proto
    }

    init(_ reader: inout ConfigReader) {
        path = reader.string("path", default: "")
        if path.isEmpty { reader.error("`path` is missing; write for example `path: ./traces.jsonl`", key: "path") }
        append = reader.bool("append", default: false)
        flushInterval = reader.duration("flush_interval", default: flushInterval, in: 0...(.max))
        if reader.has("flush_interval") {
            reader.warning("every request is written at once, so the key has no effect; leave it out", key: "flush_interval")
        }
        if reader.oneOf("format", default: Format.json) == .proto {
            reader.error("`proto` is not in Tailgate yet; `json` is", key: "format")
        }
        reader.notSupported(["compression"], because: "the file is plain OTLP JSON lines; leave the key out")
        reader.notSupported(["rotation"], because: "the file grows; rotate it from outside, or leave the key out")
        reader.notSupported(["encoding"], because: "`format: json` is the encoding; leave the key out")
        reader.notSupported(["group_by"], because: "everything goes into one file; leave the key out")
        reader.notSupported(
            ["create_directory", "directory_permissions", "sending_queue", "retry_on_failure"],
            because: "leave the key out")
    }
}

extension DebugExporterConfig {
    init(_ reader: inout ConfigReader) {
        verbosity = reader.oneOf("verbosity", default: verbosity)
        samplingInitial = reader.integer("sampling_initial", default: samplingInitial, in: 0...(.max))
        samplingThereafter = reader.integer("sampling_thereafter", default: samplingThereafter, in: 0...(.max))
        reader.notSupported(
            ["use_internal_logger", "output_paths", "sending_queue"], because: "it writes to the log; leave the key out"
        )
    }
}
