import OTLP
import Testing

@testable import OTTL

@Suite("OTTL: paths") struct OTTLPathTests {
    static let span = OTTLTestSpan(
        traceState: "vendor=v1,other@sys=2", name: "GET /cart", kind: 2, start: 1_700_000_000_000_000_000,
        end: 1_700_000_002_500_000_000,
        attributes: [
            "http.response.status_code": 503, "s": "text", "s": "second", "map": ["a": ["b": 7], "list": [1, ["x": "y"]]],
            "list": ["zero", 1, nil], "": "no name", "k": "map", "i": 1, "bytes": .bytes([0xab]),
        ],
        droppedAttributes: 3, events: [OTTLTestSpan.Event(name: "exception"), OTTLTestSpan.Event(name: "retry")],
        droppedEvents: 4, links: 3, droppedLinks: 5, status: 2, statusMessage: "boom", flags: 0x301,
        resource: ["service.name": "shop", "nested": ["a": 1]], resourceDropped: 6, scopeName: "lib", scopeVersion: "1.2",
        scope: ["sk": "sv"], scopeDropped: 7)

    @Test("Every path of a span, without and with its prefix")
    func spanPaths() throws {
        try OTTLTests.check(Self.span, [
            #"name == "GET /cart""#: "true", #"span.name == "GET /cart""#: "true",
            "kind == SPAN_KIND_SERVER": "true", "kind.string == \"Server\"": "true",
            "kind.deprecated_string == \"SPAN_KIND_SERVER\"": "true", "span.kind.string == \"Server\"": "true",
            "start_time_unix_nano == 1700000000000000000": "true", "end_time_unix_nano == 1700000002500000000": "true",
            "(end_time_unix_nano - start_time_unix_nano) > 1000000000": "true",
            "end_time - start_time == Duration(\"2.5s\")": "true", "span.end_time > span.start_time": "true",
            "status.code == STATUS_CODE_ERROR": "true", "span.status.code == 2": "true", #"status.message == "boom""#: "true",
            "status == status": "true", "status != nil": "true", "status == events": "false",
            "dropped_attributes_count == 3": "true", "dropped_events_count == 4": "true", "dropped_links_count == 5": "true",
            "Len(events) == 2": "true", "Len(links) == 3": "true", "events == events": "true", "events == links": "false",
            "flags == 769": "true", #"trace_state == "vendor=v1,other@sys=2""#: "true",
            #"trace_state["vendor"] == "v1""#: "true", #"trace_state["other@sys"] == "2""#: "true",
            #"trace_state["absent"] == """#: "true", #"span.trace_state["vendor"] == "v1""#: "true",
            #"span_id.string == "1112131415161718""#: "true", #"parent_span_id.string == "2122232425262728""#: "true",
            #"trace_id.string == "0102030405060708090a0b0c0d0e0f10""#: "true", "cache == {}": "true",
            #"cache["a"]["b"] == nil"#: "true", "otelcol.client.addr == nil": "true",
            #"otelcol.client.metadata["x"] == nil"#: "true", #"otelcol.client.auth.attributes["x"] == nil"#: "true",
        ])
    }

    @Test("Every path of resource and scope")
    func resourceAndScopePaths() throws {
        try OTTLTests.check(Self.span, [
            #"resource.attributes["service.name"] == "shop""#: "true", #"resource.attributes["absent"] == nil"#: "true",
            #"resource.attributes["nested"]["a"] == 1"#: "true", "resource.dropped_attributes_count == 6": "true",
            "resource.schema_url == \"\"": "true", #"scope.name == "lib""#: "true", #"scope.version == "1.2""#: "true",
            #"scope.attributes["sk"] == "sv""#: "true", "scope.dropped_attributes_count == 7": "true",
            #"instrumentation_scope.name == "lib""#: "true", #"instrumentation_scope.attributes["sk"] == "sv""#: "true",
            "scope.schema_url == \"\"": "true", "Len(resource.attributes) == 2": "true", "Len(scope.attributes) == 1": "true",
            #"scope.attributes == {"sk": "sv"}"#: "true",
        ])
    }

