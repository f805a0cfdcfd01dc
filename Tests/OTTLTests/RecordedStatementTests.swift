import Foundation
import OTLP
import TestSupport
import Testing

@testable import OTTL

/// What the OpenTelemetry Collector 0.156 does with statements, conditions and expressions, against what is done here.
@Suite("OTTL: recorded outputs of the Collector") struct RecordedStatementTests {
    static let recording = Recording("ottl/ottl.json")

    @Test("Every recorded case, but for those that differ on purpose")
    func everyCase() throws {
        var wrong: [String] = []
        var needless: [String] = []
        for vector in try #require(Self.recording).vectors {
            let problem = try Self.problem(vector)
            let title = vector.title
            let isKnown = OTTLDeviations.recorded.contains { $0.cases.contains(title) }
            if let problem, !isKnown { wrong.append("\(title): \(problem)") }
            if problem == nil, isKnown { needless.append(title) }
        }
        #expect(wrong == [])
        #expect(needless == [], "named as deviations, but they do not deviate")
    }

    @Test("Deviations name recorded cases")
    func deviationsExist() throws {
        let titles = Set(try #require(Self.recording).vectors.map(\.title))
        for deviation in OTTLDeviations.recorded {
            #expect(!deviation.cases.isEmpty && deviation.cases.allSatisfy { titles.contains($0) }, "\(deviation.what)")
        }
    }

    /// What differs, or nil.
    private static func problem(_ vector: Recording.Vector) throws -> String? {
        switch vector.kind {
        case "statement", "group": try statements(vector)
        case "condition": try condition(vector)
        default: try expression(vector)
        }
    }

    private static func statements(_ vector: Recording.Vector) throws -> String? {
        let isGroup = vector.kind == "group"
        let name = isGroup ? vector.text("stated_context") : vector.text("context")
        let context = name.flatMap { OTTLContext(rawValue: $0) }
        let mode = isGroup ? vector.text("error_mode").flatMap { OTTLErrorMode(rawValue: $0) } ?? .propagate : .ignore
        let expectsRefusal = vector.output["parse_error"] != nil
        // A context that traces do not have.
        if name != nil, context == nil { return expectsRefusal ? nil : "unknown context" }
        let list: OTTLStatementList
        do throws(OTTLListErrors) {
            list = try OTTLStatementList(
                parsing: vector.settings, context: context,
                needsPrefix: isGroup ? nil : vector.flag("names_required"), errorMode: mode)
        } catch {
            return expectsRefusal ? nil : "refused: \(error.errors)"
        }
        if expectsRefusal { return "not refused" }
        if let inferred = vector.text("context", in: vector.output), inferred != list.context.rawValue {
            return "context \(list.context.rawValue) instead of \(inferred)"
        }
        let errors = ConditionErrors(policy: "", topLevelPolicy: "", conditions: list.texts)
        let (traces, outcome) = try TestRequest(json: vector.input).applying(list, errors: errors)
        let failures = errors.take().reduce(0) { $0 + $1.count } + (outcome.failure == nil ? 0 : 1)
        let expectsError = isGroup
            ? vector.output["error"] as? Bool == true
            : (vector.output["results"] as? [[String: Any]])?.contains { $0["error"] != nil } == true
        let isSilent = mode == .silent
        if (failures > 0) != expectsError, !isSilent { return "errors: \(failures)" }
        let expected = try TestRequest(json: vector.traces)
        let left = try traces.comparable()
        let right = try expected.comparable()
        return left.isEqual(right) ? nil : "\(left)"
    }

    private static func condition(_ vector: Recording.Vector) throws -> String? {
        let expectsRefusal = vector.output["parse_error"] != nil
        let list: OTTLStatementList
        do throws(OTTLListErrors) {
            list = try OTTLStatementList(
                parsing: [], conditions: vector.settings, context: .span, needsPrefix: vector.flag("names_required"),
                errorMode: .propagate)
        } catch {
            return expectsRefusal ? nil : "refused: \(error.errors)"
        }
        if expectsRefusal { return "not refused" }
        let request = try TestRequest(json: vector.input)
        let index = try request.index()
        let record = index.records[0]
        let group = index.groups[Int(record.group)]
        do {
            let holds = try OTTLRun.holds(
                list, body: request.bytes.span, record: record, headers: index.groupBytes.span,
                resource: ByteRange(group.resourceRange), scope: ByteRange(group.scopeRange), now: OTTLTests.now)
            return vector.output["matched"] as? Bool == holds ? nil : "\(holds)"
        } catch {
            return vector.output["error"] != nil ? nil : "\(error)"
        }
    }

    private static func expression(_ vector: Recording.Vector) throws -> String? {
        let expectsRefusal = vector.output["parse_error"] != nil
        var compiler = OTTLCompiler(
            context: .span, needsPrefix: vector.flag("names_required"), compilePattern: OTTLPatterns.compile)
        let root: Int32
        do throws(OTTLError) {
            guard case .comparison(let left, _, _, _) = try OTTLParser.parse(vector.settings[0] + " == nil") else {
                return expectsRefusal ? nil : "no expression"
            }
            root = try compiler.compile(left)
        } catch {
            return expectsRefusal ? nil : "refused: \(error)"
        }
        if expectsRefusal { return "not refused" }
        let program = compiler.program(root: root)
        let request = try TestRequest(json: vector.input)
        let index = try request.index()
        let group = index.groups[0]
        var input = OTTLSpanInput(
            body: request.bytes.span, headers: index.groupBytes.span, eventBytes: request.bytes.span, record: index.records[0],
            resource: ByteRange(group.resourceRange), scope: ByteRange(group.scopeRange), now: OTTLTests.now)
        do {
            let value = try program.value(program.root, &input)
            return vector.matches(value, program, input)
        } catch {
            return vector.output["error"] != nil ? nil : "\(error)"
        }
    }
}

