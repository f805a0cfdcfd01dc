import ConfigTree
import Foundation
import Gateway
import OTLP
import TestSupport
import Testing

@testable import Processing

/// Building processors from YAML.
enum Made {
    static func node(_ yaml: String, _ problems: ConfigProblems) -> ConfigNode {
        let environment = ConfigurationEnvironment(
            variable: { _ in nil },
            readFile: { _, _ throws(ConfigurationEnvironment.Unreadable) in throw .init(reason: "no files here") })
        var loader = YAMLTreeLoader(environment: environment, problems: problems)
        let position = SourcePosition(file: "test.yaml", line: 1, column: 1)
        return loader.load(text: yaml, file: "test.yaml") ?? ConfigNode(.null, at: position)
    }

    /// A chain of processors, each an id with its settings; nil if there were errors.
    static func chain(
        _ processors: [(id: String, yaml: String)], _ builder: ProcessorBuilder = ProcessorBuilder(),
        _ problems: ConfigProblems = ConfigProblems()
    ) -> ProcessorChain? {
        var builder = builder
        var built: [BuiltProcessor] = []
        for (id, yaml) in processors {
            let node = node(yaml, problems)
            if let processor = ProcessorCatalog.build(id, node, &builder, problems) { built.append(processor) }
        }
        guard !problems.hasErrors, built.count == processors.count else { return nil }
        return ProcessorChain(built, builder)
    }

    /// What is wrong with the settings of one processor.
    static func problems(
        _ id: String, _ yaml: String, _ builder: ProcessorBuilder = ProcessorBuilder()
    ) -> [ConfigProblem] {
        let problems = ConfigProblems()
        _ = chain([(id, yaml)], builder, problems)
        return problems.all
    }
}

/// A pipeline up to its chain: requests go in as protobuf and come out as protobuf.
struct Rig {
    var runner: ProcessorRunner
    let walker: RequestWalker
    let afterwards: RequestWalker
    var index = RequestIndex()
    var edits: [UInt8] = []
    var body: [UInt8] = []
    var result = ProcessedRequest()
    var facts = RequestFacts()

    /// - Parameter names: what policies want of spans and resources.
    init(_ chain: ProcessorChain, names: [String] = [], editLimit: Int = ProcessorRunner.editLimit) {
        var random = SeededGenerator(5)
        let keys = HashKeys(using: &random)
        let wanted = names.map { Array($0.utf8) }
        let joined = chain.interest(beside: wanted)
        walker = RequestWalker(keys: keys, interest: AttributeInterest(spanNames: joined.names, resourceNames: wanted))
        afterwards = RequestWalker(keys: keys, interest: AttributeInterest(spanNames: wanted, resourceNames: wanted))
        runner = ProcessorRunner(chain, joined.binding, editLimit: editLimit)
    }

    /// The request after the chain; `index` and `whole` say more.
    mutating func run(_ request: [UInt8]) throws -> [UInt8] {
        body = request
        edits = []
        try walker.walk(request.span, into: &index)
        result = try runner.run(&index, body: request.span, edits: &edits, walker: afterwards, facts: facts)
        return self.request(of: index)
    }

    /// What the index's offsets refer to.
    var whole: [UInt8] { body + edits }

    func request(of index: RequestIndex) -> [UInt8] {
        var request: [UInt8] = []
        var resource: [UInt8] = []
        var last: Range<Int>?
        func flush() { if last != nil { request += Encode.bytes(1, resource) } }
        for (number, group) in index.groups.enumerated() {
            let spans = index.records.filter { Int($0.group) == number }
            guard !spans.isEmpty else { continue }
            if last != group.resourceRange {
                flush()
                resource = Array(index.groupBytes[group.resourceRange])
                last = group.resourceRange
            }
            let scope = Array(index.groupBytes[group.scopeRange])
            resource += Encode.bytes(2, scope + spans.flatMap { Encode.bytes(2, Array(whole[$0.range])) })
        }
        flush()
        return request
    }
}

