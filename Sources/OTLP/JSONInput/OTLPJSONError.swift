/// Why bytes are not OTLP JSON: what a client hears as HTTP 400.
///
/// A value, never text, so that refusing a flood of bad requests costs nothing.
package struct OTLPJSONError: Error, Equatable, Sendable {
    /// What is wrong.
    package enum Reason: UInt8, Sendable, CaseIterable {
        /// The text ends within a value.
        case truncated
        /// Something follows the one value of the document.
        case trailingText
        case expectedObject
        case expectedList
        /// A key in quotes, or the end of the object.
        case expectedKey
        case expectedColon
        /// A comma or the closing bracket.
        case expectedComma
        case expectedString
        /// A number, or one in quotes.
        case expectedNumber
        /// `true` or `false`.
        case expectedBoolean
        /// No value can begin like this.
        case expectedValue
        /// An enum's number, or its name in quotes.
        case expectedEnum
        /// A control character stands unescaped in a text.
        case controlCharacter
        case badEscape
        /// A number that JSON's grammar does not have, or a fraction where an integer belongs.
        case badNumber
        /// The number does not fit its field.
        case numberOutOfRange
        /// An identifier is not an even number of hexadecimal digits.
        case badHex
        case badBase64
        /// Values are nested deeper than `OTLPJSONTranscoder.maximumDepth`.
        case nestedTooDeep
    }

    /// What is wrong.
    package var reason: Reason
    /// Where in the text, in bytes.
    package var offset: Int

    /// Creates an error at `offset`.
    init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}

extension OTLPJSONError: CustomStringConvertible {
    /// One sentence for an answer or a log line.
    package var description: String {
        let text =
            switch reason {
            case .truncated: "the text ends within a value"
            case .trailingText: "something follows the end of the document"
            case .expectedObject: "an object ({...}) is expected"
            case .expectedList: "a list ([...]) is expected"
            case .expectedKey: "a key in quotes is expected"
            case .expectedColon: "a colon is expected"
            case .expectedComma: "a comma or a closing bracket is expected"
            case .expectedString: "a text in quotes is expected"
            case .expectedNumber: "a number is expected"
            case .expectedBoolean: "true or false is expected"
            case .expectedValue: "a value is expected"
            case .expectedEnum: "the number or the name of an enum value is expected"
            case .controlCharacter: "a control character in a text has to be escaped"
            case .badEscape: "unknown escape sequence in a text"
            case .badNumber: "malformed number"
            case .numberOutOfRange: "the number does not fit its field"
            case .badHex: "identifiers are hexadecimal digits, two for each byte"
            case .badBase64: "bytes are base64"
            case .nestedTooDeep: "values are nested too deep"
            }
        return "not valid OTLP JSON: \(text) at byte \(offset)"
    }
}
