internal import OTLP

/// One step of a compiled condition: 32 bytes, no references.
struct OTTLNode: Sendable, BitwiseCopyable {
    enum Operation: UInt8, Sendable {
        /// Constants: `word` holds the value, or `first` and `second` a range of the constant bytes, or `first` an index of
        /// the constant values.
        case null, bool, int, double, string, bytes, constant
        /// The text that an editor hands to its function.
        case argument
        /// `children` at `first`, `second` of them; a map has keys and values in turn.
        case list, map
        /// `detail` is the path.
        case path
        /// An attribute with a constant key: `detail` is the map, `first` and `second` the key, `name` its number.
        case attribute
        /// `first` is the key.
        case traceStateMember
        /// `first` is what is indexed, `second` with what.
        case index
        /// `first` is the operand.
        case negate
        /// `children`: the first operand, then operator and operand in turn.
        case chain
        /// `detail` is the function, `children` its arguments in the order of its parameters, -1 for an absent one.
        case call
        /// `IsMatch` with a constant pattern: `first` is the target, `second` the index of the pattern.
        case isMatch
        /// `ExtractPatterns`: as `isMatch`.
        case extractPatterns
        /// `children` are the operands.
        case any, all
        case not
        /// `detail` is the operator, `first` and `second` are its sides.
        case compare
    }

    var operation: Operation
    var detail: UInt8 = 0
    /// An attribute's number among the walker's names; `unbound` if it has none.
    var name: UInt16 = unbound
    /// Where it stands in the condition.
    var column: UInt16 = 1
    var first: Int32 = 0
    var second: Int32 = 0
    var word: UInt64 = 0

    static let unbound = UInt16.max

    /// `first` and `second` as a range of the constant bytes.
    var constantRange: ByteRange {
        ByteRange(start: UInt32(truncatingIfNeeded: first), count: UInt32(truncatingIfNeeded: second))
    }

    /// `first` and `second` as a range of `children`.
    var childRange: Range<Int> { Int(first)..<(Int(first) + Int(second)) }

    var isConstant: Bool {
        switch operation {
        case .null, .bool, .int, .double, .string, .bytes, .constant: true
        default: false
        }
    }
}

/// The map that an attribute with a constant key is looked up in.
enum OTTLAttributeMap: UInt8, Sendable {
    case span, resource, scope, event
}

/// Searches a text for a pattern. What stands behind it must take time linear in the text.
package protocol RegularExpressionMatching: Sendable {
    /// Whether the pattern matches anywhere in the text.
    func matches(_ text: Span<UInt8>) -> Bool

    /// The leftmost match that begins at or behind `start`: its range, then those of the groups by number; nil for a group
    /// that took
    /// no part.
    func find(_ text: Span<UInt8>, from start: Int) -> [Range<Int>?]?

    /// The names of the groups in the order of their opening brackets; "" for one without a name.
    var groupNames: [String] { get }
}

extension RegularExpressionMatching {
    package func find(_ text: Span<UInt8>, from start: Int) -> [Range<Int>?]? { nil }
    package var groupNames: [String] { [] }
}

/// Compiles the patterns of `IsMatch` and of editors.
///
/// The error's `description` is shown to the user, so it should say what is wrong with the pattern.
package typealias OTTLPatternCompiler = @Sendable (String) throws -> any RegularExpressionMatching

/// A condition in the form in which spans are checked: flat arrays, no names, no parsing. Immutable, shared by all workers.
struct OTTLProgram: Sendable {
    let nodes: [OTTLNode]
    let children: [Int32]
    /// The bytes of all constant texts.
    let constants: [UInt8]
    /// Constants that are neither number nor text.
    let values: [OTTLValue]
    let patterns: [any RegularExpressionMatching]
    /// For patterns that are not constant.
    let compilePattern: OTTLPatternCompiler
    /// Where evaluation begins.
    let root: Int

    init(
        nodes: [OTTLNode], children: [Int32], constants: [UInt8], values: [OTTLValue],
        patterns: [any RegularExpressionMatching], compilePattern: @escaping OTTLPatternCompiler, root: Int
    ) {
        self.nodes = nodes
        self.children = children
        self.constants = constants
        self.values = values
        self.patterns = patterns
        self.compilePattern = compilePattern
        self.root = root
    }

    /// Several programs in one, and where each of them begins in it.
    ///
    /// For evaluation without touching an array of programs, whose elements would be copied with their references.
    static func joined(_ programs: [OTTLProgram], compilePattern: @escaping OTTLPatternCompiler) -> (OTTLProgram, [Int]) {
        var nodes: [OTTLNode] = []
        var children: [Int32] = []
        var constants: [UInt8] = []
        var values: [OTTLValue] = []
        var patterns: [any RegularExpressionMatching] = []
        var roots: [Int] = []
        for program in programs {
            let bases = OTTLBases(
                node: Int32(truncatingIfNeeded: nodes.count), child: Int32(truncatingIfNeeded: children.count),
                constant: Int32(truncatingIfNeeded: constants.count), value: Int32(truncatingIfNeeded: values.count),
                pattern: Int32(truncatingIfNeeded: patterns.count))
            roots.append(nodes.count + program.root)
            children += program.children
            constants += program.constants
            values += program.values
            patterns += program.patterns
            for node in program.nodes { nodes.append(bases.moved(node, &children)) }
        }
        let joined = OTTLProgram(
            nodes: nodes, children: children, constants: constants, values: values, patterns: patterns,
            compilePattern: programs.first?.compilePattern ?? compilePattern, root: roots.first ?? 0)
        return (joined, roots)
    }

    /// The same program with other numbers for attributes.
    func renaming(_ number: (OTTLAttributeMap, [UInt8]) -> UInt16?) -> OTTLProgram {
        var renamed = nodes
        for index in renamed.indices where renamed[index].operation == .attribute {
            let node = renamed[index]
            guard let map = OTTLAttributeMap(rawValue: node.detail), map == .span || map == .resource else { continue }
            let key = Array(constants[node.constantRange.range])
            renamed[index].name = number(map, key) ?? OTTLNode.unbound
        }
        return OTTLProgram(
            nodes: renamed, children: children, constants: constants, values: values, patterns: patterns,
            compilePattern: compilePattern, root: root)
    }
}

/// How far the parts of a program move when it becomes part of another.
private struct OTTLBases {
    var node: Int32
    var child: Int32
    var constant: Int32
    var value: Int32
    var pattern: Int32

    /// The node with its references moved; the node's own children, already copied, are moved in `children`.
    func moved(_ old: OTTLNode, _ children: inout [Int32]) -> OTTLNode {
        var new = old
        switch old.operation {
        case .null, .bool, .int, .double, .path, .argument: break
        case .string, .bytes, .attribute: new.first &+= constant
        case .constant: new.first &+= value
        case .traceStateMember, .negate, .not: new.first &+= node
        case .index, .compare:
            new.first &+= node
            new.second &+= node
        case .isMatch, .extractPatterns:
            new.first &+= node
            new.second &+= pattern
        case .list, .map, .any, .all, .call, .chain:
            new.first &+= child
            for (position, index) in new.childRange.enumerated() where children[index] >= 0 {
                // In a chain every other word is an operator.
                if old.operation != .chain || position % 2 == 0 { children[index] &+= node }
            }
        }
        return new
    }
}
