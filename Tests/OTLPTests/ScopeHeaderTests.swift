import Testing

@testable import OTLP

@Suite struct ScopeHeaderTests {
    static func keyValue(_ key: String, _ value: [UInt8]) -> [UInt8] {
        var message: [UInt8] = []
        message.appendField(1, bytes: Array(key.utf8))
        message.appendField(2, bytes: value)
        return message
    }

    static func text(_ value: String) -> [UInt8] {
        var any: [UInt8] = []
        any.appendField(1, bytes: Array(value.utf8))
        return any
    }

    static func scope(_ fields: (UInt64, [UInt8])...) -> [UInt8] {
        var scope: [UInt8] = []
        for (number, bytes) in fields { scope.appendField(number, bytes: bytes) }
        var header: [UInt8] = []
        header.appendField(1, bytes: scope)
        return header
    }

    let note = [ScopeAttribute("p", .text("errors")), ScopeAttribute("c", .bool(true))]
    let added: [(UInt64, [UInt8])] = [(3, keyValue("p", text("errors"))), (3, keyValue("c", [0x10, 1]))]

    @Test func addsBehindAllElse() {
        let name = Array("lib".utf8)
        let header = Self.scope((1, name), (3, Self.keyValue("a", Self.text("b"))))
        let expected = Self.scope((1, name), (3, Self.keyValue("a", Self.text("b"))), added[0], added[1])
        #expect(ScopeHeader.adding(note, to: header.span) == expected)
        // A schema URL stays where it belongs.
        var withSchema = header
        withSchema.appendField(3, bytes: Array("https://s".utf8))
        var expectedSchema = expected
        expectedSchema.appendField(3, bytes: Array("https://s".utf8))
        #expect(ScopeHeader.adding(note, to: withSchema.span) == expectedSchema)
    }

    @Test func makesAScopeWhereThereIsNone() {
        let none: [UInt8] = []
        #expect(ScopeHeader.adding(note, to: none.span) == Self.scope(added[0], added[1]))
    }

    @Test func replacesItsOwnNamesAndMergesRepeatedScopes() {
        let old = Self.scope((3, Self.keyValue("p", Self.text("old"))), (3, Self.keyValue("x", Self.text("y"))))
        let again = Self.scope((2, Array("1.0".utf8)))
        let expected = Self.scope((3, Self.keyValue("x", Self.text("y"))), (2, Array("1.0".utf8)), added[0], added[1])
        #expect(ScopeHeader.adding(note, to: (old + again).span) == expected)
        #expect(ScopeHeader.adding(note, to: expected.span) == expected, "a second time changes nothing")
    }

    @Test func malformedBytesComeBackAsTheyAre() {
        let header = Self.scope((1, Array("lib".utf8)))
        for end in 1..<header.count {
            let cut = Array(header[..<end])
            #expect(ScopeHeader.adding(note, to: cut.span) == cut)
        }
    }
}
