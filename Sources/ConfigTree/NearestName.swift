/// The candidate that a misspelt name most likely meant, or nil if none is near enough to be worth a suggestion.
///
/// Near is at most one wrong letter in three (a swap of two neighbours counts once); upper and lower case and `-` for
/// `_` don't count. The first of several equally near candidates wins. If none is near, the only one that begins with the
/// name.
/// - Complexity: O(name * total length of candidates); names beyond 64 bytes get no suggestion.
package func nearestName(to name: String, among candidates: some Collection<String>) -> String? {
    let wanted = folded(name)
    guard !wanted.isEmpty, wanted.count <= 64 else { return nil }
    var best: (name: String, distance: Int)?
    for candidate in candidates where candidate != name && candidate.utf8.count <= 64 {
        let allowed = max(1, min(wanted.count, candidate.utf8.count) / 3)
        // The distance is at least the difference in length.
        guard abs(wanted.count - candidate.utf8.count) <= allowed else { continue }
        let distance = editDistance(wanted, folded(candidate))
        if distance <= allowed, distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    if let best { return best.name }
    // A name that was cut short: `retry` for `retry_on_failure`.
    guard wanted.count >= 4 else { return nil }
    let longer = candidates.filter { $0 != name && folded($0).starts(with: wanted) }
    return longer.count == 1 ? longer.first : nil
}

private func folded(_ name: String) -> [UInt8] {
    name.utf8.map { byte in
        if byte == UInt8(ascii: "-") { return UInt8(ascii: "_") }
        return byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
    }
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other (optimal string
/// alignment).
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for row in left.indices {
        var current = [row + 1]
        current.reserveCapacity(right.count + 1)
        for column in right.indices {
            let replace = last[column] + (left[row] == right[column] ? 0 : 1)
            var cost = min(replace, last[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                cost = min(cost, beforeLast[column - 1] + 1)
            }
            current.append(cost)
        }
        beforeLast = last
        last = current
    }
    return last[right.count]
}
