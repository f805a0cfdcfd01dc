/// Tags of the fields that this module writes and reads (all length-delimited).
enum OTLPTag {
    /// `ExportTraceServiceRequest.resource_spans = 1`.
    static let resourceSpans: UInt8 = 0x0a
    /// `ResourceSpans.scope_spans = 2`.
    static let scopeSpans: UInt8 = 0x12
    /// `ScopeSpans.spans = 2`.
    static let spans: UInt8 = 0x12
}
