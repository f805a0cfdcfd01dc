import NativeCore
import OTLP
import TestSupport
import Testing

@testable import Processing

@Suite struct RedactionTests {
    static func rules() -> RedactionRules {
        RedactionRules(
            allowsAllKeys: true, allowedKeys: [], ignoredKeys: [], ignoredKeyPatterns: [], blockedKeyPatterns: [],
            blockedValues: [],
            allowedValues: [], redactsAllTypes: false, mask: .none, summary: .unset)
    }

    /// The attributes of a span with these, after redaction: values as JSON has them.
    func redacted(_ yaml: String, _ attributes: [UInt8], more: [UInt8] = []) throws -> [String: String] {
        let chain = try #require(Made.chain([("redaction", yaml)]))
        var rig = Rig(chain)
        _ = try rig.run(ChainTests.message([], [ChainTests.span(1, attributes + more)]))
        var found: [String: String] = [:]
        let whole = rig.whole
        var cursor = AttributeCursor(ByteRange(rig.index.records[0].range), tag: 0x4a)
        while let attribute = cursor.next(whole.span) {
            found[String(decoding: whole[attribute.key.range], as: UTF8.self)] =
                String(decoding: AnyValueText.text(of: attribute.value, in: whole.span), as: UTF8.self)
        }
        return found
    }

    static let attributes =
        ChainTests.text(9, "id", "7") + ChainTests.text(9, "notes", "card 4111111111111111, or 4222222222222222.")
        + ChainTests.text(9, "api_token", "s3cret\nline")
        + Encode.attribute(9, "number", Encode.varint(3, 4_111_111_111_111_111))
        + ChainTests.text(9, "mail", "tom@shop.example")

    @Test func allowListAndMasks() throws {
        let yaml = "allowed_keys: [id, notes, number]\nblocked_values: ['4[0-9]{12}(?:[0-9]{3})?']\nsummary: debug"
        #expect(
            try redacted(yaml, Self.attributes) == [
                "id": "7", "notes": "card ****, or ****.", "number": "4111111111111111",
                "redaction.redacted.keys": "api_token,mail",
                "redaction.redacted.count": "2", "redaction.masked.keys": "notes", "redaction.masked.count": "1",
            ])
    }

    @Test func allTypesAndIgnoredKeys() throws {
        let yaml =
            "allow_all_keys: true\nredact_all_types: true\nblocked_values: ['^4']\nignored_keys: [notes]\nignored_key_patterns: ['^mai']\nsummary: info"
        #expect(
            try redacted(yaml, Self.attributes) == [
                "id": "7", "notes": "card 4111111111111111, or 4222222222222222.", "number": "****111111111111111",
                "api_token": "s3cret\nline", "mail": "tom@shop.example", "redaction.masked.count": "1",
                "redaction.ignored.count": "2",
            ])
    }

    @Test func blockedKeysAllowedValues() throws {
        let yaml =
            "allow_all_keys: true\nblocked_key_patterns: ['token', 'mail']\nallowed_values: ['@shop.example$']\nsummary: debug"
        let found = try redacted(yaml, Self.attributes)
        // `.` of the Collector's pattern `.*` does not match a line's end.
        #expect(found["api_token"] == "****\n****")
        #expect(found["mail"] == "tom@shop.example")
        #expect(found["redaction.allowed.keys"] == "mail" && found["redaction.allowed.count"] == "1")
    }

    @Test(arguments: [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"), ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("sha3", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
    ])
    func digests(name: String, digest: String) throws {
        let yaml = "allow_all_keys: true\nblocked_values: [abc]\nhash_function: \(name)"
        #expect(try redacted(yaml, ChainTests.text(9, "k", "xabcx")) == ["k": "x\(digest)x"])
    }

    @Test func sha3OfLongerTexts() {
        // FIPS 202's examples: the empty message, and 200 bytes of a3.
        let empty = "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"
        let long = "79f38adec5c20307a98ef76e8324afbfd46cfd81b22e3973c65fa1bd9de31787"
        #expect(String(decoding: hexDigits(Digests.sha3([])), as: UTF8.self) == empty)
        #expect(String(decoding: hexDigits(Digests.sha3(Array(repeating: 0xa3, count: 200))), as: UTF8.self) == long)
    }

    @Test func summariesAddUp() throws {
        let yaml = "allowed_keys: [x]\nsummary: debug"
        let before =
            ChainTests.text(9, "redaction.redacted.keys", "old")
            + Encode.attribute(9, "redaction.redacted.count", Encode.varint(3, 1))
        #expect(
            try redacted(yaml, ChainTests.text(9, "b", "1") + ChainTests.text(9, "a", "1") + before) == [
                "redaction.redacted.keys": "a,b,old", "redaction.redacted.count": "3",
            ])
    }

    @Test func resourcesScopesAndEvents() throws {
        let secret = { (number: Int) in ChainTests.text(number, "password", "p") + ChainTests.text(number, "id", "7") }
        let event = Encode.fixed64(1, 5) + Encode.text(2, "login") + secret(3) + Encode.varint(77, 3)
        let span = ChainTests.span(1, Encode.bytes(11, event) + Encode.bytes(11, Encode.text(2, "other")))
        let request = Encode.bytes(
            1,
            Encode.bytes(1, secret(1))
                + Encode.bytes(2, Encode.bytes(1, Encode.text(1, "lib") + secret(3)) + Encode.bytes(2, span)))
        var rig = Rig(try #require(Made.chain([("redaction", "allowed_keys: [id]")])))
        let output = try rig.run(request)
        let expected = { (number: Int) in ChainTests.text(number, "id", "7") }
        let newEvent = Encode.fixed64(1, 5) + Encode.text(2, "login") + expected(3) + Encode.varint(77, 3)
        let newSpan = ChainTests.span(1, Encode.bytes(11, newEvent) + Encode.bytes(11, Encode.text(2, "other")))
        #expect(
            output
                == Encode.bytes(
                    1,
                    Encode.bytes(1, expected(1))
                        + Encode.bytes(2, Encode.bytes(1, Encode.text(1, "lib") + expected(3)) + Encode.bytes(2, newSpan))))
    }

    @Test func nothingToHideCopiesNothing() throws {
        var rig = Rig(
            try #require(Made.chain([("redaction", "allow_all_keys: true\nblocked_values: [nothing]\nsummary: debug")])))
        let request = ChainTests.message(ChainTests.text(1, "a", "b"), [ChainTests.span(1, Self.attributes)])
        #expect(try rig.run(request) == request)
        #expect(rig.edits.isEmpty && rig.result.edited == 0)
    }
}
