/// The answer to an export: empty for full success, else how many spans were left out and why.
package struct ExportTraceServiceResponse: Equatable, Sendable {
    /// How many spans were rejected; they must not be sent again.
    package var rejectedSpans: Int64
    /// Why, for people; with no rejected spans it is a warning.
    ///
    /// UTF-8.
    package var errorMessage: [UInt8]

    /// Creates a response; the default is full success.
    package init(rejectedSpans: Int64 = 0, errorMessage: [UInt8] = []) {
        self.rejectedSpans = rejectedSpans
        self.errorMessage = errorMessage
    }

    /// Reads a response; what isn't known is skipped.
    package init(parsing bytes: Span<UInt8>) throws(WalkError) {
        self.init()
        var response = FieldReader(bytes, 0..<bytes.count)
        while let field = try response.next() {
            guard field.tag == 0x0a else { continue }
            var partial = FieldReader(bytes, field.payload)
            while let inner = try partial.next() {
                switch inner.tag {
                case 0x08: rejectedSpans = Int64(bitPattern: inner.value)
                case 0x12: errorMessage = bytes.array(inner.payload)
                default: break
                }
            }
        }
    }

    /// The protobuf bytes; none for full success.
    package var encoded: [UInt8] {
        var output: [UInt8] = []
        guard rejectedSpans != 0 || !errorMessage.isEmpty else { return output }
        var partial: [UInt8] = []
        partial.appendField(1, varint: UInt64(bitPattern: rejectedSpans))
        if !errorMessage.isEmpty { partial.appendField(2, bytes: errorMessage) }
        output.appendField(1, bytes: partial)
        return output
    }
}
