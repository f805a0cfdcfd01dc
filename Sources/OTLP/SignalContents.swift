/// What an export request of metrics or logs holds: items under their (resource, scope) headers.
///
/// The messages of all signals nest alike: resource entries (field 1) with scope entries (field 2) with items (field 2): metrics
/// or log records. A *header* is what an entry says apart from its children, byte for byte, as in `GroupRecord`. Items are
/// not looked into.
package struct SignalContents: Sendable {
    /// One (resource, scope) pair with items.
    package struct Group: Sendable {
        /// Its headers in `headers`.
        package var resource: Range<Int>
        package var scope: Range<Int>
        /// The keyed hash of both headers.
        package var hash: UInt64
    }

    /// An item's message in the body, without tag and length.
    package struct Item: Sendable {
        package var group: Int
        package var range: Range<Int>
    }

    package private(set) var groups: [Group] = []
    package private(set) var items: [Item] = []
    package private(set) var headers: [UInt8] = []

    /// Of an empty request.
    package init() {}

    /// Reads a whole request.
    ///
    /// - Complexity: O(bytes of headers + number of items).
    package init(_ body: Span<UInt8>, keys: HashKeys) throws(WalkError) {
        var fields = FieldReader(body, 0..<body.count)
        while let field = try fields.next() {
            if field.tag == Self.resourceEntry { try read(body, resourceEntry: field.payload, keys) }
        }
    }

    private static let resourceEntry: UInt64 = 1 << 3 | 2
    private static let child: UInt64 = 2 << 3 | 2

    private mutating func read(_ body: Span<UInt8>, resourceEntry range: Range<Int>, _ keys: HashKeys) throws(WalkError) {
        // The header first, since it may stand behind the children.
        let start = headers.count
        var fields = FieldReader(body, range)
        while let field = try fields.next() {
            if field.tag != Self.child { headers.append(copying: body.extracting(field.whole)) }
        }
        let resource = start..<headers.count
        fields = FieldReader(body, range)
        while let field = try fields.next() {
            if field.tag == Self.child { try read(body, scopeEntry: field.payload, of: resource, keys) }
        }
    }

    private mutating func read(
        _ body: Span<UInt8>, scopeEntry range: Range<Int>, of resource: Range<Int>, _ keys: HashKeys
    ) throws(WalkError) {
        let start = headers.count
        let number = groups.count
        var fields = FieldReader(body, range)
        while let field = try fields.next() {
            if field.tag == Self.child {
                items.append(Item(group: number, range: field.payload))
            } else {
                headers.append(copying: body.extracting(field.whole))
            }
        }
        let scope = start..<headers.count
        let hash = HashKeys.mix(
            hashBytes(headers.span.extracting(resource), key: keys) ^ keys.second,
            hashBytes(headers.span.extracting(scope), key: keys) ^ keys.first)
        groups.append(Group(resource: resource, scope: scope, hash: hash))
    }
}
