import Testing

@testable import Telemetry

@Suite struct PrometheusTextTests {
    /// A layout with one family of each kind, and values.
    static func sample() throws -> (MetricLayout, MetricSnapshot) {
        var catalog = MetricCatalog()
        let requests = MetricFamily(
            "tg_requests_total", .counter, labels: ["path", "code"],
            help: "Requests \"by\" path.\nA \\ is fine.")
        let bytes = MetricFamily("tg_body_bytes_total", .counter, unit: "bytes", help: "B.")
        let old = MetricFamily("otelcol_accepted_spans", .counter, help: "Spans.")
        let level = MetricFamily(
            "tg_level_seconds", .gauge, unit: "seconds", decimalPlaces: 3, help: "Level.")
        let info = MetricFamily("tg_build_info", .info, labels: ["version"], help: "Build.")
        let time = MetricFamily(
            "tg_time_seconds", .histogram(bounds: [1_000, 1_000_000, 10_500_000]),
            unit: "seconds", decimalPlaces: 6, labels: ["x"], help: "Time.")
        let empty = MetricFamily("tg_empty", .gauge, labels: ["x"], help: "No series.")
        let a = try catalog.counter(requests, "/a\"b\\c\nd", "200")
        let b = try catalog.counter(requests, "/ä", "500")
        let c = try catalog.counter(bytes)
        let o = try catalog.counter(old)
        let g = try catalog.gauge(level)
        try catalog.info(info, "1.0")
        let h = try catalog.histogram(time, "y")
        var layout = catalog.layout()
        _ = layout.place(of: empty)
        let cells = MetricCells(layout)
        cells.add(a, 3)
        cells.add(b, 0)
        cells.add(c, 9_000_000_000_000)
        cells.add(o, 5)
        cells.set(g, -1_500)
        for value in [500, 1_000, 1_001, 2_000_000, 99_000_000] { cells.observe(h, value) }
        return (layout, cells.snapshot())
    }

    @Test func text() throws {
        let (layout, snapshot) = try Self.sample()
        let out = PrometheusText.render(layout, snapshot, as: .text)
        #expect(
            String(decoding: out, as: UTF8.self) == """
                # HELP tg_requests_total Requests "by" path.\\nA \\\\ is fine.
                # TYPE tg_requests_total counter
                tg_requests_total{path="/a\\"b\\\\c\\nd",code="200"} 3
                tg_requests_total{path="/ä",code="500"} 0
                # HELP tg_body_bytes_total B.
                # TYPE tg_body_bytes_total counter
                tg_body_bytes_total 9000000000000
                # HELP otelcol_accepted_spans Spans.
                # TYPE otelcol_accepted_spans untyped
                otelcol_accepted_spans 5
                # HELP tg_level_seconds Level.
                # TYPE tg_level_seconds gauge
                tg_level_seconds -1.5
                # HELP tg_build_info Build.
                # TYPE tg_build_info gauge
                tg_build_info{version="1.0"} 1
                # HELP tg_time_seconds Time.
                # TYPE tg_time_seconds histogram
                tg_time_seconds_bucket{x="y",le="0.001"} 2
                tg_time_seconds_bucket{x="y",le="1"} 3
                tg_time_seconds_bucket{x="y",le="10.5"} 4
                tg_time_seconds_bucket{x="y",le="+Inf"} 5
                tg_time_seconds_sum{x="y"} 101.002501
                tg_time_seconds_count{x="y"} 5

                """)
    }

    @Test func openMetrics() throws {
        let (layout, snapshot) = try Self.sample()
        let out = PrometheusText.render(layout, snapshot, as: .openMetrics)
        #expect(
            String(decoding: out, as: UTF8.self) == """
                # TYPE tg_requests counter
                # HELP tg_requests Requests \\"by\\" path.\\nA \\\\ is fine.
                tg_requests_total{path="/a\\"b\\\\c\\nd",code="200"} 3
                tg_requests_total{path="/ä",code="500"} 0
                # TYPE tg_body_bytes counter
                # UNIT tg_body_bytes bytes
                # HELP tg_body_bytes B.
                tg_body_bytes_total 9000000000000
                # TYPE otelcol_accepted_spans unknown
                # HELP otelcol_accepted_spans Spans.
                otelcol_accepted_spans 5
                # TYPE tg_level_seconds gauge
                # UNIT tg_level_seconds seconds
                # HELP tg_level_seconds Level.
                tg_level_seconds -1.5
                # TYPE tg_build info
                # HELP tg_build Build.
                tg_build_info{version="1.0"} 1
                # TYPE tg_time_seconds histogram
                # UNIT tg_time_seconds seconds
                # HELP tg_time_seconds Time.
                tg_time_seconds_bucket{x="y",le="0.001"} 2
                tg_time_seconds_bucket{x="y",le="1.0"} 3
                tg_time_seconds_bucket{x="y",le="10.5"} 4
                tg_time_seconds_bucket{x="y",le="+Inf"} 5
                tg_time_seconds_sum{x="y"} 101.002501
                tg_time_seconds_count{x="y"} 5
                # EOF

                """)
    }

    @Test func nothingRegisteredIsStillValid() {
        let layout = MetricLayout()
        #expect(PrometheusText.render(layout, MetricSnapshot(), as: .text).isEmpty)
        #expect(
            PrometheusText.render(layout, MetricSnapshot(), as: .openMetrics)
                == Array("# EOF\n".utf8))
    }

    @Test(arguments: [
        (0, 0, "0"), (0, 9, "0"), (7, 0, "7"), (-7, 0, "-7"), (1, 9, "0.000000001"),
        (1_500_000_000, 9, "1.5"), (10, 1, "1"), (-5, 2, "-0.05"), (100, 0, "100"),
        (Int.max, 9, "9223372036.854775807"), (Int.min, 0, "-9223372036854775808"),
    ])
    func decimals(value: Int, places: Int, text: String) {
        var out: [UInt8] = []
        DecimalText.append(value, places: places, to: &out)
        #expect(String(decoding: out, as: UTF8.self) == text)
    }

    @Test(arguments: [(0, "0.0"), (5, "5.0"), (10_000, "10000.0")])
    func boundsOfOpenMetricsAreCanonical(value: Int, text: String) {
        var out: [UInt8] = []
        DecimalText.append(value, places: 0, alwaysPoint: true, to: &out)
        #expect(String(decoding: out, as: UTF8.self) == text)
    }
}
