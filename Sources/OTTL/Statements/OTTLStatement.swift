/// What a statement edits: a path, perhaps with keys. The keys are nodes of the list's program.
struct OTTLTarget: Sendable {
    let path: OTTLPath
    /// The node that reads what is edited.
    let node: Int32
    let keys: [Int32]
    /// The first key, if it is a constant text.
    let constantKey: [UInt8]?
    let column: UInt16
}

/// A pattern, compiled; or, if it is not constant, the node that gives it.
enum OTTLPatternSource: Sendable {
    case compiled(any RegularExpressionMatching)
    case dynamic(Int32)
}

/// What stands in the place of what a pattern matches.
struct OTTLReplacement: Sendable {
    let pattern: OTTLPatternSource
    /// Whether the pattern is a glob that must match the whole text, and the replacement no template.
    let isMatch: Bool
    /// The node of the replacement.
    let text: Int32
    /// The node of a call whose argument is the replacement, or -1.
    let function: Int32
    /// What the function's result is put into, at `%s`; -1 for none.
    let format: Int32
}

/// How `merge_maps` treats keys that both maps have.
enum OTTLMergeStrategy: String, Sendable, CaseIterable {
    /// The target's value stays.
    case insert
    /// Only such keys are taken over.
    case update
    case upsert
}

/// What a statement does. Numbers are nodes of the list's program, -1 for an argument that was not given.
enum OTTLEdit: Sendable {
    case set(Int32)
    case append(value: Int32, values: Int32)
    case deleteIndex(start: Int32, end: Int32)
    case deleteKey(Int32)
    case deleteMatchingKeys(OTTLPatternSource)
    case keepKeys(Int32)
    case keepMatchingKeys(OTTLPatternSource)
    case replace(OTTLReplacement)
    case replaceAllValues(OTTLReplacement)
    case replaceAllKeys(OTTLReplacement)
    case truncateAll(Int)
    case stringifyAll
    case limit(Int, priority: [[UInt8]])
    case mergeMaps(Int32, OTTLMergeStrategy)
    case flatten(prefix: Int32, depth: Int, resolvesConflicts: Bool)
}

/// One statement, compiled. Means nothing without the list that it belongs to.
struct OTTLStatement: Sendable {
    let text: String
    let target: OTTLTarget
    let edit: OTTLEdit
    /// Where the condition behind `where` begins, -1 if there is none.
    let condition: Int32
    let column: UInt16
}

/// Statements that run one after the other on one item, with the conditions that decide whether they do.
///
/// Immutable and shared by all workers. `OTTLRun` carries it out.
package struct OTTLStatementList: Sendable {
    /// What the statements run on.
    package let context: OTTLContext
    package let errorMode: OTTLErrorMode
    let program: OTTLProgram
    let statements: [OTTLStatement]
    /// Where the conditions begin, one of which must hold; none: the statements run always.
    let conditions: [Int32]
    /// Whether the items that paths of another context lead to are edited.
    let editsResource: Bool
    let editsScope: Bool
    let editsSpan: Bool
    let editsEvents: Bool
    /// The statements as they were written, then the conditions: by number in `ConditionErrors`.
    package let texts: [String]

    /// The attributes of spans that are looked at or edited under constant names, each once.
    package let spanAttributes: [[UInt8]]

    /// Whether a list of this context edits what its items share with others.
    package var editsShared: Bool {
        switch context {
        case .resource: false
        case .scope: editsResource
        case .span, .spanEvent: editsResource || editsScope
        }
    }
}
