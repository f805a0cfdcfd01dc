import ConfigTree
import Gateway
import Testing

/// What users get to read: every message word for word, with line and column.
@Suite struct BrokenConfigurationTests {
    /// A change of a configuration that loads, and what is then reported.
    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var problems: [String]
        var testDescription: String { problems.first ?? text }

        init(_ text: String, _ problems: String...) {
            self.text = text
            self.problems = problems
        }
    }

    private static func otlp(_ settings: String) -> String { minimal(exporter: "otlp: {\(settings)}") }
    private static func plain(_ settings: String) -> String {
        minimal(exporter: "otlp: {endpoint: \"x:4317\", tls: {insecure: true}, \(settings)}")
    }

    static let receivers: [Case] = [
        Case(
            minimal(receiver: ""),
            "t.yaml:1:19: receivers.otlp: `protocols` is missing; write `protocols: {grpc: , http: }`, with or without settings"
        ),
        Case(
            minimal(receiver: "protocols: "),
            "t.yaml:1:31: receivers.otlp.protocols: no protocol is switched on; write `grpc:` or `http:` below it, with or without settings"
        ),
        Case(
            minimal(receiver: "protocols: {http: {endpoint: x}}"),
            #"t.yaml:1:49: receivers.otlp.protocols.http.endpoint: "x" has no port; write `host:port`, such as `localhost:4317`"#
        ),
        Case(
            minimal(receiver: "protocols: {http: {transport: unix}}"),
            "t.yaml:1:38: receivers.otlp.protocols.http.endpoint: with `transport: unix` the endpoint is the path of the socket, at most 107 bytes, such as `/run/tailgate.sock`"
        ),
        Case(
            minimal(receiver: "protocols: {http: {logs_url_path: v1/traces}}"),
            "t.yaml:1:38: receivers.otlp.protocols.http.traces_url_path: two signals have the same path; give each its own"
        ),
        Case(
            minimal(receiver: "protocols: {http: {compression_algorithms: [gzip, zstd, middle]}}"),
            "t.yaml:1:70: receivers.otlp.protocols.http.compression_algorithms[1]: `zstd` is not in Tailgate; allowed: \"\", gzip, zlib, deflate",
            "t.yaml:1:76: receivers.otlp.protocols.http.compression_algorithms[2]: `middle` is no compression; allowed: \"\", gzip, zlib, deflate"
        ),
        Case(
            minimal(receiver: "protocols: {http: {response_headers: {content-length: \"5\", Date: x, x-a: \"b\\nc\"}}}"),
            "t.yaml:1:58: receivers.otlp.protocols.http.response_headers: \"content-length\" is no name of a header that can be set",
            "t.yaml:1:79: receivers.otlp.protocols.http.response_headers: Tailgate sets the header `Date` itself; leave it out",
            "t.yaml:1:93: receivers.otlp.protocols.http.response_headers.x-a: a header's value is visible ASCII; this has other characters (a line break?)"
        ),
        Case(
            minimal(receiver: "protocols: {http: {profiles_url_path: /x}}"),
            "t.yaml:1:39: receivers.otlp.protocols.http.profiles_url_path: `profiles_url_path` is not in Tailgate yet: profiles are not taken; leave the key out"
        ),
        Case(
            minimal(receiver: "protocols: {http: {cors: {max_age: 5}}}"),
            "t.yaml:1:45: receivers.otlp.protocols.http.cors: warning: without `allowed_origins` no page of another origin may send; write for example `allowed_origins: [\"https://*.example.com\"]`"
        ),
        Case(
            minimal(receiver: "protocols: {grpc: {endpoint: localhost}}"),
            #"t.yaml:1:49: receivers.otlp.protocols.grpc.endpoint: "localhost" has no port; write `host:port`, such as `localhost:4317`"#
        ),
        Case(
            minimal(receiver: "protocols: {grpc: {endpoint: \"::1:4317\"}}"),
            #"t.yaml:1:49: receivers.otlp.protocols.grpc.endpoint: "::1:4317" is ambiguous; write an IPv6 address in brackets, such as `[::1]:4317`"#
        ),
        Case(
            minimal(receiver: "protocols: {grpc: {endpoint: \"localhost:http\"}}"),
            #"t.yaml:1:49: receivers.otlp.protocols.grpc.endpoint: "http" in "localhost:http" is no port; a number from 0 to 65535 is expected"#
        ),
        Case(
            minimal(receiver: "protocols: {grpc: {endpoint: \"localhost:70000\"}}"),
            #"t.yaml:1:49: receivers.otlp.protocols.grpc.endpoint: "70000" in "localhost:70000" is no port; a number from 0 to 65535 is expected"#
        ),
        Case(
            minimal(receiver: "protocols: {grpc: {endpoint: 4317}}"),
            #"t.yaml:1:49: receivers.otlp.protocols.grpc.endpoint: `4317` is a number; text is expected: write "4317" with quotes"#
        ),
        Case(
            minimal(receiver: "protocols: {grpc: {max_recv_msg_size_mib: 4096}}"),
            "t.yaml:1:62: receivers.otlp.protocols.grpc.max_recv_msg_size_mib: `4096` is out of range: 0 to 1024 is expected"
        ),
        Case(
            minimal(receiver: "protocols: {grpc: {max_recv_msg_size: 4}}"),
            "t.yaml:1:39: receivers.otlp.protocols.grpc.max_recv_msg_size: unknown key `max_recv_msg_size`; did you mean `max_recv_msg_size_mib`? known keys: transport, endpoint, max_recv_msg_size_mib, max_concurrent_streams, read_buffer_size, write_buffer_size, keepalive, include_metadata, tls, auth, limits"
        ),
        Case(
            minimal(receiver: "protocols: {grpc: {tls: {cert_file: a}, transport: udp, include_metadata: true}}"),
            "t.yaml:1:44: receivers.otlp.protocols.grpc.tls: `key_file` is missing: a certificate is of use only with its private key",
            "t.yaml:1:71: receivers.otlp.protocols.grpc.transport: `udp` is not in Tailgate; `tcp` and `unix` are",
            "t.yaml:1:94: receivers.otlp.protocols.grpc.include_metadata: `include_metadata: true` is not in Tailgate yet: client metadata is not passed on"
        ),
        Case(
            minimal(
                receiver:
                    "protocols: {grpc: {keepalive: {server_parameters: {max_connection_age: 5}, enforcment_policy: }}}"),
            "t.yaml:1:91: receivers.otlp.protocols.grpc.keepalive.server_parameters.max_connection_age: warning: 5 without a unit is 5 nanoseconds, as in the Collector; write `5s` for seconds",
            "t.yaml:1:95: receivers.otlp.protocols.grpc.keepalive.enforcment_policy: unknown key `enforcment_policy`; did you mean `enforcement_policy`? known keys: server_parameters, enforcement_policy"
        ),
        Case(
            minimal(receiver: "protocols: {grcp: }"),
            "t.yaml:1:32: receivers.otlp.protocols.grcp: unknown key `grcp`; did you mean `grpc`? known keys: grpc, http"
        ),
    ]

    static let processors: [Case] = [
        Case(
            minimal(sampling: "decision_wait: 10, policies: [{}]"),
            "t.yaml:2:45: processors.tail_sampling.decision_wait: warning: 10 without a unit is 10 nanoseconds, as in the Collector; write `10s` for seconds",
            "t.yaml:2:45: processors.tail_sampling.decision_wait: `10` is out of range: 1ms to 24h is expected"),
        Case(
            minimal(sampling: "decision_wait: \"10\", policies: [{}]"),
            #"t.yaml:2:45: processors.tail_sampling.decision_wait: "10" is no duration: a number lacks its unit (ns, us, ms, s, m, h); write for example `10s`"#
        ),
        Case(
            minimal(sampling: "decision_wait: 0s, policies: [{}]"),
            "t.yaml:2:45: processors.tail_sampling.decision_wait: `0s` is out of range: 1ms to 24h is expected"),
        Case(
            minimal(sampling: "decision_wait: 10sec, policies: [{}]"),
            "t.yaml:2:45: processors.tail_sampling.decision_wait: `10sec` is no duration: `sec` is no unit; known units: ns, us, ms, s, m, h"
        ),
        Case(
            minimal(sampling: "decison_wait: 10s, policies: [{}]"),
            "t.yaml:2:30: processors.tail_sampling.decison_wait: unknown key `decison_wait`; did you mean `decision_wait`? known keys: decision_wait, decision_wait_after_root_received, num_traces, expected_new_traces_per_sec, block_on_overflow, policies, decision_cache, sample_on_first_match, drop_pending_traces_on_shutdown, drain_timeout, sampling_strategy, maximum_trace_size_bytes, record_policy, decision_records, shadow_policies"
        ),
        Case(
            minimal(sampling: "decision_records: -1, block_on_overflow: true, policies: [{}]"),
            "t.yaml:2:48: processors.tail_sampling.decision_records: `-1` is out of range: 0 to 10000000 is expected",
            "t.yaml:2:71: processors.tail_sampling.block_on_overflow: warning: without `num_traces` there is no limit of traces to block at; when memory is short, requests are refused in any case"
        ),
        Case(
            minimal(sampling: "sampling_strategy: span-ingest, shadow_policies: [{}], policies: [{}]"),
            "t.yaml:2:79: processors.tail_sampling.shadow_policies: shadow policies judge complete traces, which `sampling_strategy: span-ingest` does not wait for; leave one of them out"
        ),
        Case(
            minimal(sampling: "sampling_strategy: \"\", policies: [{}]"),
            #"t.yaml:2:49: processors.tail_sampling.sampling_strategy: "" is not known here; allowed: trace-complete, span-ingest"#
        ),
        Case(
            minimal(sampling: "sampling_strategy: span_ingest, policies: [{}]"),
            "t.yaml:2:49: processors.tail_sampling.sampling_strategy: `span_ingest` is not known here; did you mean `span-ingest`? allowed: trace-complete, span-ingest"
        ),
        Case(
            minimal(sampling: "tail_storage: file_storage, policies: [{}]"),
            "t.yaml:2:30: processors.tail_sampling.tail_storage: `tail_storage` is not in Tailgate yet: spans wait in memory; leave the key out"
        ),
        Case(
            minimal(sampling: "maximum_trace_size_bytes: -1, policies: [{}]"),
            "t.yaml:2:56: processors.tail_sampling.maximum_trace_size_bytes: `-1` is out of range: at least 0 is expected"
        ),
        Case(
            minimal(sampling: "num_traces: -1, policies: [{}]"),
            "t.yaml:2:42: processors.tail_sampling.num_traces: `-1` is out of range: 0 to 4294967295 is expected",
            "t.yaml:2:42: processors.tail_sampling.num_traces: warning: Tailgate bounds its memory in bytes (`memory_limiter`) and needs no limit of traces; this one is kept: beyond it the oldest traces are decided early, on the spans that have come. Leave it out unless you want that"
        ),
        Case(
            minimal(sampling: "sample_on_first_match: yes, policies: [{}]"),
            "t.yaml:2:53: processors.tail_sampling.sample_on_first_match: `yes` is text; `true` or `false` is expected"),
        Case(
            minimal(sampling: "decision_cache: {sampled_cache_size: many, size: 5}, policies: [{}]"),
            "t.yaml:2:67: processors.tail_sampling.decision_cache.sampled_cache_size: `many` is text; an integer is expected",
            "t.yaml:2:73: processors.tail_sampling.decision_cache.size: unknown key `size`; known keys: sampled_cache_size, non_sampled_cache_size"
        ),
        Case(
            minimal(sampling: "policies: []"),
            "t.yaml:2:40: processors.tail_sampling.policies: warning: there are no policies, so no trace is sampled"),
        Case(
            minimal(sampling: ""),
            "t.yaml:2:29: processors.tail_sampling.policies: warning: there are no policies, so no trace is sampled"),
        Case(
            minimal(sampling: "policies: all"),
            "t.yaml:2:40: processors.tail_sampling.policies: `all` stands here; a list is expected (`- item` lines)"),
        Case(
            minimal(sampling: "policies: {test: []}"),
            "t.yaml:2:40: processors.tail_sampling.policies: a list of policies is expected, or a policy file with a `policies:` list",
            "t.yaml:2:41: processors.tail_sampling.policies.test: unknown key `test`; did you mean `tests`? known keys: policies, tests, settings, name, description, version"
        ),
        Case(
            minimal(sampling: "policies: {policies: [{}], polices: 1}"),
            "t.yaml:2:57: processors.tail_sampling.policies.polices: unknown key `polices`; did you mean `policies`? known keys: policies, tests, settings, name, description, version"
        ),
        Case(
            minimal(processors: "batch: {send_batch_size: 100, send_batch_max_size: 50, metadata_keys: [a]}"),
            "t.yaml:2:77: processors.batch: warning: `batch` is defined but not in use; name it in `service.pipelines.traces` or leave it out",
            "t.yaml:2:128: processors.batch.send_batch_max_size: `50` is less than send_batch_size (100); write at least that, or 0 for no limit",
            "t.yaml:2:147: processors.batch.metadata_keys: warning: `metadata_keys` changes nothing: what is batched here has been sampled, and a sampled trace, put together from many clients' requests, bears no client's metadata (behind the Collector's tail_sampling neither). Leave it out; for a tenant, give an exporter `tenant` or `headers`"
        ),
        Case(
            minimal(processors: "memory_limiter: "),
            "t.yaml:2:93: processors.memory_limiter.check_interval: `check_interval` is missing or 0; write for example `check_interval: 1s`",
            "t.yaml:2:93: processors.memory_limiter: there is no limit; write `limit_mib` or `limit_percentage`"),
        Case(
            minimal(processors: "memory_limiter: {check_interval: 1s, limit_mib: 100, spike_limit_mib: 100}"),
            "t.yaml:2:77: processors.memory_limiter: warning: `memory_limiter` is defined but not in use; name it in `service.pipelines.traces` or leave it out",
            "t.yaml:2:147: processors.memory_limiter.spike_limit_mib: `100` is not less than limit_mib (100)"),
        Case(
            minimal(processors: "memory_limiter: {check_interval: 1s, limit_percentage: 120}"),
            "t.yaml:2:93: processors.memory_limiter: there is no limit; write `limit_mib` or `limit_percentage`",
            "t.yaml:2:132: processors.memory_limiter.limit_percentage: `120` is out of range: 0 to 100 is expected"),
        Case(
            minimal(processors: "k8sattributes: {}"),
            "t.yaml:2:77: processors.k8sattributes: the Collector's processor `k8sattributes` is not in Tailgate yet; processors in Tailgate: \(processorTypes)"
        ),
        Case(
            minimal(processors: "tail_sampler: {}"),
            "t.yaml:2:77: processors.tail_sampler: unknown processor `tail_sampler`; did you mean `tail_sampling`? processors in Tailgate: \(processorTypes)"
        ),
        Case(
            minimal(processors: "batch/: {}"),
            #"t.yaml:2:77: processors: "batch/" is no component; write `type` or `type/name`"#),
        Case(
            minimal(processors: "batch/a : {}, \"batch/ a\": {}"),
            "t.yaml:2:77: processors.batch/a: warning: `batch/a` is defined but not in use; name it in `service.pipelines.traces` or leave it out",
            "t.yaml:2:91: processors.batch/ a: `batch/a` is defined twice"),
    ]

    static let processorTypes =
        "tail_sampling, batch, memory_limiter, attributes, resource, resource_detection, resourcedetection, probabilistic_sampler, span, redaction, groupbytrace"

    static let exporters: [Case] = [
        Case(
            otlp("tls: {insecure: true}"),
            "t.yaml:3:19: exporters.otlp.endpoint: `endpoint` is missing; write `endpoint: host:port`"),
        Case(
            otlp("endpoint: , tls: {insecure: true}"),
            "t.yaml:3:30: exporters.otlp.endpoint: `endpoint` is missing; write `endpoint: host:port`"),
        Case(
            otlp("endpoint: \"\", tls: {insecure: true}"),
            "t.yaml:3:30: exporters.otlp.endpoint: `endpoint` is empty; write `endpoint: host:port`"),
        Case(
            otlp("endpoint: \"x:4317\", tls: {insecure_skip_verify: true}"),
            "t.yaml:3:68: exporters.otlp.tls.insecure_skip_verify: warning: anybody can pose as this server; give its authority in `ca_file` instead"
        ),
        Case(
            otlp("endpoint: \"https://x:4317\", tls: {insecure: true}"),
            "t.yaml:3:64: exporters.otlp.tls.insecure: warning: has no effect: `https://` asks for TLS; write `http://` for plain text"
        ),
        Case(
            otlp("endpoint: \"http://x:4317/v1/traces\""),
            #"t.yaml:3:30: exporters.otlp.endpoint: "http://x:4317/v1/traces" has a path, which gRPC has no use for; write `host:port`"#
        ),
        Case(
            otlp("endpoint: \"ftp://x:4317\", tls: {insecure: true}"),
            "t.yaml:3:30: exporters.otlp.endpoint: `ftp://` is no known scheme; write `host:port`, `http://host:port`, `dns:///host:port` or `unix:///path`"
        ),
        Case(
            otlp("endpoint: \":4317\", tls: {insecure: true}"),
            #"t.yaml:3:30: exporters.otlp.endpoint: ":4317" has no host; write `host:port`, such as `localhost:4317`"#),
        Case(
            otlp("endpoint: \"dns://8.8.8.8/x:4317\", tls: {insecure: true}"),
            "t.yaml:3:30: exporters.otlp.endpoint: a DNS server of its own is not in Tailgate yet; write `dns:///host:port`"
        ),
        Case(
            otlp("endpoint: x, tls: {insecure: true}"),
            #"t.yaml:3:30: exporters.otlp.endpoint: "x" has no port; write `host:port`, such as `localhost:4317`"#),
        Case(
            plain("compression: snappy"),
            "t.yaml:3:76: exporters.otlp.compression: `snappy` is not in Tailgate yet; `gzip` and `none` are"),
        Case(
            plain("compression: gzpi"),
            "t.yaml:3:76: exporters.otlp.compression: `gzpi` is not known here; did you mean `gzip`? allowed: gzip, none"
        ),
        Case(
            plain("headers: {a: 5, \"b c\": x, grpc-timeout: 1s, x-a: \"1\", X-A: \"2\"}"),
            #"t.yaml:3:76: exporters.otlp.headers.a: text is expected: write the value with quotes"#,
            #"t.yaml:3:79: exporters.otlp.headers: "b c" is no name of a header that can be set"#,
            #"t.yaml:3:89: exporters.otlp.headers: "grpc-timeout" is no name of a header that can be set"#,
            "t.yaml:3:117: exporters.otlp.headers: the header `x-a` is set twice; upper and lower case are the same"),
        Case(
            plain("headers: {a: \"x\\ny\"}"),
            "t.yaml:3:76: exporters.otlp.headers.a: a header's value is visible ASCII; this has other characters (a line break?)"
        ),
        Case(
            plain("headers: [a]"),
            "t.yaml:3:72: exporters.otlp.headers: a list stands here; a map is expected (`key: value` lines)"),
        Case(
            plain("auth: {authenticator: basicauth}"),
            "t.yaml:3:85: exporters.otlp.auth.authenticator: `basicauth` is not defined; `extensions` defines nothing"
        ),
        Case(
            plain("sending_queue: {drop_oldest: true, block_on_overflow: true, max_bytes: 1KiB}"),
            "t.yaml:3:92: exporters.otlp.sending_queue.drop_oldest: `drop_oldest` and `block_on_overflow` exclude each other; keep one of them",
            "t.yaml:3:134: exporters.otlp.sending_queue.max_bytes: \"1KiB\" is out of range: 1 MiB to 1024 GiB are expected"
        ),
        Case(
            plain("sending_queue: {queue_size: 0, num_consumers: 1.5, sizer: item, storage: file_storage}"),
            "t.yaml:3:91: exporters.otlp.sending_queue.queue_size: `0` is out of range: at least 1 is expected",
            "t.yaml:3:121: exporters.otlp.sending_queue.sizer: `item` is not known here; did you mean `items`? allowed: requests, items, bytes",
            "t.yaml:3:127: exporters.otlp.sending_queue.storage: `storage` is not in Tailgate yet: queues are in memory; leave the key out"
        ),
        Case(
            plain("sending_queue: {batch: {min_size: 10}}"),
            "t.yaml:3:79: exporters.otlp.sending_queue.batch: `batch` is not in Tailgate yet: kept traces are batched once for all exporters; set `processors.batch` and leave the key out"
        ),
        Case(
            plain("sending_queue: {wait_for_result: true}"),
            "t.yaml:3:96: exporters.otlp.sending_queue.wait_for_result: `wait_for_result: true` is not in Tailgate: a client's OK says that its spans are held, not that they were sent"
        ),
        Case(
            plain("retry_on_failure: {max_elapsed_time: 10s, randomization_factor: 2, multiplier: 0}"),
            "t.yaml:3:100: exporters.otlp.retry_on_failure.max_elapsed_time: `10s` is less than max_interval (30s); write at least that, or 0 to retry for ever",
            "t.yaml:3:127: exporters.otlp.retry_on_failure.randomization_factor: `2` is out of range: 0 to 1 is expected",
            "t.yaml:3:142: exporters.otlp.retry_on_failure.multiplier: `0` is out of range: 1 to 1000 is expected"),
        Case(
            plain("retry_on_failure: {max_elapsed_time: 3s}"),
            "t.yaml:3:100: exporters.otlp.retry_on_failure.max_elapsed_time: `3s` is less than initial_interval (5s); write at least that, or 0 to retry for ever"
        ),
        Case(
            plain("timeout: -1s, retry: {}"),
            "t.yaml:3:72: exporters.otlp.timeout: `-1s` is out of range: at least 0s is expected",
            "t.yaml:3:77: exporters.otlp.retry: unknown key `retry`; did you mean `retry_on_failure`? known keys: endpoint, tls, auth, compression, headers, keepalive, wait_for_ready, balancer_name, authority, user_agent, read_buffer_size, write_buffer_size, timeout, sending_queue, retry_on_failure"
        ),
        Case(
            plain("tenant: x"),
            "t.yaml:3:63: exporters.otlp.tenant: unknown key `tenant`; known keys: endpoint, tls, auth, compression, headers, keepalive, wait_for_ready, balancer_name, authority, user_agent, read_buffer_size, write_buffer_size, timeout, sending_queue, retry_on_failure"
        ),
        Case(
            minimal(exporter: "tempo: {endpoint: \"t:4317\", tls: {insecure: true}, tenant: \"a b\"}"),
            #"t.yaml:3:72: exporters.tempo.tenant: "a b" is no tenant id: up to 150 letters, digits and !-_.*'() are allowed"#
        ),
        Case(
            minimal(
                exporter: "tempo: {endpoint: \"t:4317\", tls: {insecure: true}, tenant: a, headers: {X-Scope-OrgID: b}}"
            ),
            "t.yaml:3:72: exporters.tempo.tenant: the tenant is also set by the header `X-Scope-OrgID`; keep one of them"
        ),
        Case(
            minimal(exporter: "jaeger: {endpoint: \"j:14250\", tls: {insecure: true}}"),
            "t.yaml:3:32: exporters.jaeger.endpoint: port 14250 speaks Jaeger's legacy protocol (api_v2), which is not in Tailgate yet; Jaeger takes OTLP on port 4317 since 1.35: write `j:4317`"
        ),
        Case(
            minimal(exporter: "file: {}"),
            "t.yaml:3:19: exporters.file.path: `path` is missing; write for example `path: ./traces.jsonl`"),
        Case(
            minimal(exporter: "file: {path: x, format: proto, rotation: {max_days: 1}, compression: zstd}"),
            "t.yaml:3:37: exporters.file.format: `proto` is not in Tailgate yet; `json` is",
            "t.yaml:3:44: exporters.file.rotation: `rotation` is not in Tailgate yet: the file grows; rotate it from outside, or leave the key out",
            "t.yaml:3:69: exporters.file.compression: `compression` is not in Tailgate yet: the file is plain OTLP JSON lines; leave the key out"
        ),
        Case(
            minimal(exporter: "debug: {verbosity: high}"),
            "t.yaml:3:32: exporters.debug.verbosity: `high` is not known here; allowed: basic, normal, detailed"),
        Case(
            minimal(exporter: "otlphttp: {endpoint: \"http://x\"}"),
            "t.yaml:3:13: exporters.otlphttp: the Collector's exporter `otlphttp` is not in Tailgate yet; exporters in Tailgate: otlp, otlp_grpc, jaeger, tempo, file, debug"
        ),
        Case(
            minimal(exporter: "otpl: {endpoint: \"http://x\"}"),
            "t.yaml:3:13: exporters.otpl: unknown exporter `otpl`; did you mean `otlp`? exporters in Tailgate: otlp, otlp_grpc, jaeger, tempo, file, debug"
        ),
    ]

    static let services: [Case] = [
        Case(
            "",
            "t.yaml:1:1: the configuration is empty; `tailgate config --default` prints one to begin with"),
        Case(
            "5",
            "t.yaml:1:1: `5` stands here; a map is expected (`key: value` lines)",
            "t.yaml:1:1: service: `service` is missing; it names what runs: `service: {pipelines: {traces: {...}}}`"),
        Case(
            "receivers: {otlp: {protocols: {grpc: }}}",
            "t.yaml:1:1: service: `service` is missing; it names what runs: `service: {pipelines: {traces: {...}}}`"),
        Case(
            "service: ",
            "t.yaml:1:9: service: `pipelines` is missing; write `pipelines: {traces: {receivers: [...], processors: [...], exporters: [...]}}`"
        ),
        Case(
            "service: {pipelines: }\nexporter: {}\nconnectors: {a: }",
            "t.yaml:1:22: service.pipelines: there is no pipeline; write `traces: {receivers: [...], processors: [...], exporters: [...]}`",
            "t.yaml:2:1: exporter: unknown key `exporter`; did you mean `exporters`? known keys: receivers, processors, exporters, extensions, service",
            "t.yaml:3:1: connectors: `connectors` is not in Tailgate yet: pipelines can't be connected; leave the key out"
        ),
        Case(
            minimal(pipeline: "receivers: [], exporters: [debug]"),
            "t.yaml:1:13: receivers.otlp: warning: `otlp` is defined but not in use; name it in `service.pipelines.traces` or leave it out",
            "t.yaml:2:14: processors.tail_sampling: warning: `tail_sampling` is defined but not in use; name it in `service.pipelines.traces` or leave it out",
            "t.yaml:6:35: service.pipelines.traces.receivers: the pipeline has no receivers; name at least one"),
        Case(
            minimal(
                pipeline:
                    "receivers: [otlp], processors: [tail_sampling], exporters: [debgu, otlphttp, nothing, debug, debug]"
            ),
            "t.yaml:6:84: service.pipelines.traces.exporters[0]: unknown exporter `debgu`; did you mean `debug`? exporters in Tailgate: otlp, otlp_grpc, jaeger, tempo, file, debug",
            "t.yaml:6:91: service.pipelines.traces.exporters[1]: the Collector's exporter `otlphttp` is not in Tailgate yet; exporters in Tailgate: otlp, otlp_grpc, jaeger, tempo, file, debug",
            "t.yaml:6:101: service.pipelines.traces.exporters[2]: unknown exporter `nothing`; exporters in Tailgate: otlp, otlp_grpc, jaeger, tempo, file, debug",
            "t.yaml:6:117: service.pipelines.traces.exporters[4]: `debug` is named twice; keep one of them"),
        Case(
            minimal(pipeline: "receivers: otlp, processors: [tail_sampling/x], exporters: [debug, 5]"),
            "t.yaml:2:14: processors.tail_sampling: warning: `tail_sampling` is defined but not in use; name it in `service.pipelines.traces` or leave it out",
            "t.yaml:6:54: service.pipelines.traces.processors[0]: `tail_sampling/x` is not defined; did you mean `tail_sampling`? `processors` defines tail_sampling",
            #"t.yaml:6:91: service.pipelines.traces.exporters[1]: `5` is a number; text is expected: write "5" with quotes"#
        ),
        Case(
            minimal(
                processors: "batch: , memory_limiter: {check_interval: 1s, limit_mib: 9}",
                pipeline: "receivers: [otlp], processors: [batch, tail_sampling, memory_limiter], exporters: [debug]"),
            "t.yaml:6:55: service.pipelines.traces.processors: warning: `batch` should stand behind tail_sampling: kept traces are batched, wherever it stands",
            "t.yaml:6:55: service.pipelines.traces.processors: warning: `memory_limiter` should come first: memory is checked before anything else, wherever it stands"
        ),
        Case(
            minimal(
                processors: "tail_sampling/2: {policies: [{}]}",
                pipeline: "receivers: [otlp], processors: [tail_sampling, tail_sampling/2], exporters: [debug]"),
            "t.yaml:6:55: service.pipelines.traces.processors: several `tail_sampling` processors in a pipeline are not in Tailgate yet; keep one"
        ),
        Case(
            minimal(extensions: "health_check: , zpages: , helth_check: "),
            "t.yaml:4:14: extensions.health_check: warning: `health_check` is defined but not in use; name it in `service.extensions` or leave it out",
            "t.yaml:4:30: extensions.zpages: the Collector's extension `zpages` is not in Tailgate yet; extensions in Tailgate: health_check, bearertokenauth, bearer_token_auth, basicauth, basic_auth, cluster",
            "t.yaml:4:40: extensions.helth_check: unknown extension `helth_check`; did you mean `health_check`? extensions in Tailgate: health_check, bearertokenauth, bearer_token_auth, basicauth, basic_auth, cluster"
        ),
        Case(
            minimal(service: "extensions: [health_check]"),
            "t.yaml:7:16: service.extensions[0]: `health_check` is not defined; `extensions` defines nothing"),
        Case(
            minimal(
                extensions: "health_check: {endpoint: x, path: live, tls: {}}", service: "extensions: [health_check]"),
            #"t.yaml:4:39: extensions.health_check.endpoint: "x" has no port; write `host:port`, such as `localhost:4317`"#,
            #"t.yaml:4:48: extensions.health_check.path: "live" is no path; it must begin with `/`"#,
            "t.yaml:4:59: extensions.health_check.tls: `cert_file` and `key_file` are missing: a server needs a certificate (or leave `tls` out for plain text)"
        ),
        Case(
            minimal(
                service:
                    "telemetry: {logs: {level: verbose, encoding: json}, metrics: {level: all}, traces: {}, metric: 1}"),
            "t.yaml:7:29: service.telemetry.logs.level: `verbose` is not known here; allowed: debug, info, warn, error",
            "t.yaml:7:38: service.telemetry.logs.encoding: `encoding` is not in Tailgate yet: logs go to standard error, one line each; leave the key out",
            "t.yaml:7:72: service.telemetry.metrics.level: `all` is not known here; allowed: none, basic, normal, detailed",
            "t.yaml:7:78: service.telemetry.traces: `traces` is not in Tailgate yet: the node does not trace itself; leave the key out",
            "t.yaml:7:90: service.telemetry.metric: unknown key `metric`; did you mean `metrics`? known keys: logs, metrics, admin"
        ),
        Case(
            minimal(
                service:
                    "telemetry: {metrics: {address: \"x:1\", readers: [{pull: {exporter: {prometheus: {host: a, port: x, without_units: false}}}}]}}"
            ),
            "t.yaml:7:24: service.telemetry.metrics: warning: a:1 can be reached from other machines, and shows figures and traces to everybody; write `admin: {auth: {authenticator: ...}}`, or an address of this machine alone",
            "t.yaml:7:34: service.telemetry.metrics.address: `address` and `readers` say the same in two ways; keep `readers`",
            "t.yaml:7:98: service.telemetry.metrics.readers[0].pull.exporter.prometheus.port: `x` is text; an integer is expected",
            "t.yaml:7:116: service.telemetry.metrics.readers[0].pull.exporter.prometheus.without_units: `without_units: false` is not in Tailgate yet; leave the key out"
        ),
        Case(
            minimal(service: "telemetry: {metrics: {readers: [{periodic: {exporter: {otlp: {}}}}, {}]}}"),
            "t.yaml:7:34: service.telemetry.metrics.readers: several readers are not in Tailgate yet; keep one `pull` reader",
            "t.yaml:7:36: service.telemetry.metrics.readers[0].periodic: `periodic` is not in Tailgate yet: metrics are pulled from `/metrics`; write `pull: {exporter: {prometheus: ...}}`"
        ),
        Case(
            minimal(service: "telemetry: {metrics: {readers: [{pull: }]}}"),
            "t.yaml:7:42: service.telemetry.metrics.readers[0].pull: `exporter` is missing; write `exporter: {prometheus: {host: 127.0.0.1, port: 8888}}`"
        ),
        Case(
            minimal().replacing("pipelines: {", with: "pipelines: {metrics: {}, trace: {}, traces/2: {}, "),
            "t.yaml:6:24: service.pipelines.metrics.receivers: the pipeline has no receivers; name at least one",
            "t.yaml:6:24: service.pipelines.metrics.exporters: the pipeline has no exporters; name at least one",
            "t.yaml:6:28: service.pipelines.trace: unknown pipeline `trace`; write `traces`, `metrics` or `logs`, or one of these with a /name",
            "t.yaml:6:49: service.pipelines.traces/2.receivers: the pipeline has no receivers; name at least one",
            "t.yaml:6:49: service.pipelines.traces/2.exporters: the pipeline has no exporters; name at least one"),
        Case(
            minimal().replacing("pipelines: {", with: "pipelines: {traces/2: {receivers: [otlp], processors: [tail_sampling], exporters: [debug]}, "),
            "t.yaml:6:95: service.pipelines.traces: several pipelines with `tail_sampling` are not in Tailgate yet; keep it in one"),
        Case(
            minimal().replacing(
                "pipelines: {",
                with: "pipelines: {metrics: {receivers: [otlp], processors: [tail_sampling], exporters: [debug]}, "),
            "t.yaml:6:56: service.pipelines.metrics.processors: `tail_sampling` takes traces, not metrics",
            "t.yaml:6:84: service.pipelines.metrics.exporters: `debug` can't take metrics; an `otlp` exporter can"),
        Case(
            minimal().replacing("{traces: {", with: "{profiles: {"),
            "t.yaml:6:15: service.pipelines.profiles: profiles are not in Tailgate yet; leave this pipeline to a Collector"),
    ]

    @Test(arguments: receivers + processors + exporters + services)
    func messages(_ example: Case) {
        let (config, problems) = load(example.text)
        #expect(ProblemReport.sorted(problems.all).map(\.description) == example.problems)
        #expect((config == nil) == problems.hasErrors)
    }

    @Test func problemsOfSeveralFilesComeTogether() {
        let text = minimal(sampling: "decision_wait: x, policies: \"${file:p.yaml}\"")
        let (_, problems) = load(text, files: ["p.yaml": "policies: []\ntest: 1"])
        #expect(
            ProblemReport.text(problems) == """
                t.yaml:2:45: processors.tail_sampling.decision_wait: `x` is no duration: write a number with a unit, such as `10s` or `500ms`
                p.yaml:2:1: processors.tail_sampling.policies.test: unknown key `test`; did you mean `tests`? known keys: policies, tests, settings, name, description, version
                2 errors

                """)
    }

    @Test func aReportOfNothingIsEmpty() {
        #expect(ProblemReport.text(ConfigProblems()) == "")
        #expect(ProblemReport.summary(ConfigProblems()) == "no problems")
    }

    @Test func theReportIsSorted() {
        let problems = ConfigProblems()
        for (file, line, column) in [("b", 2, 1), ("a", 9, 1), ("b", 1, 5), ("b", 1, 2), ("a", 3, 1)] {
            problems.warning("x", at: SourcePosition(file: file, line: line, column: column), keyPath: "k")
        }
        problems.error("y", at: SourcePosition(file: "a", line: 3, column: 1), keyPath: "")
        #expect(
            ProblemReport.text(problems) == """
                b:1:2: k: warning: x
                b:1:5: k: warning: x
                b:2:1: k: warning: x
                a:3:1: k: warning: x
                a:3:1: y
                a:9:1: k: warning: x
                1 error, 5 warnings

                """)
    }
}
