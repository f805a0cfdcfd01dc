import Testing

@testable import Telemetry

@Suite struct NegotiationTests {
    static let prometheus3 =
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
        + "application/openmetrics-text;version=0.0.1;q=0.5,"
        + "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
        + "*/*;q=0.2"

    @Test(arguments: [
        (nil, .text),
        ("", .text),
        ("*/*", .text),
        ("text/html,application/xhtml+xml,*/*;q=0.8", .text),
        (prometheus3, .openMetrics),
        // Prometheus 2.42
        (
            "application/openmetrics-text;version=1.0.0,"
                + "application/openmetrics-text;version=0.0.1;q=0.75,"
                + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
        ),
        ("application/openmetrics-text", .openMetrics),
        ("Application/OpenMetrics-Text; Version=\"1.0.0\" ; charset=utf-8", .openMetrics),
        // a version that we do not speak
        ("application/openmetrics-text;version=0.0.1,text/plain;q=0.5", .text),
        ("application/openmetrics-text;version=2.0.0", .text),
        // the higher q wins; the named one wins a tie
        ("application/openmetrics-text;q=0.3,text/plain;q=0.4", .text),
        ("text/plain;q=0.4,application/openmetrics-text;q=0.401", .openMetrics),
        ("text/plain,application/openmetrics-text", .openMetrics),
        // q=0 forbids, also against a wildcard
        ("application/openmetrics-text;q=0", .text),
        ("application/openmetrics-text;q=0,*/*", .text),
        ("text/plain;q=0,*/*", .openMetrics),
        ("text/*;q=0.1,application/*;q=0.5", .openMetrics),
        ("application/*,text/*", .text),
        // q that is none
        ("application/openmetrics-text;q=banana", .text),
        ("application/openmetrics-text;q=2", .text),
        ("application/openmetrics-text;q=1.000", .openMetrics),
        ("application/openmetrics-text;q=0.0001,text/plain;q=0", .text),
        // rubbish is passed over
        (",,;;,=,/,a/b/c,application/openmetrics-text", .openMetrics),
    ] as [(String?, ExpositionFormat)])
    func table(accept: String?, format: ExpositionFormat) {
        #expect(ExpositionFormat.negotiate(accept: accept) == format)
    }
}
