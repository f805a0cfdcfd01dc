/// A text that must not be seen: a token, a password, a private key.
///
/// However it is printed (interpolated, logged, dumped with everything around it), it shows `[REDACTED]`. Whoever really
/// needs the text says so with `revealed`, which is easy to search for.
package struct Secret: Sendable, Hashable {
    /// The text itself, for the wire and for comparisons alone.
    package let revealed: String

    package init(_ text: String) { revealed = text }

    package var isEmpty: Bool { revealed.isEmpty }

    /// What every print of a secret shows.
    package static let mask = "[REDACTED]"
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { Self.mask }
    package var debugDescription: String { Self.mask }
    /// Without children, so that `dump` and interpolations of values around it show nothing either.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
