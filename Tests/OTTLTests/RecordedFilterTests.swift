import ConfigTree
import Foundation
import OTLP
import TestSupport
import Testing

@testable import OTTL

/// What the OpenTelemetry Collector 0.156 drops, against what is dropped here.
@Suite("filter: recorded outputs of the Collector") struct RecordedFilterTests {
    @Test("Every recorded case of OTTL conditions")
    func everyCase() throws {
        var seen = 0
        for vector in try #require(Recording("ottl/filter.json")).vectors {
            let tree = vector.fields["tree"] as? [String: Any] ?? [:]
            // The form before OTTL is not in this processor.
            if tree["spans"] != nil { continue }
            seen += 1
            let problems = ConfigProblems()
            var reader = ConfigReader(TestTree.node(tree), keyPath: "filter", problems: problems)
            let processor = FilterProcessor(&reader)
            if vector.output["config_error"] as? Bool == true {
                #expect(processor == nil || problems.hasErrors, "\(vector.title)")
                continue
            }
            guard let processor else {
                Issue.record("\(vector.title): \(problems.all)")
                continue
            }
            #expect(problems.errors.isEmpty, "\(vector.title): \(problems.all)")
            let request = try TestRequest(json: vector.input)
            var index = try request.index()
            var edits: [UInt8] = []
            let outcome = processor.apply(body: request.bytes.span, &index, edits: &edits, now: OTTLTests.now)
            let expectsFailure = vector.output["status"] as? Int == 503
            #expect((outcome.failure != nil) == expectsFailure, "\(vector.title)")
            if expectsFailure { continue }
            let kept = Set(outcome.kept)
            index.keep { kept.contains(UInt32($0)) }
            let left = try TestRequest.joined(request.bytes + edits, index).comparable().withoutHollow
            let right = try TestRequest(json: vector.traces as? [String: Any] ?? [String: Any]()).comparable().withoutHollow
            #expect(left == right, "\(vector.title)")
        }
        #expect(seen > 40)
    }
}

extension TestRequest.Comparable {
    /// Without resources and scopes that hold no span: the walker does not keep them.
    fileprivate var withoutHollow: TestRequest.Comparable {
        guard case .map(let root) = self, case .list(let resources)? = root["resourceSpans"] else { return .list([]) }
        return .list(
            resources.compactMap { resource in
                guard case .map(var fields) = resource, case .list(let scopes)? = fields["scopeSpans"] else { return nil }
                let kept = scopes.filter { scope in
                    guard case .map(let inner) = scope, case .list(let spans)? = inner["spans"] else { return false }
                    return !spans.isEmpty
                }
                fields["scopeSpans"] = .list(kept)
                return kept.isEmpty ? nil : .map(fields)
            })
    }
}

enum TestTree {
    /// A configuration's tree from JSON.
    static func node(_ value: Any) -> ConfigNode {
        let start = SourcePosition(file: "t.yaml", line: 1, column: 1)
        if let map = value as? [String: Any] {
            return ConfigNode(
                .map(map.sorted { $0.key < $1.key }.map { ConfigEntry(key: $0.key, keyPosition: start, value: node($0.value)) }),
                at: start)
        }
        if let items = value as? [Any] { return ConfigNode(.list(items.map { node($0) }), at: start) }
        if let text = value as? String { return ConfigNode(.scalar(ConfigScalar(text: text, isPlain: false)), at: start) }
        return ConfigNode(value is NSNull ? .null : .scalar(ConfigScalar(text: "\(value)", isPlain: true)), at: start)
    }
}