extension Recording.Vector {
    /// What differs between a value and the recorded one, or nil.
    fileprivate func matches(_ value: OTTLValue, _ program: OTTLProgram, _ input: OTTLSpanInput) -> String? {
        guard let type = output["type"] as? String else { return "no error" }
        let text = output["value"] as? String
        switch value {
        case .time(let time):
            return type == "time" && OTTLCalendar.rfc3339(time) == text ? nil : OTTLCalendar.rfc3339(time)
        case .duration(let duration): return type == "duration" && "\(duration)" == text ? nil : "\(duration)"
        case .traceID(let id): return type == "trace id" && id.description == text ? nil : "\(id)"
        case .spanID(let id): return type == "span id" && id.description == text ? nil : "\(id)"
        case .status, .entries: return type.hasPrefix("ptrace.") ? nil : "\(value.kind)"
        case .null: return type == "nil" ? nil : "nil"
        default: break
        }
        let names: [OTTLKind: String] = [
            .bool: "bool", .int: "int", .double: "double", .string: "string", .bytes: "bytes", .list: "list", .map: "map",
        ]
        guard names[value.kind] == type else { return "\(value.kind)" }
        var keyValue: [UInt8] = []
        keyValue.appendField(1, bytes: Array("v".utf8))
        keyValue.appendField(2, bytes: program.encoded(value, input))
        let own = TestRequest(attribute: keyValue)
        let pair: [String: Any] = ["key": "v", "value": output["value"] ?? [String: Any]()]
        let resource: [String: Any] = ["resource": ["attributes": [pair]]]
        let expected: [String: Any] = ["resourceSpans": [resource]]
        guard let left = try? own.comparable(), let right = try? TestRequest(json: expected).comparable() else { return "unreadable" }
        let isEqual = varies == "all" ? left.sorted.isEqual(right.sorted) : left.isEqual(right)
        return isEqual ? nil : "\(left)"
    }
}
