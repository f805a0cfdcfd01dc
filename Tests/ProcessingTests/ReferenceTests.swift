import OTLP
import ReportText
import Testing

@testable import Processing

@Suite struct ReferenceTests {
    @Test func rowsNameKeysWithTheirPaths() throws {
        let rows = ProcessorReference.rows(AttributesProcessor.self)
        let key = try #require(rows.first { $0.key == "include.attributes[].key" })
        #expect(key.isRequired && key.kind == "text")
        #expect(rows.contains { $0.key == "actions[].action" && $0.doc.contains("`upsert`") })
        let sampler = ProcessorReference.rows(ProbabilisticSampler.self)
        #expect(sampler.first { $0.key == "fail_closed" }?.defaultValue == "true")
    }

    @Test(arguments: ProcessorCatalog.types.map { $0.typeName }) func everyKeySaysWhatItIs(name: String) throws {
        let type = try #require(ProcessorCatalog.type(named: name))
        #expect(!type.schema.summary.isEmpty)
        #expect(type.schema.signals.contains(.traces))
        for row in ProcessorReference.rows(type) {
            #expect(!row.doc.isEmpty && row.doc.hasSuffix("."), "\(row.key)")
        }
    }

    @Test func jsonSchemaKnowsAllNames() {
        let text = ProcessorReference.jsonSchema().rendered()
        for name in ProcessorCatalog.types.flatMap({ $0.typeNames }) { #expect(text.contains("\"^\(name)(/.*)?$\"")) }
        #expect(text.contains("\"additionalProperties\": false"))
        #expect(text.contains("\"required\": ["))
    }

    @Test func deviationsAreComplete() {
        #expect(Set(ProcessorDeviations.all.map(\.id)) == Set(ProcessorDeviation.ID.allCases))
        for deviation in ProcessorDeviations.all {
            #expect(!deviation.text.isEmpty && !deviation.reason.isEmpty)
            for type in deviation.types { #expect(ProcessorCatalog.type(named: type) != nil, "\(type)") }
        }
    }
}
