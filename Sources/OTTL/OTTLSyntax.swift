/// The comparison operators.
package enum OTTLComparison: UInt8, Sendable, CaseIterable {
    case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual

    /// As it is written.
    package var symbol: String {
        switch self {
        case .equal: "=="
        case .notEqual: "!="
        case .less: "<"
        case .lessOrEqual: "<="
        case .greater: ">"
        case .greaterOrEqual: ">="
        }
    }
}

/// The operators of arithmetic.
enum OTTLOperator: UInt8, Sendable {
    case add, subtract, multiply, divide

    var symbol: String {
        switch self {
        case .add: "+"
        case .subtract: "-"
        case .multiply: "*"
        case .divide: "/"
        }
    }

    /// The operator and its column in one word, as chains have them among their children.
    func packed(_ column: OTTLColumn) -> Int32 {
        Int32(truncatingIfNeeded: min(column.value, Int(UInt16.max)) << 8 | Int(rawValue))
    }

    static func unpacked(_ word: Int32) -> (symbol: OTTLOperator, column: UInt16) {
        (OTTLOperator(rawValue: UInt8(truncatingIfNeeded: word)) ?? .add, UInt16(truncatingIfNeeded: word >> 8))
    }
}

/// Where something stands in a condition. Two trees that differ in columns alone are equal.
struct OTTLColumn: Equatable, Sendable {
    let value: Int

    init(_ value: Int) { self.value = value }

    static func == (left: OTTLColumn, right: OTTLColumn) -> Bool { true }
}

/// The condition as a tree: what can be true or false.
///
/// Lists of operands are flat, so a tree is no deeper than `OTTLLimits.maximumDepth` allows, whatever its length.
indirect enum OTTLBoolean: Equatable, Sendable {
    case any([OTTLBoolean])
    case all([OTTLBoolean])
    case not(OTTLBoolean)
    case comparison(OTTLExpression, OTTLComparison, OTTLExpression, OTTLColumn)
    case constant(Bool)
    case call(OTTLCall)
}

/// A statement as a tree.
struct OTTLStatementSyntax: Equatable, Sendable {
    var editor: OTTLCall
    var condition: OTTLBoolean?
}

/// A value in a condition.
indirect enum OTTLExpression: Equatable, Sendable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string([UInt8])
    case bytes([UInt8])
    /// An uppercase name.
    case symbol(String, OTTLColumn)
    case list([OTTLExpression])
    case map([OTTLMapItem])
    case path(OTTLPathSyntax)
    case call(OTTLCall)
    case negated(OTTLExpression, OTTLColumn)
    /// `a + b - c`, or `a * b / c`: operators of one precedence, evaluated from the left.
    case chain(OTTLExpression, [OTTLChainLink])
}

/// One entry of a map literal.
struct OTTLMapItem: Equatable, Sendable {
    var key: [UInt8]
    var value: OTTLExpression
}

/// An operator and its right side.
struct OTTLChainLink: Equatable, Sendable {
    var symbol: OTTLOperator
    var operand: OTTLExpression
    var column: OTTLColumn
}

/// A path as it is written; what it means depends on the context.
struct OTTLPathSyntax: Equatable, Sendable {
    struct Field: Equatable, Sendable {
        var name: String
        var keys: [OTTLKeySyntax]
        var column: OTTLColumn
    }

    var fields: [Field]

    var column: Int { fields.first?.column.value ?? 1 }
}

/// What stands between brackets.
struct OTTLKeySyntax: Equatable, Sendable {
    var value: OTTLExpression
    var column: OTTLColumn
}

/// A converter with its arguments.
struct OTTLCall: Equatable, Sendable {
    struct Argument: Equatable, Sendable {
        /// Empty for an argument that is given by position.
        var name: String
        var value: OTTLExpression
        var column: OTTLColumn
    }

    var name: String
    var arguments: [Argument]
    /// What the result is indexed with.
    var keys: [OTTLKeySyntax]
    var column: OTTLColumn
}
