import OTLP
import Testing

@testable import OTTL

@Suite("OTTL: lists of conditions and error modes") struct OTTLListTests {
    private func outcome(
        _ span: [String], _ event: [String], _ mode: OTTLErrorMode?, on test: OTTLTestSpan = OTTLTestSpan(name: "n")
    ) throws -> OTTLListOutcome {
        let list = OTTLConditionList(
            span: try span.map { try OTTLTests.condition($0) }, spanEvent: try event.map { try OTTLTests.condition($0, .spanEvent) },
            errorMode: mode)
        let bound = try OTTLTests.outcome(list, test, isBound: true)
        #expect(bound == (try OTTLTests.outcome(list, test, isBound: false)))
        return bound
    }

    private let wrong = "attributes[\"absent\"] + 1 == 1"
    private let yes = "name == \"n\""
    private let no = "name == \"x\""

    @Test("Conditions are joined by or, from the left")
    func joined() throws {
        #expect(try outcome([no, yes], [], .propagate).verdict == .matched)
        #expect(try outcome([no, yes], [], .propagate).condition == 1)
        #expect(try outcome([no, no], [], .propagate) == OTTLListOutcome(verdict: .notMatched))
        #expect(try outcome([], [], .propagate).verdict == .notMatched)
    }

    @Test("ignore and silent go on behind an error and keep it for the log; propagate stops there", arguments: OTTLErrorMode.allCases)
    func errorModes(mode: OTTLErrorMode) throws {
        let stops = mode == .propagate
        let first = try outcome([no, wrong, yes], [], mode)
        #expect(first.verdict == (stops ? .failed : .matched))
        #expect(first.condition == (stops ? 1 : 2))
        #expect(first.error?.reason == .unsupportedType)
        #expect(first.error?.found == .null)
        #expect(first.error?.column == 22)
        #expect(first.error?.description == "column 22: nil is not a type that can stand here")
        #expect(try outcome([yes, wrong], [], mode).verdict == .matched)
        #expect(try outcome([yes, wrong], [], mode).error == nil)
        let alone = try outcome([wrong, no], [], mode)
        #expect(alone.verdict == (stops ? .failed : .notMatched))
        #expect(alone.condition == 0)
    }

    @Test("An absent error mode is silent; a written one is one of three, of either case")
    func configuredModes() throws {
        #expect(try outcome([wrong, yes], [], nil).verdict == .matched)
        #expect(OTTLErrorMode(configured: "ignore") == .ignore)
        #expect(OTTLErrorMode(configured: "Silent") == .silent)
        #expect(OTTLErrorMode(configured: "PROPAGATE") == .propagate)
        for text in ["", "ignored", " ignore", "none"] { #expect(OTTLErrorMode(configured: text) == nil) }
    }

    @Test("Events are looked at after the span, one after the other, and only if the span did not decide")
    func events() throws {
        var span = OTTLTestSpan(name: "n")
        span.events = ["a", "b", "c"].map { OTTLTestSpan.Event(name: $0) }
        #expect(try outcome([no], ["name == \"c\""], .propagate, on: span).verdict == .matched)
        #expect(try outcome([no], ["name == \"c\""], .propagate, on: span).condition == 1)
        #expect(try outcome([no], ["name == \"d\""], .propagate, on: span).verdict == .notMatched)
        #expect(try outcome([], ["name == \"n\""], .propagate, on: span).verdict == .notMatched)
        // The first event fails, the second would match.
        let second = "name == \"a\" and attributes[\"x\"] + 1 == 1 or name == \"b\""
        #expect(try outcome([], [second], .propagate, on: span).verdict == .failed)
        #expect(try outcome([], [second], .silent, on: span).verdict == .matched)
        #expect(try outcome([yes], ["event_index == 0"], .propagate, on: span).verdict == .matched)
        #expect(try outcome([no], ["event_index == 0"], .propagate, on: span).verdict == .failed)
        #expect(try outcome([no], ["event_index == 0"], .ignore, on: span).error?.reason == .unavailable)
        #expect(try outcome([], ["true"], .propagate).verdict == .notMatched)
    }

    @Test("The attributes that a list asks for, each once")
    func requests() throws {
        let list = OTTLConditionList(
            span: [
                try OTTLTests.condition(#"attributes["a"] == 1 or attributes["b"]["c"] == 1 or resource.attributes["r"] == 1"#),
                try OTTLTests.condition(#"span.attributes["a"] == scope.attributes["s"] or attributes[name] == 1"#),
            ],
            spanEvent: [try OTTLTests.condition(#"attributes["e"] == span.attributes["d"] or resource.attributes["r"] == 2"#, .spanEvent)],
            errorMode: nil)
        #expect(list.spanAttributes == ["a", "b", "d"].map { Array($0.utf8) })
        #expect(list.resourceAttributes == [Array("r".utf8)])
    }

    @Test("A condition whose outcome is certain says so")
    func constants() throws {
        #expect(try OTTLTests.condition("1 == 1").constantOutcome == true)
        #expect(try OTTLTests.condition("name == \"x\" and 1 == 2").constantOutcome == false)
        #expect(try OTTLTests.condition("name == \"x\"").constantOutcome == nil)
        #expect(try OTTLTests.condition("1 / 0 == 1").constantOutcome == nil)
        #expect(try OTTLTests.condition("IsRootSpan()").constantOutcome == nil)
    }

    @Test("Equal lists have equal texts, others don't")
    func texts() throws {
        let one = try OTTLTests.condition(yes)
        let event = try OTTLTests.condition(yes, .spanEvent)
        func text(_ span: [OTTLCondition], _ event: [OTTLCondition], _ mode: OTTLErrorMode) -> String {
            OTTLConditionList(span: span, spanEvent: event, errorMode: mode).text
        }
        #expect(text([one], [], .silent) == text([one], [], .silent))
        let all = [text([one], [], .silent), text([one], [], .ignore), text([], [event], .silent), text([one, one], [], .silent)]
        #expect(Set(all).count == all.count)
    }
}
