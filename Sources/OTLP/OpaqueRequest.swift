/// Export requests of signals that are not looked into.
package enum OpaqueRequest {
    /// Whether the outermost message is protobuf: the least that a backend needs to answer sensibly.
    ///
    /// - Complexity: O(number of outermost fields), one for each resource.
    package static func check(_ bytes: Span<UInt8>) throws(WalkError) {
        var offset = 0
        while offset < bytes.count {
            let tag = try Wire.tag(bytes, offset, bytes.count)
            offset = try Wire.skip(tag: tag.value, bytes, tag.next, bytes.count)
        }
    }
}
