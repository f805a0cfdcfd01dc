import Foundation
import OTLP
import TestSupport
import Testing

@testable import OTTL

/// Recorded inputs and outputs: `Tests/Vectors`.
struct Recording: @unchecked Sendable {
    struct Vector {
        let fields: [String: Any]
        let inputs: [String: Any]

        var title: String { text("title") ?? "" }
        var kind: String { text("kind") ?? "" }
        var varies: String? { text("varies") }
        var output: [String: Any] { fields["output"] as? [String: Any] ?? [:] }
        var settings: [String] { (fields["settings"] as? [String]) ?? [text("settings") ?? ""] }

        /// The request.
        var input: Any {
            if let name = fields["input"] as? String { return inputs[name] ?? [String: Any]() }
            return fields["input"] ?? [String: Any]()
        }

        /// The request afterwards.
        var traces: Any {
            if output["traces"] as? String == "unchanged" { return input }
            return output["traces"] ?? [String: Any]()
        }

        func text(_ key: String, in map: [String: Any]? = nil) -> String? { (map ?? fields)[key] as? String }
        func flag(_ key: String) -> Bool { fields[key] as? Bool ?? false }
    }

    let vectors: [Vector]

    init?(_ name: String) {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        guard let data = try? Data(contentsOf: folder.appendingPathComponent("Vectors/\(name)")),
            let whole = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
            let all = whole["vectors"] as? [[String: Any]]
        else { return nil }
        let inputs = whole["inputs"] as? [String: Any] ?? [:]
        vectors = all.map { Vector(fields: $0, inputs: inputs) }
    }
}

/// A request of traces as bytes.
struct TestRequest {
    var bytes: [UInt8]

    init(bytes: [UInt8]) { self.bytes = bytes }

    init(json: Any) throws {
        let data = Array(try JSONSerialization.data(withJSONObject: json))
        bytes = try OTLPJSONTranscoder.transcode(data.span)
    }

    /// A request with a resource that has this attribute.
    init(attribute: [UInt8]) { bytes = Encode.bytes(1, Encode.bytes(1, Encode.bytes(1, attribute))) }

    func index() throws -> RequestIndex {
        let walker = RequestWalker(keys: HashKeys(1, 2), interest: AttributeInterest(spanNames: [], resourceNames: []))
        var index = RequestIndex()
        try walker.walk(bytes.span, into: &index)
        return index
    }

    func applying(
        _ list: OTTLStatementList, errors: ConditionErrors? = nil
    ) throws -> (TestRequest, OTTLRequestPass.Outcome) {
        var index = try index()
        var edits: [UInt8] = []
        var pass = OTTLRequestPass()
        var outcome = OTTLRequestPass.Outcome()
        pass.apply(list, body: bytes.span, &index, edits: &edits, now: OTTLTests.now, errors: errors, outcome: &outcome)
        return (TestRequest.joined(bytes + edits, index), outcome)
    }

    /// The request that an index describes.
    static func joined(_ bytes: [UInt8], _ index: RequestIndex) -> TestRequest {
        var output: [UInt8] = []
        var group = 0
        while group < index.groups.count {
            let resource = index.groups[group].resourceRange
            var message = Array(index.groupBytes[resource])
            while group < index.groups.count, index.groups[group].resourceRange == resource {
                var scope = Array(index.groupBytes[index.groups[group].scopeRange])
                for record in index.records where Int(record.group) == group { scope += Encode.bytes(2, Array(bytes[record.range])) }
                message += Encode.bytes(2, scope)
                group += 1
            }
            output += Encode.bytes(1, message)
        }
        return TestRequest(bytes: output)
    }

    /// As a tree that can be compared: attributes as maps.
    func comparable() throws -> Comparable {
        var json: [UInt8] = []
        try OTLPJSONWriter.append(bytes.span, to: &json)
        return Comparable(try JSONSerialization.jsonObject(with: Data(json)))
    }

    /// A JSON tree in which lists of key and value are maps.
    indirect enum Comparable: Equatable, CustomStringConvertible {
        case leaf(String)
        case list([Comparable])
        case map([String: Comparable])

        init(_ value: Any) {
            if let map = value as? [String: Any] {
                self = .map(map.mapValues { Comparable($0) })
            } else if let items = value as? [Any] {
                let pairs = items.compactMap { $0 as? [String: Any] }.compactMap { item in
                    (item["key"] as? String).map { ($0, Comparable(item["value"] ?? [String: Any]())) }
                }
                self = !items.isEmpty && pairs.count == items.count
                    ? .map(Dictionary(pairs) { first, _ in first }) : .list(items.map { Comparable($0) })
            } else {
                self = .leaf("\(value)")
            }
        }

        func isEqual(_ other: Comparable) -> Bool { self == other }

        /// With all lists in an order of their own.
        var sorted: Comparable {
            switch self {
            case .leaf: self
            case .list(let items): .list(items.map(\.sorted).sorted { $0.description < $1.description })
            case .map(let map): .map(map.mapValues(\.sorted))
            }
        }

        var description: String {
            switch self {
            case .leaf(let text): text
            case .list(let items): "[" + items.map(\.description).joined(separator: ", ") + "]"
            case .map(let map):
                "{" + map.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ") + "}"
            }
        }
    }
}
