package import OTLP

/// A resource or scope as it lies in the headers of a request, to be read only.
package struct MessageView: ~Escapable {
    /// What ranges refer to.
    package let bytes: Span<UInt8>
    /// The header, as in `GroupRecord`.
    package let range: ByteRange
    private let tag: UInt8

    /// - Parameter kind: `.resource` or `.scope`.
    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>, _ range: ByteRange, _ kind: MessageDraft.Kind) {
        self.bytes = bytes
        self.range = range
        tag = kind.attributeTag
    }

    /// The value of the first attribute with this key; its range refers to `bytes`.
    package func value(_ key: [UInt8]) -> AttributeValueRange? {
        AttributeCursor.find(key.span, in: bytes, range, tag: tag, isNested: true)
    }
}

/// What the spans of a group share, as it is at one stage.
package struct GroupView: ~Escapable {
    /// What ranges refer to.
    package let headers: Span<UInt8>
    /// The header of the resource, as in `GroupRecord.resourceRange`.
    package let resourceRange: ByteRange
    /// The header of the scope, as in `GroupRecord.scopeRange`.
    package let scopeRange: ByteRange

    @_lifetime(copy headers)
    package init(_ headers: Span<UInt8>, resource: ByteRange, scope: ByteRange) {
        self.headers = headers
        resourceRange = resource
        scopeRange = scope
    }

    package var resource: MessageView {
        @_lifetime(copy self)
        get { MessageView(headers, resourceRange, .resource) }
    }

    package var scope: MessageView {
        @_lifetime(copy self)
        get { MessageView(headers, scopeRange, .scope) }
    }

    /// The scope's name and version; ranges refer to `headers`.
    package var scopeFields: GroupFields { GroupFields.scope(headers, scopeRange.range) }
}

/// A span where it lies in its request, with what the walker found of it.
package struct SpanView: ~Escapable {
    /// What ranges refer to.
    package let body: Span<UInt8>
    package let record: SpanRecord
    private let hits: Span<AttributeHit>
    private let numbers: Span<UInt16>

    /// - Parameters:
    ///   - hits: those of this span alone.
    ///   - numbers: by an attribute's number in the chain, the name that hits bear.
    @_lifetime(copy body, copy hits, copy numbers)
    package init(_ body: Span<UInt8>, _ record: SpanRecord, hits: Span<AttributeHit>, numbers: Span<UInt16>) {
        self.body = body
        self.record = record
        self.hits = hits
        self.numbers = numbers
    }

    /// The value of an attribute that was asked for with `ProcessorBuilder.spanAttribute`; its range refers to `body`.
    package func value(_ name: AttributeName) -> AttributeValueRange? {
        guard name.number < numbers.count else { return nil }
        let number = numbers[name.number]
        for position in hits.indices where hits[position].name == number { return AttributeValueRange(hits[position]) }
        return nil
    }

    /// The span's payload in `body`.
    package var range: ByteRange { ByteRange(start: record.offset, count: record.length) }

    /// The fields that the walker does not keep. Reads the span.
    package var fields: SpanFields { SpanFields(body, record.range) }
}
