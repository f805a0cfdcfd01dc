/// What a node runs with if nobody gives it a configuration.
package enum DefaultConfiguration {
    /// The built-in copy of `Policies/default.yaml`, byte for byte.
    package static let policyFile = #"""
        # Tailgate's default sampling policies: keep what went wrong, keep what was slow, and a tenth of the rest.
        #
        # Use this file from a gateway's configuration:
        #
        #     processors:
        #       tail_sampling:
        #         decision_wait: 10s
        #         policies: ${file:Policies/default.yaml}
        #
        # A trace is kept as soon as ONE policy wants it; all of its spans are kept then. The keys are those of the OpenTelemetry
        # Collector's tail_sampling processor, so a list from there can be pasted here.

        policies:
          # Every trace with an error in it: one span with the status ERROR is enough.
          - name: errors
            type: status_code
            status_code:
              status_codes: [ERROR]

          # Every trace that took a second or longer, from the start of its first span to the end of its last.
          - name: slow
            type: latency
            latency:
              threshold_ms: 1000

          # One trace in ten of the rest, so that there is something normal to compare with. The choice depends on the trace id
          # alone: every gateway with the same hash_salt chooses the same traces. Raise the percentage for quiet systems.
          - name: rest
            type: probabilistic
            probabilistic:
              sampling_percentage: 10

        # What the policies are meant to do, as traces with the decision that is expected. Times count from the start of the
        # trace; what a span leaves out is made up. `trace_id` matters to the policy `rest` only.
        tests:
          - name: a failed payment is kept
            trace:
              - {service: shop, name: POST /checkout, start_ms: 0, duration_ms: 120}
              - {service: payment, name: charge, parent: POST /checkout, start_ms: 20, duration_ms: 80, status: ERROR}
            expect: {decision: sampled, policy: errors}

          - name: a slow search is kept
            trace:
              - {service: shop, name: GET /search, start_ms: 0, duration_ms: 1400}
              - {service: search, name: query, parent: GET /search, start_ms: 10, duration_ms: 1380}
            expect: {decision: sampled, policy: slow}

          - name: a second sharp counts as slow
            trace:
              - {service: shop, name: GET /cart, start_ms: 0, duration_ms: 1000}
            expect: {decision: sampled, policy: slow}

          - name: a normal request is in the tenth that is kept
            trace:
              - {trace_id: d8708f1ddd91c74626e5c01ef15334d3, service: shop, name: GET /, start_ms: 0, duration_ms: 15}
            expect: {decision: sampled, policy: rest}

          - name: a normal request is not kept
            trace:
              - {trace_id: 4bf92f3577b34da6a3ce929d0e0e4736, service: shop, name: GET /, start_ms: 0, duration_ms: 15}
              - {service: catalog, name: list, parent: GET /, start_ms: 2, duration_ms: 9, status: OK}
            expect: {decision: not_sampled}

        """#

    /// The default configuration, complete in itself: the policies stand in it, so that it can be printed, saved and
    /// changed.
    package static var text: String {
        let policies = policySection.map { $0.isEmpty ? "" : "    " + $0 }.joined(separator: "\n")
        return beginning + policies + "\n" + end
    }

    /// The lines of the policy file from `policies:` to the last policy.
    private static var policySection: [Substring] {
        let lines = policyFile.split(separator: "\n", omittingEmptySubsequences: false)
        let start = lines.firstIndex(of: "policies:") ?? lines.startIndex
        var section = lines[start...].prefix { !$0.hasPrefix("tests:") }
        while let last = section.last, last.isEmpty || last.hasPrefix("#") { section.removeLast() }
        return Array(section)
    }

    private static let beginning = #"""
        # Tailgate's built-in configuration: useful without any backend. It takes OTLP over gRPC on port 4317 and over HTTP
        # on 4318, keeps what went wrong, what was slow and a tenth of the rest, and writes it to ./traces.jsonl. The keys
        # are the OpenTelemetry Collector's.

        receivers:
          otlp:
            protocols:
              grpc:
                # All interfaces: write 0.0.0.0:4317.
                endpoint: localhost:4317
              http:
                endpoint: localhost:4318

        processors:
          # Refuses new requests (clients retry) before memory runs out.
          memory_limiter:
            check_interval: 1s
            limit_percentage: 75
            spike_limit_percentage: 15

          tail_sampling:
            # How long a trace is collected before it is judged. Longer than your slowest requests take.
            decision_wait: 10s

        """#

    private static let end = #"""

          batch:

        exporters:
          # One line of OTLP JSON for each batch. To send to a backend, add for example
          #   otlp/backend: {endpoint: "localhost:14317", tls: {insecure: true}}
          # and name it in the pipeline below.
          file:
            path: ./traces.jsonl
            append: true

        extensions:
          health_check:

        service:
          extensions: [health_check]
          pipelines:
            traces:
              receivers: [otlp]
              processors: [memory_limiter, tail_sampling, batch]
              exporters: [file]
          telemetry:
            logs:
              level: info
            metrics:
              level: normal
              readers:
                - pull: {exporter: {prometheus: {host: 127.0.0.1, port: 8888}}}

        """#
}
