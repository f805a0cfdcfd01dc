/// The editors: what a statement begins with.
enum OTTLEditorKind: String, Sendable, CaseIterable {
    case set
    case append
    case deleteIndex = "delete_index"
    case deleteKey = "delete_key"
    case deleteMatchingKeys = "delete_matching_keys"
    case keepKeys = "keep_keys"
    case keepMatchingKeys = "keep_matching_keys"
    case replacePattern = "replace_pattern"
    case replaceAllPatterns = "replace_all_patterns"
    case replaceMatch = "replace_match"
    case replaceAllMatches = "replace_all_matches"
    case truncateAll = "truncate_all"
    case stringifyAll = "stringify_all"
    case limit
    case mergeMaps = "merge_maps"
    case flatten

    /// For hints.
    static var allNames: [String] { allCases.map(\.rawValue) }

    /// The names of the arguments in their order; `?` stands behind those that may be absent. The first is what is edited.
    var parameters: [String] {
        switch self {
        case .set: ["target", "value"]
        case .append: ["target", "value?", "values?"]
        case .deleteIndex: ["target", "start_index", "end_index?"]
        case .deleteKey: ["target", "key"]
        case .deleteMatchingKeys, .keepMatchingKeys: ["target", "pattern"]
        case .keepKeys: ["target", "keys"]
        case .replacePattern: ["target", "regex_pattern", "replacement", "function?", "replacement_format?"]
        case .replaceAllPatterns: ["target", "mode", "regex_pattern", "replacement", "function?", "replacement_format?"]
        case .replaceMatch, .replaceAllMatches: ["target", "pattern", "replacement", "function?", "replacement_format?"]
        case .truncateAll: ["target", "limit"]
        case .stringifyAll: ["target"]
        case .limit: ["target", "limit", "priority_keys"]
        case .mergeMaps: ["target", "source", "strategy"]
        case .flatten: ["target", "prefix?", "depth?", "resolve_conflicts?"]
        }
    }

    /// Whether the name of an argument means this parameter: `resolveConflicts` and `resolve_conflicts` do alike.
    static func isNamed(_ name: String, _ parameter: String) -> Bool { folded(name) == folded(parameter) }

    private static func folded(_ name: String) -> [UInt8] {
        name.utf8.filter { $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "?") }.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
    }
}
