// Trees written as Swift literals, for tests and for built-in defaults: `.map(["name": "errors", "values": ["5"]])`.
// Every node stands at `(literal):1:1`. A text literal counts as quoted, so `"5"` is text and `5` is a number.

extension ConfigNode {
    /// Where a node stands that no file holds.
    package static var literalPosition: SourcePosition { SourcePosition(file: "(literal)", line: 1, column: 1) }

    private init(plain text: String) {
        self.init(.scalar(ConfigScalar(text: text, isPlain: true)), at: Self.literalPosition)
    }
}

extension ConfigNode: ExpressibleByStringLiteral {
    package init(stringLiteral value: String) {
        self.init(.scalar(ConfigScalar(text: value, isPlain: false)), at: Self.literalPosition)
    }
}

extension ConfigNode: ExpressibleByIntegerLiteral {
    package init(integerLiteral value: Int) { self.init(plain: String(value)) }
}

extension ConfigNode: ExpressibleByFloatLiteral {
    package init(floatLiteral value: Double) { self.init(plain: String(value)) }
}

extension ConfigNode: ExpressibleByBooleanLiteral {
    package init(booleanLiteral value: Bool) { self.init(plain: value ? "true" : "false") }
}

extension ConfigNode: ExpressibleByNilLiteral {
    package init(nilLiteral: ()) { self.init(.null, at: Self.literalPosition) }
}

extension ConfigNode: ExpressibleByArrayLiteral {
    package init(arrayLiteral elements: ConfigNode...) { self.init(.list(elements), at: Self.literalPosition) }
}

extension ConfigNode {
    /// A map, in the order written: `.map(["name": "errors", "type": "status_code"])`.
    ///
    /// A function, as a dictionary literal would need the name `Value` for the node itself.
    package static func map(_ pairs: KeyValuePairs<String, ConfigNode>) -> ConfigNode {
        let entries = pairs.map { ConfigEntry(key: $0.key, keyPosition: literalPosition, value: $0.value) }
        return ConfigNode(.map(entries), at: literalPosition)
    }
}
