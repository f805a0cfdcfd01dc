internal import ConfigTree

extension ConfigReader {
    /// A size as a number of bytes, or as a number with a unit: `100MiB`, `1GB`.
    mutating func byteCount(_ key: String, default fallback: Int, in range: ClosedRange<Int>) -> Int {
        guard case .scalar(let scalar)? = node(key)?.value, case .text = scalar.meaning else {
            return integer(key, default: fallback, in: range)
        }
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000)]
        for (unit, factor) in units where scalar.text.hasSuffix(unit) {
            guard let count = Int(scalar.text.dropLast(unit.count)), count >= 0 else { break }
            let (bytes, overflow) = count.multipliedReportingOverflow(by: factor)
            if !overflow, range.contains(bytes) { return bytes }
            error(
                "\"\(clipped(scalar.text))\" is out of range: \(range.lowerBound >> 20) MiB to \(range.upperBound >> 30) GiB are expected",
                key: key)
            return fallback
        }
        error("\"\(clipped(scalar.text))\" is no size; write a number of bytes, or for example `100MiB`", key: key)
        return fallback
    }
}