    @Test("Attributes: the first of equal names, nested indexes, keys that are computed")
    func attributes() throws {
        try OTTLTests.check(Self.span, [
            #"attributes["http.response.status_code"] >= 500"#: "true", #"attributes["s"] == "text""#: "true",
            #"span.attributes["s"] == "text""#: "true", #"attributes[""] == "no name""#: "true",
            #"attributes["map"]["a"]["b"] == 7"#: "true", #"attributes["map"]["list"][1]["x"] == "y""#: "true",
            #"attributes["list"][0] == "zero""#: "true", #"attributes["list"][2] == nil"#: "true",
            #"attributes[attributes["k"]]["a"]["b"] == 7"#: "true", #"attributes["list"][attributes["i"]] == 1"#: "true",
            #"attributes["list"][attributes["i"] - 1] == "zero""#: "true", #"attributes["list"][0 + 1] == 1"#: "true",
            #"attributes[Concat(["li", "st"], "")][1] == 1"#: "true",
            "Len(attributes) == 8": "true",
        ])
    }

    @Test("An index into nil is nil; other wrong indexes are errors")
    func indexing() throws {
        try OTTLTests.check(Self.span, [
            #"attributes["absent"]["x"] == nil"#: "true", #"attributes["absent"][0]["y"] == nil"#: "true",
            #"attributes["map"]["absent"]["x"] == nil"#: "true", #"attributes["list"][2]["x"] == nil"#: "true",
            #"attributes["s"]["x"] == nil"#: "error", #"attributes["i"][0] == nil"#: "error",
            #"attributes["bytes"][0] == nil"#: "error", #"attributes["list"]["x"] == nil"#: "error",
            #"attributes["map"][0] == nil"#: "error", "attributes[0] == nil": "error", #"attributes["list"][3] == nil"#: "error",
            #"attributes["list"][-1] == nil"#: "error", #"attributes[attributes["absent"]] == nil"#: "error",
            #"attributes["list"][attributes["s"]] == nil"#: "error", #"Split(name, " ")[1] == "/cart""#: "true",
            #"Split(name, " ")[2] == nil"#: "error", #"Split(name, " ")["x"] == nil"#: "error",
            "trace_state[0] == nil": "error", #"trace_state[attributes["absent"]] == nil"#: "error",
            #"Split("a/b", "/")[1] == "b""#: "true", #"Split("a/b", "/")[2] == "b""#: "error",
        ])
    }

    @Test("Roots: no parent, an empty one or eight zero bytes")
    func roots() throws {
        var root = Self.span
        for parent in [nil, 0 as UInt64] {
            root.parentSpanID = parent
            try OTTLTests.check(root, [
                "IsRootSpan()": "true", #"parent_span_id.string == "0000000000000000""#: "true",
                #"parent_span_id.string == """#: "false", "parent_span_id == SpanID(0x0000000000000000)": "true",
                "parent_span_id == nil": "false", "not IsRootSpan()": "false",
            ])
        }
        try OTTLTests.check(Self.span, ["IsRootSpan()": "false", "not IsRootSpan()": "true"])
    }

    @Test("Kinds and codes have names; unknown kinds have empty ones")
    func enums() throws {
        let kinds = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"]
        for (number, name) in kinds.enumerated() {
            var span = OTTLTestSpan()
            span.kind = UInt64(number)
            let symbol = "SPAN_KIND_\(name.uppercased())"
            try OTTLTests.check(span, [
                "kind == \(symbol)": "true", "\(symbol) == \(number)": "true", "kind.string == \"\(name)\"": "true",
                "kind.deprecated_string == \"\(symbol)\"": "true",
            ])
        }
        for (number, name) in ["UNSET", "OK", "ERROR"].enumerated() {
            var span = OTTLTestSpan()
            span.status = UInt64(number)
            try OTTLTests.check(span, ["status.code == STATUS_CODE_\(name)": "true", "STATUS_CODE_\(name) == \(number)": "true"])
        }
        try OTTLTests.check(OTTLTestSpan(kind: 9), ["kind == 9": "true", "kind.string == \"\"": "true"])
        try OTTLTests.checkErrors([
            "kind == SPAN_KIND_SERVR": "9: did you mean `SPAN_KIND_SERVER`?", "kind == SERVER": "9: did you mean `SPAN_KIND_SERVER`?",
            "status.code == ERROR": "16: did you mean `STATUS_CODE_ERROR`?", "kind == QWERTZUIOP": "9: there are SPAN_KIND_UNSPECIFIED",
        ])
    }

