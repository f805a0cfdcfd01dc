internal import ConfigTree
internal import Processing

/// A component's name in the configuration: its type and, behind a slash, a name of its own.
package struct ComponentID: Sendable, Hashable, CustomStringConvertible {
    /// `otlp`, `tail_sampling`, ...
    package var type: String
    /// Empty if there is no slash.
    package var name: String

    package init(type: String, name: String = "") {
        self.type = type
        self.name = name
    }

    /// As written in the configuration; the label that the component's metrics carry.
    package var description: String { name.isEmpty ? type : "\(type)/\(name)" }

    /// Reads `type` or `type/name`, with blanks trimmed as in the Collector.
    /// - Returns: nil if the type or the name behind a slash is empty.
    init?(parsing text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(trimmed)
        guard let type = parts.first, !type.isEmpty, parts.count == 1 || !parts[1].isEmpty else { return nil }
        self.init(type: type, name: parts.count > 1 ? parts[1] : "")
    }
}

private func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
}

/// A section of the configuration that defines components.
enum ComponentKind: String {
    case receiver, processor, exporter, `extension`

    /// The section's key.
    var section: String { rawValue + "s" }

    /// The types that Tailgate has.
    var supported: [String] {
        switch self {
        case .receiver: ["otlp"]
        case .processor: ["tail_sampling", "batch", "memory_limiter"] + ProcessorCatalog.types.flatMap { $0.typeNames }
        case .exporter: ["otlp", "otlp_grpc", "jaeger", "tempo", "file", "debug"]
        case .extension: ["health_check", "bearertokenauth", "bearer_token_auth", "basicauth", "basic_auth", ClusterConfig.type]
        }
    }

    /// The types that the Collector and its contributed distribution have besides, as far as they are common. A name in
    /// here is no typing error.
    var collectorOnly: [String] {
        switch self {
        case .receiver:
            [
                "jaeger", "zipkin", "opencensus", "kafka", "prometheus", "hostmetrics", "filelog", "file_log",
                "k8s_cluster",
                "kubeletstats", "k8s_events", "k8sobjects", "k8s_objects", "docker_stats", "syslog", "statsd",
                "skywalking",
                "awsxray", "aws_xray", "datadog", "splunk_hec", "fluentforward", "carbon", "collectd", "influxdb",
                "journald",
                "loki", "nop", "pulsar", "otelarrow", "otlpjsonfile", "otlp_json_file", "rabbitmq", "redis", "mysql",
                "postgresql", "sapm", "signalfx", "solace", "sqlquery", "tcplog", "udplog", "webhookevent",
                "windowseventlog",
                "googlecloudpubsub", "awsfirehose", "azureeventhub", "azure_event_hub", "httpcheck", "nginx",
                "receiver_creator",
                "simpleprometheus", "faro",
            ]
        case .processor:
            [
                "attributes", "resource", "filter", "transform", "span", "groupbyattrs", "groupbytrace",
                "k8sattributes",
                "k8s_attributes", "probabilistic_sampler", "resourcedetection", "resource_detection", "redaction",
                "routing",
                "cumulativetodelta", "deltatocumulative", "deltatorate", "interval", "isolationforest", "logdedup",
                "log_dedup",
                "metricsgeneration", "metricstransform", "remotetap", "schema", "spanmetrics", "servicegraph",
                "sumologic", "geoip",
                "dns_lookup", "unroll", "coralogix", "lookup", "dynamic_sampling",
            ]
        case .exporter:
            [
                "otlphttp", "otlp_http", "logging", "nop", "loadbalancing", "load_balancing", "zipkin", "kafka",
                "prometheus",
                "prometheusremotewrite", "elasticsearch", "opensearch", "clickhouse", "datadog", "splunk_hec",
                "awsxray",
                "aws_xray", "awsemf", "awss3", "aws_s3", "awskinesis", "azuremonitor", "azure_monitor", "azureblob",
                "googlecloud",
                "googlecloudstorage", "honeycombmarker", "loki", "otelarrow", "opencensus", "pulsar", "rabbitmq",
                "sapm", "sentry",
                "signalfx", "skywalking", "syslog", "sumologic", "tencentcloudlogservice", "alibabacloudlogservice",
                "alertmanager",
                "carbon", "cassandra", "coralogix", "dataset", "doris", "influxdb", "logicmonitor", "logzio", "mezmo",
                "stef",
                "googlecloudpubsub", "faro",
            ]
        case .extension:
            [
                "zpages", "pprof", "file_storage", "db_storage", "redis_storage", "oauth2client", "oidc", "sigv4auth", "headers_setter", "opamp", "healthcheckv2",
                "health_check_v2", "http_forwarder", "jaegerremotesampling", "jaeger_remote_sampling", "k8s_observer",
                "docker_observer", "ecs_observer", "host_observer", "remotetap", "asapauth", "awsproxy", "ack",
                "memory_limiter",
                "memory_ballast", "otlp_encoding", "cgroupruntime", "k8s_leader_elector", "googleclientauth",
                "azure_auth",
            ]
        }
    }

    /// Why a component of this type can't be used.
    func explain(unsupported type: String) -> String {
        let tailgate = "\(rawValue)s in Tailgate: \(supported.joined(separator: ", "))"
        if collectorOnly.contains(type) {
            return "the Collector's \(rawValue) `\(type)` is not in Tailgate yet; \(tailgate)"
        }
        let nearest = nearestName(to: type, among: supported + collectorOnly).map { "; did you mean `\($0)`?" } ?? ";"
        return "unknown \(rawValue) `\(clipped(type))`\(nearest) \(tailgate)"
    }
}
