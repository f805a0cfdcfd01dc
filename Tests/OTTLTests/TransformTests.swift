import ConfigTree
import Foundation
import OTLP
import TestSupport
import Testing

@testable import OTTL

/// `transform` as configured.
@Suite("transform: configuration and order") struct TransformTests {
    private func processor(_ tree: [String: Any]) -> (TransformProcessor?, ConfigProblems) {
        let problems = ConfigProblems()
        var reader = ConfigReader(TestTree.node(tree), keyPath: "transform", problems: problems)
        return (TransformProcessor(&reader), problems)
    }

    @Test("Statements that stand alone have contexts of their own; neighbours of one context run together")
    func flat() throws {
        let (made, problems) = processor([
            "trace_statements": [
                #"set(span.cache["n"], span.name)"#, #"set(span.attributes["n"], span.cache["n"])"#,
                #"set(resource.attributes["x"], 1)"#, #"set(span.status.code, STATUS_CODE_OK) where span.kind == SPAN_KIND_SERVER"#,
            ]
        ])
        let processor = try #require(made, "\(problems.all)")
        #expect(processor.lists.map(\.context) == [.span, .resource, .span])
        var span = OTTLTestSpan(name: "op")
        span.kind = 2
        let request = TestRequest(bytes: span.request)
        var index = try request.index()
        var edits: [UInt8] = []
        var pass = OTTLRequestPass()
        let outcome = processor.apply(body: request.bytes.span, &index, edits: &edits, now: OTTLTests.now, pass: &pass)
        #expect(outcome.editedSpans == 2 && outcome.hasNewHeaders && outcome.failure == nil)
        span.attributes = ["n": "op"]
        span.status = 1
        span.resource = ["x": 1]
        let left = try TestRequest.joined(request.bytes + edits, index).comparable()
        #expect(left == (try TestRequest(bytes: span.request).comparable()))
    }

    @Test("What is wrong is said at its place", arguments: [
        (#"{"trace_statements": ["set(span.nope, 1)"]}"#, "unknown path"),
        (#"{"trace_statements": ["set(span.name, 1)", {"context": "span", "statements": ["set(name, 1)"]}]}"#, "can't stand in one list"),
        (#"{"trace_statements": [{"context": "log", "statements": ["set(name, 1)"]}]}"#, "is no context of traces"),
        (#"{"trace_statements": [{"context": "span"}]}"#, "`statements` are missing"),
        (#"{"trace_statements": ["set(span.name, span.kind.string)"], "error_mode": "loud"}"#, "is no error mode"),
        (#"{"trace_statements": ["Set(span.name, span.kind.string)"]}"#, "did you mean `set`"),
        (#"{"trace_statements": ["delete_matching_keys(span.attributes, \"(\")"]}"#, "invalid regular expression"),
        (#"{"log_statements": ["set(log.body, 1)"]}"#, "is not in Tailgate yet"),
        (#"{"trace_statement": []}"#, "unknown"),
        (#"{"trace_statements": ["set(attributes[\"x\"], 1)"]}"#, "nothing says what this runs on"),
    ])
    func refusals(json: String, message: String) throws {
        let tree = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
        let (_, problems) = processor(tree)
        #expect(problems.errors.contains { $0.message.contains(message) }, "\(problems.all)")
    }

    @Test("Conditions decide whether statements run; error_mode of a group beats that of the processor")
    func conditions() throws {
        let group: [String: Any] = [
            "context": "span", "error_mode": "silent", "conditions": ["ParseInt(name, 10) == 1", "kind == 2"],
            "statements": [#"set(attributes["hit"], true)"#],
        ]
        let (made, problems) = processor(["error_mode": "propagate", "trace_statements": [group]])
        let processor = try #require(made, "\(problems.all)")
        for kind in [UInt64(1), 2] {
            var span = OTTLTestSpan(name: "op")
            span.kind = kind
            let request = TestRequest(bytes: span.request)
            var index = try request.index()
            var edits: [UInt8] = []
            var pass = OTTLRequestPass()
            let outcome = processor.apply(body: request.bytes.span, &index, edits: &edits, now: OTTLTests.now, pass: &pass)
            #expect(outcome.editedSpans == (kind == 2 ? 1 : 0) && outcome.failure == nil)
            #expect(edits.isEmpty == (kind != 2))
        }
    }
}
