import TestSupport
import Testing

@testable import OTLP

@Suite struct SpanSanitizerTests {
    /// Bad sequences and how many U+FFFD they make (Unicode 15, section 3.9, tables 3-8 to 3-11).
    static let table: [(bad: [UInt8], replacements: Int)] = [
        ([0xff], 1), ([0x80], 1), ([0xc0, 0xaf], 2), ([0xc1, 0xbf], 2), ([0xc2], 1),
        ([0xe0, 0x80, 0xbf], 3), ([0xe0, 0x9f, 0xbf], 3), ([0xe1, 0x80], 1), ([0xe2, 0x82], 1),
        ([0xed, 0xa0, 0x80], 3), ([0xed, 0xbf, 0xbf], 3), ([0xf0, 0x80, 0x80, 0xaf], 4),
        ([0xf0, 0x91, 0x92], 1), ([0xf1, 0xbf], 1), ([0xf4, 0x90, 0x80, 0x80], 4),
        ([0xf5, 0x80, 0x80, 0x80], 4), ([0xf4, 0x8f, 0xbf], 1), ([0xe1, 0x80, 0xe2, 0xf0], 3),
    ]

    @Test func tableOfBadSequences() {
        for (bad, replacements) in Self.table {
            for padding in ["", "a", "long enough for words of eight"] {
                let before = Array(padding.utf8)
                let span = Encode.span(Encode.bytes(5, before + bad + Array("Ab".utf8)))
                let good = Encode.span(
                    Encode.bytes(
                        5,
                        before
                            + [[UInt8]](repeating: [0xef, 0xbf, 0xbd], count: replacements)
                            .flatMap { $0 } + Array("Ab".utf8)))
                #expect(!isValidText(span), "\(bad)")
                #expect(repairedText(span) == good, "\(bad)")
                #expect(isValidText(good))
            }
        }
    }

    /// Every lead and second byte, against the standard library's own decoder.
    @Test func agreesWithTheStandardLibrary() {
        for lead in UInt8(0xbf)...0xff {
            for second in stride(from: UInt8(0x70), through: 0xfe, by: 1) {
                let text: [UInt8] = [lead, second, 0x80, 0xbf, 0x41]
                let expected = Array(String(decoding: text, as: UTF8.self).utf8)
                var output: [UInt8] = []
                UTF8Check.appendRepaired(text.span, 0, text.count, to: &output)
                if output != expected { Issue.record("\(text): \(output) != \(expected)") }
                let isValid = UTF8Check.isValid(text.span, 0, text.count)
                if isValid != (expected == text) { Issue.record("\(text)") }
            }
        }
    }

    @Test func validTextOfEveryLength() {
        let fine = "aé€😀\u{0}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}"
        for count in 0..<20 {
            let text = String(repeating: "x", count: count) + fine
            #expect(isValidText(Encode.text(5, text)))
            #expect(repairedText(Encode.text(5, text)) == Encode.text(5, text))
        }
    }

    @Test func everyStringFieldOfASpan() {
        let bad: [UInt8] = [0x61, 0xff]
        let good: [UInt8] = [0x61, 0xef, 0xbf, 0xbd]
        func build(_ text: [UInt8]) -> [[UInt8]] {
            let value = Encode.bytes(1, text)
            let array = Encode.bytes(
                5, Encode.bytes(1, Encode.varint(3, 5)) + Encode.bytes(1, value))
            let list = Encode.bytes(6, Encode.attribute(1, "k", array))
            let longKey = Encode.bytes(1, text + [UInt8](repeating: 0x62, count: 125))
            return [
                Encode.bytes(3, text), Encode.bytes(5, text),
                Encode.bytes(9, Encode.bytes(1, text) + Encode.bytes(2, Encode.varint(3, 300))),
                Encode.bytes(9, longKey), Encode.attribute(9, "k", value),
                Encode.attribute(9, "k", array), Encode.attribute(9, "k", list),
                Encode.bytes(11, Encode.bytes(2, text)),
                Encode.bytes(11, Encode.attribute(3, "k", list)),
                Encode.bytes(13, Encode.bytes(3, text)),
                Encode.bytes(13, Encode.attribute(4, "k", value)),
                Encode.bytes(15, Encode.varint(3, 2) + Encode.bytes(2, text)),
            ]
        }
        let after = Encode.fixed64(7, .max) + Encode.bytes(3000, bad) + Encode.group(9, [])
        for (broken, repaired) in zip(build(bad), build(good)) {
            #expect(!isValidText(Encode.span(broken + after)))
            #expect(repairedText(Encode.span(broken + after)) == Encode.span(repaired + after))
            #expect(isValidText(Encode.span(repaired + after)))
        }
    }

    @Test func bytesAndUnknownFieldsMayHoldAnything() {
        let span = Encode.span(
            trace: 0xff, span: 0xfe,
            Encode.attribute(9, "k", Encode.bytes(7, [0xff])) + Encode.bytes(900, [0xff])
                + Encode.attribute(9, "n", Encode.varint(3, .max)) + Encode.bytes(4, [0xff]))
        #expect(isValidText(span))
        #expect(repairedText(span) == span)
    }

    @Test func headers() {
        let bad: [UInt8] = [0xff]
        let good: [UInt8] = [0xef, 0xbf, 0xbd]
        func resource(_ text: [UInt8]) -> [[UInt8]] {
            [
                Encode.bytes(3, text),
                Encode.bytes(1, Encode.attribute(1, "k", Encode.bytes(1, text))),
                Encode.bytes(1, Encode.bytes(3, Encode.bytes(3, text))),
            ]
        }
        func scope(_ text: [UInt8]) -> [[UInt8]] {
            [
                Encode.bytes(3, text), Encode.bytes(1, Encode.bytes(1, text)),
                Encode.bytes(1, Encode.bytes(2, text)),
                Encode.bytes(1, Encode.attribute(3, "k", Encode.bytes(1, text))),
            ]
        }
        for (broken, repaired) in zip(resource(bad), resource(good)) {
            #expect(!isValidText(broken, as: .resourceHeader))
            #expect(repairedText(broken, as: .resourceHeader) == repaired)
        }
        for (broken, repaired) in zip(scope(bad), scope(good)) {
            #expect(!isValidText(broken, as: .scopeHeader))
            #expect(repairedText(broken, as: .scopeHeader) == repaired)
        }
    }

    @Test func malformedBytesAreKept() {
        for bytes: [UInt8] in [[0x2a, 9, 1], [0x0e], [0x4a, 3, 0x0a, 0xff, 0xff]] {
            #expect(!isValidText(bytes))
            #expect(repairedText(bytes) == bytes)
        }
    }
}
