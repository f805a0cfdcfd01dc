@testable import OTLP

// `#expect` can't pass spans, so these take arrays.

func isValidText(_ bytes: [UInt8], as part: SpanSanitizer.Part = .span) -> Bool {
    SpanSanitizer.isValid(bytes.span, as: part)
}
func repairedText(_ bytes: [UInt8], as part: SpanSanitizer.Part = .span) -> [UInt8] {
    SpanSanitizer.repaired(bytes.span, as: part)
}
func hashOf(_ bytes: [UInt8], _ keys: HashKeys) -> UInt64 { hashBytes(bytes.span, key: keys) }

func walk(
    _ body: [UInt8], _ walker: RequestWalker = RequestWalker(keys: HashKeys(3, 4))
) throws(WalkError) -> RequestIndex {
    var index = RequestIndex()
    try walker.walk(body.span, into: &index)
    return index
}
func walkError(_ body: [UInt8]) -> WalkError? {
    do throws(WalkError) {
        _ = try walk(body)
        return nil
    } catch {
        return error
    }
}
func json(_ body: [UInt8]) throws(WalkError) -> String {
    var output: [UInt8] = []
    try OTLPJSONWriter.append(body.span, to: &output)
    return String(decoding: output, as: UTF8.self)
}
func ascii(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