/// Requests as values that can be compared: attributes as maps, empty containers left out.
indirect enum Canonical: Equatable {
    case map([String: Canonical])
    case list([Canonical])
    case leaf(String)

    static func value(protobuf: [UInt8]) throws -> Canonical {
        var text: [UInt8] = []
        try OTLPJSONWriter.append(protobuf.span, to: &text)
        return normalized(try JSONSerialization.jsonObject(with: Data(text)))
    }

    /// The same of a request as JSON; of none, an empty one.
    static func value(json: [UInt8]?) throws -> Canonical {
        guard let json else { return .map([:]) }
        return try value(protobuf: OTLPJSONTranscoder.transcode(json.span))
    }

    private var isEmpty: Bool { self == .map([:]) || self == .list([]) }

    static func normalized(_ value: Any) -> Canonical {
        if let list = value as? [Any] {
            let pairs = list.compactMap { $0 as? [String: Any] }.filter { $0["value"] != nil && $0.count <= 2 }
            guard !list.isEmpty, pairs.count == list.count else { return .list(list.map(normalized)) }
            // A key may come twice.
            var map: [String: [Canonical]] = [:]
            for pair in pairs { map[pair["key"] as? String ?? "", default: []].append(normalized(pair["value"] ?? "")) }
            return .map(map.mapValues { .list($0) })
        }
        if let map = value as? [String: Any] {
            let inner = map.mapValues(normalized)
            return .map(inner.filter { !$0.value.isEmpty || $0.key == "value" || $0.key == "values" })
        }
        return .leaf("\(value)")
    }
}

/// Cases that were recorded from the Collector.
struct RecordedCase: CustomTestStringConvertible, @unchecked Sendable {
    let title: String
    let component: String
    let settings: String
    let input: Any?
    let output: [String: Any]
    /// The case's line in its file.
    private let line: [UInt8]

    var testDescription: String { "\(component): \(title)" }
    var isConfigError: Bool { output["config_error"] as? Bool ?? false }

    /// The JSON text under keys that follow each other in the line: numbers keep the form in which they were sent.
    func json(_ keys: String...) -> [UInt8]? {
        var start = 0
        for key in keys {
            guard let range = ByteSpans.firstRange(of: Array("\"\(key)\":".utf8).span, in: line.span, from: start) else { return nil }
            start = range + key.utf8.count + 3
        }
        var depth = 0
        var isText = false
        var end = start
        while end < line.count {
            let byte = line[end]
            end += 1
            if isText {
                if byte == UInt8(ascii: "\\") { end += 1 }
                if byte == UInt8(ascii: "\"") { isText = false }
            } else if byte == UInt8(ascii: "\"") {
                isText = true
            } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
            } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                depth -= 1
                if depth == 0 { return Array(line[start..<end]) }
            } else if depth == 0 {
                return nil
            }
        }
        return nil
    }

    /// The request that is sent, as protobuf.
    func request(_ keys: String...) throws -> [UInt8] {
        let text = try #require(keys.count == 1 ? json(keys[0]) : json(keys[0], keys[1]))
        return try OTLPJSONTranscoder.transcode(text.span)
    }

    private static func text(_ name: String) -> Data {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Vectors/processors/\(name).json")
        return (try? Data(contentsOf: path)) ?? Data()
    }

    static func file(_ name: String) -> [String: Any] {
        (try? JSONSerialization.jsonObject(with: text(name))) as? [String: Any] ?? [:]
    }

    static func cases(_ name: String) -> [RecordedCase] {
        let lines = Array(text(name)).split(separator: UInt8(ascii: "\n")).filter { $0.starts(with: Array("{\"component\"".utf8)) }
        return lines.compactMap { line in
            let bytes = line.last == UInt8(ascii: ",") ? line.dropLast() : line
            guard let vector = (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any] else { return nil }
            return RecordedCase(
                title: vector["title"] as? String ?? "", component: vector["component"] as? String ?? name,
                settings: vector["settings"] as? String ?? "", input: vector["input"].flatMap { $0 is NSNull ? nil : $0 },
                output: vector["output"] as? [String: Any] ?? [:], line: Array(bytes))
        }
    }
}
