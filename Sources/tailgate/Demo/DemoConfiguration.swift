/// The configuration of the node that the demo runs: what a user would write, with the ports of the day.
enum DemoConfiguration {
    static let policies = ["errors", "slow", "rest"]

    static func text(
        port: Int, httpPort: Int, adminPort: Int, jaegerPort: Int, tempoPort: Int, decisionWaitNanoseconds: Int64
    ) -> String {
        """
        receivers:
          otlp:
            protocols:
              grpc: {endpoint: "127.0.0.1:\(port)"}
              http: {endpoint: "127.0.0.1:\(httpPort)"}
        processors:
          tail_sampling:
            decision_wait: \(decisionWaitNanoseconds / 1_000_000)ms
            policies:
              - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
              - {name: slow, type: latency, latency: {threshold_ms: 1000}}
              - {name: rest, type: probabilistic, probabilistic: {sampling_percentage: 10}}
          batch:
        exporters:
          jaeger: {endpoint: "127.0.0.1:\(jaegerPort)", tls: {insecure: true}}
          tempo: {endpoint: "127.0.0.1:\(tempoPort)", tls: {insecure: true}}
        service:
          telemetry:
            logs: {level: warn}
            metrics: {readers: [pull: {exporter: {prometheus: {host: 127.0.0.1, port: \(adminPort)}}}]}
          pipelines:
            traces: {receivers: [otlp], processors: [tail_sampling, batch], exporters: [jaeger, tempo]}
        """
    }
}
