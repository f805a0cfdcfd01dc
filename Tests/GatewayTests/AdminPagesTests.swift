import Telemetry
import Testing

@testable import Gateway

@Suite struct AdminPagesTests {
    static func pages(
        ready: Bool = true, healthy: Bool = true, metrics: Bool = true
    ) -> AdminPages {
        AdminPages(
            AdminSources(
                metrics: metrics ? { @Sendable format in Array("metrics \(format)".utf8) } : nil,
                ledger: { Array("{\"difference\":0}".utf8) },
                isReady: { ready }, isHealthy: { healthy }))
    }

    @Test(arguments: [
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "metrics text"),
        ("/ledger", 200, "application/json", "{\"difference\":0}"),
        ("/healthz", 200, "text/plain; charset=utf-8", "ok\n"),
        ("/readyz", 200, "text/plain; charset=utf-8", "ready\n"),
        ("/metrics/", 404, "text/plain; charset=utf-8", "404 page not found\n"),
        ("/Metrics", 404, "text/plain; charset=utf-8", "404 page not found\n"),
        ("", 404, "text/plain; charset=utf-8", "404 page not found\n"),
    ])
    func pagesByPath(path: String, status: Int, type: String, body: String) async {
        for method in ["GET", "HEAD"] {
            let answer = await Self.pages().answer(AdminRequest(method: method, path: path))
            #expect(
                answer
                    == AdminResponse(status: status, contentType: type, body: Array(body.utf8)))
        }
    }

    @Test func metricsAreNegotiated() async {
        let answer = await Self.pages().answer(
            AdminRequest(path: "/metrics", accept: "application/openmetrics-text; version=1.0.0"))
        #expect(answer.body == Array("metrics openMetrics".utf8))
        #expect(answer.contentType == ExpositionFormat.openMetrics.contentType)
    }

    @Test func withoutMetricsThereIsNoPage() async {
        let pages = Self.pages(metrics: false)
        #expect(await pages.answer(AdminRequest(path: "/metrics")).status == 404)
        let index = await pages.answer(AdminRequest(path: "/"))
        #expect(!String(decoding: index.body, as: UTF8.self).contains("/metrics"))
    }

    @Test(arguments: ["POST", "PUT", "DELETE", "OPTIONS", "get"])
    func otherMethods(method: String) async {
        let answer = await Self.pages().answer(AdminRequest(method: method, path: "/metrics"))
        #expect(answer.status == 405)
        #expect(answer.allow == "GET, HEAD")
        let missing = await Self.pages().answer(AdminRequest(method: method, path: "/nothing"))
        #expect(missing.status == 404)
    }

    @Test func notReadyAndNotHealthy() async {
        let pages = Self.pages(ready: false, healthy: false)
        #expect(await pages.answer(AdminRequest(path: "/readyz")).status == 503)
        #expect(await pages.answer(AdminRequest(path: "/healthz")).status == 503)
        #expect(await pages.answer(AdminRequest(path: "/")).status == 200)
    }
}

@Suite struct HealthCheckPageTests {
    @Test func available() async {
        let page = HealthCheckPage {
            .available(since: 1_767_323_045_600_000_000, uptime: 3_723_500_000_000)
        }
        for path in ["/", "/any/thing"] {
            let answer = await page.answer(AdminRequest(method: "POST", path: path))
            #expect(answer.status == 200)
            #expect(answer.contentType == "application/json")
            #expect(
                String(decoding: answer.body, as: UTF8.self) == """
                    {"status":"Server available","upSince":"2026-01-02T03:04:05.6Z",\
                    "uptime":"1h2m3.5s"}
                    """)
        }
    }

    @Test func unavailable() async {
        let page = HealthCheckPage { .unavailable }
        let answer = await page.answer(AdminRequest(path: "/"))
        #expect(answer.status == 503)
        #expect(
            String(decoding: answer.body, as: UTF8.self) == """
                {"status":"Server not available","upSince":"0001-01-01T00:00:00Z","uptime":""}
                """)
    }

    @Test(arguments: [
        ("/health", "/health", 503), ("/health", "/health/", 404), ("/health", "/", 404),
        ("/health/", "/health/x", 503), ("/health/", "/health", 404),
    ])
    func path(configured: String, asked: String, status: Int) async {
        let page = HealthCheckPage(path: configured) { .unavailable }
        #expect(await page.answer(AdminRequest(path: asked)).status == status)
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00Z"), (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
        (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
        (4_107_542_400_000_000_000, "2100-03-01T00:00:00Z"), (-1, "1969-12-31T23:59:59.999999999Z"),
    ] as [(Int64, String)])
    func timestamps(nanoseconds: Int64, text: String) {
        #expect(GoTime.timestamp(nanosecondsSince1970: nanoseconds) == text)
    }

    @Test(arguments: [
        (0, "0s"), (1, "1ns"), (1_100, "1.1µs"), (2_200_000, "2.2ms"), (3_300_000_000, "3.3s"),
        (240_000_000_000, "4m0s"), (18_000_000_000_000, "5h0m0s"),
        (18_001_001_000_000, "5h0m1.001s"), (-1_500_000_000, "-1.5s"),
        (Int64.max, "2562047h47m16.854775807s"),
    ] as [(Int64, String)])
    func durations(nanoseconds: Int64, text: String) {
        #expect(GoTime.duration(nanoseconds: nanoseconds) == text)
    }
}
