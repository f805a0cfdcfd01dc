import ConfigTree
import OTLP
import Testing

@testable import Processing

/// `attributes`, `resource` and `span` against what the Collector gave out, case by case.
@Suite struct RecordedOutputTests {
    @Test func allCasesAreThere() {
        #expect(RecordedCase.cases("attributes").count == 83)
        #expect(RecordedCase.cases("resource").count == 13)
        #expect(RecordedCase.cases("span").count == 26)
    }

    @Test(arguments: RecordedCase.cases("attributes") + RecordedCase.cases("resource") + RecordedCase.cases("span"))
    func recorded(_ recorded: RecordedCase) throws {
        let problems = ConfigProblems()
        let chain = Made.chain([(recorded.component, recorded.settings)], ProcessorBuilder(), problems)
        if recorded.isConfigError {
            #expect(problems.hasErrors, "the Collector does not start with this")
            return
        }
        let errors = problems.errors.map(\.description)
        #expect(errors == [], "the Collector starts with this")
        var rig = Rig(try #require(chain))
        let output = try rig.run(recorded.request("input"))
        if recorded.output["panic"] as? Bool ?? false {
            // Deviation groupsWithoutPart: an answer instead of a panic.
            #expect(rig.index.records.count == 1)
            #expect(rig.result.edited == 1)
            return
        }
        let expected = try Canonical.value(json: recorded.json("output", "traces"))
        let actual = try Canonical.value(protobuf: output)
        #expect(actual == expected, "\(recorded.settings)")
    }
}
