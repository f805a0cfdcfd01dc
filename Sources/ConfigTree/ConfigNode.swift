/// One value of a configuration file, with the place it was read from.
///
/// The tree knows nothing of YAML: whoever loads a file has resolved anchors, merge keys and substitutions, has refused
/// duplicate keys, and has bounded the depth.
package struct ConfigNode: Sendable, Equatable {
    /// What stands at this place.
    package enum Value: Sendable, Equatable {
        /// An empty value, `~` or `null`. Readers take it as if the key were absent.
        case null
        case scalar(ConfigScalar)
        case list([ConfigNode])
        /// In the order of the file; keys are unique.
        case map([ConfigEntry])
    }

    package var value: Value
    package var position: SourcePosition

    package init(_ value: Value, at position: SourcePosition) {
        self.value = value
        self.position = position
    }

    /// Equal values, wherever they stand.
    ///
    /// A reload compares trees with this, so that a comment added above a policy is no change of the policy.
    /// - Complexity: O(size of the smaller tree).
    package func sameContent(as other: ConfigNode) -> Bool {
        switch (value, other.value) {
        case (.null, .null): true
        case (.scalar(let mine), .scalar(let theirs)): mine == theirs
        case (.list(let mine), .list(let theirs)):
            mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.sameContent(as: $1) }
        case (.map(let mine), .map(let theirs)):
            mine.count == theirs.count
                && zip(mine, theirs).allSatisfy { $0.key == $1.key && $0.value.sameContent(as: $1.value) }
        default: false
        }
    }
}

/// One `key: value` of a map.
package struct ConfigEntry: Sendable, Equatable {
    package var key: String
    package var keyPosition: SourcePosition
    package var value: ConfigNode

    package init(key: String, keyPosition: SourcePosition, value: ConfigNode) {
        self.key = key
        self.keyPosition = keyPosition
        self.value = value
    }
}