    @Test("An invalid tracestate has no members")
    func traceState() throws {
        for state in ["a", "a=", "A=1", "a=1,a=2", "=1", "a=\u{1}", "1a=2", "a@=1", "a@b@c=1"] {
            try OTTLTests.check(OTTLTestSpan(traceState: state), [#"trace_state["a"] == nil"#: "true"])
        }
        for state in ["a=1", "a=1,b=x;y z", " a=1 ,, b=2", "b=2,a=1", "a=1,1b@c=d"] {
            try OTTLTests.check(OTTLTestSpan(traceState: state), [#"trace_state["a"] == "1""#: "true"])
        }
        try OTTLTests.check([#"trace_state["a"] == """#: "true", "trace_state == \"\"": "true"])
        let full = (0..<32).map { "k\($0)=v" }.joined(separator: ",")
        try OTTLTests.check(OTTLTestSpan(traceState: full), [#"trace_state["k31"] == "v""#: "true"])
        try OTTLTests.check(OTTLTestSpan(traceState: full + ",x=v"), [#"trace_state["k31"] == nil"#: "true"])
    }

    @Test("Times beyond 2262 wrap around, as in the Collector; absent times are 1970")
    func times() throws {
        var span = OTTLTestSpan()
        span.start = 0
        span.end = UInt64.max
        try OTTLTests.check(span, [
            "start_time_unix_nano == 0": "true", "end_time_unix_nano == -1": "true", "end_time < start_time": "true",
            "Year(start_time) == 1970": "true", "Year(end_time) == 1969": "true",
        ])
    }

    @Test("Unknown paths are errors with a hint")
    func unknownPaths() throws {
        try OTTLTests.checkErrors([
            "nam == 1": "1: unknown path `nam`; did you mean `name`?", "status.cod == 1": "1: did you mean `status.code`?",
            "true and stauts.code == 1": "10: did you mean `status.code`?", "span.nme == 1": "1: did you mean `span.name`?",
            "attributes.http == 1": #"1: an attribute is written `attributes["http"]`"#,
            "resource.attributes.service.name == 1": #"1: an attribute is written `resource.attributes["service.name"]`"#,
            "resource.foo == 1": "1: `resource` has attributes", "resource == 1": "1: unknown path `resource`",
            "xyzzy == 1": "1: there are trace_id", "event_index == 1": "1: `spanevent` conditions",
            "spanevent.name == 1": "1: `spanevent` conditions", "time_unix_nano == 1": "1: ",
            #"name["x"] == 1"#: "6: can't be indexed", #"attributes["a"].b == 1"#: "1: ",
            #"status["a"].code == 1"#: "8: only the last part", #"trace_state["a"]["b"] == 1"#: "18: takes one key",
            "kind.foo == 1": "1: unknown path", "instrumentation_scope.foo == 1": "1: ", "log.body == 1": "1: unknown path",
            "events[0] == 1": "8: can't be indexed",
        ])
    }

    @Test("Events have their own paths; span, resource and scope need their prefixes")
    func events() throws {
        var span = Self.span
        span.events = [
            OTTLTestSpan.Event(name: "retry", time: 5, attributes: ["n": 1]),
            OTTLTestSpan.Event(
                name: "exception", time: 1_700_000_000_000_000_001, attributes: ["exception.type": "Timeout", "n": 2], dropped: 9),
        ]
        try OTTLTests.check(span, .spanEvent, [
            #"name == "exception""#: "true", #"name == "GET /cart""#: "false", #"span.name == "GET /cart""#: "true",
            #"spanevent.name == "retry""#: "true", #"attributes["exception.type"] == "Timeout""#: "true",
            #"attributes["http.response.status_code"] != nil"#: "false",
            #"span.attributes["http.response.status_code"] == 503"#: "true",
            #"resource.attributes["service.name"] == "shop""#: "true", #"scope.name == "lib""#: "true",
            "time_unix_nano == 1700000000000000001": "true", "time - span.start_time == Duration(\"1ns\")": "true",
            "dropped_attributes_count == 9": "true", #"name == "retry" and attributes["n"] == 2"#: "false",
            #"name == "retry" and attributes["n"] == 1"#: "true", "Len(attributes) == 2": "true", "Len(attributes) == 3": "false",
            "event_index == 0": "error", "spanevent.event_index >= 0": "error", #"cache["x"] == nil"#: "true",
            "status.code == 1": "1: unknown path `status.code` in a spanevent condition; the span's is `span.status.code`",
            "IsRootSpan()": "1: `IsRootSpan` can stand in span conditions only",
        ])
        try OTTLTests.check(OTTLTestSpan(), .spanEvent, ["true": "false", "1 / 0 == 1": "false"])
    }
}
