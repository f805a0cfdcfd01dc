/// The two languages that `/metrics` speaks.
package enum ExpositionFormat: Sendable, CaseIterable {
    /// Prometheus text format 0.0.4.
    case text
    /// OpenMetrics 1.0.0.
    case openMetrics

    /// Value of the Content-Type header. Prometheus 3 insists on a valid one.
    package var contentType: String {
        switch self {
        case .text: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// Chooses by the Accept header (RFC 9110 section 12.5.1): the more specific range counts for
    /// a type, then the higher q wins. OpenMetrics must be asked for: a wildcard that covers both
    /// gives text, as does a header that covers neither, since 406 would help nobody.
    ///
    /// - Parameter accept: the header's value; several lines joined by commas; nil if absent.
    package static func negotiate(accept: String?) -> ExpositionFormat {
        guard let accept else { return .text }
        var text = Preference()
        var openMetrics = Preference()
        for range in accept.utf8.split(separator: UInt8(ascii: ",")) {
            let range = MediaRange(range)
            text.consider(range, type: "text", subtype: "plain", version: "0.0.4")
            openMetrics.consider(
                range, type: "application", subtype: "openmetrics-text", version: "1.0.0")
        }
        guard openMetrics.quality > 0 else { return .text }
        let named = openMetrics.specificity >= 2
        let wins =
            named ? openMetrics.quality >= text.quality : openMetrics.quality > text.quality
        return wins ? .openMetrics : .text
    }
}

/// How much a client wants one media type, in thousandths.
private struct Preference {
    var specificity = -1
    var quality = 0

    mutating func consider(
        _ range: MediaRange, type: String, subtype: String, version: String
    ) {
        guard let found = range.specificity(type: type, subtype: subtype, version: version),
            found > specificity || (found == specificity && range.quality > quality)
        else { return }
        specificity = found
        quality = range.quality
    }
}

/// One element of an Accept header: `type/subtype;version=...;q=...`.
private struct MediaRange {
    var type = ""
    var subtype = ""
    var version: String?
    /// Thousandths; 1000 if not given. What cannot be read counts as not wanted.
    var quality = 1000

    init(_ text: some Collection<UInt8>) {
        let parts = text.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false)
        guard let first = parts.first else { return }
        let names = Self.token(first).split(separator: "/", omittingEmptySubsequences: false)
        guard names.count == 2 else { return }
        type = String(names[0])
        subtype = String(names[1])
        for part in parts.dropFirst() {
            let pair = part.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2 else { continue }
            switch Self.token(pair[0]) {
            case "q": quality = Self.thousandths(Self.token(pair[1]))
            case "version": version = Self.token(pair[1])
            default: break  // charset, escaping: our names are ASCII, so nothing to choose
            }
        }
    }

    /// nil: does not cover it. Otherwise the larger the more specific.
    func specificity(type: String, subtype: String, version: String) -> Int? {
        if self.type == type && self.subtype == subtype {
            guard let asked = self.version else { return 2 }
            return asked == version ? 3 : nil
        }
        guard self.subtype == "*" else { return nil }
        if self.type == type { return 1 }
        return self.type == "*" ? 0 : nil
    }

    /// Lower case, without blanks around it and without quotes.
    private static func token(_ bytes: some Collection<UInt8>) -> String {
        let drop: Set<UInt8> = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\"")]
        let from = bytes.drop { drop.contains($0) }
        let kept = Array(from).reversed().drop { drop.contains($0) }.reversed()
        return String(decoding: Array(kept), as: UTF8.self).lowercased()
    }

    /// `0.75` as 750; anything that is no q value as 0.
    private static func thousandths(_ text: String) -> Int {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = parts.first.flatMap({ Int($0) }), (0...1).contains(whole),
            parts.count <= 2
        else { return 0 }
        var value = whole * 1000
        var weight = 100
        for digit in parts.count == 2 ? Array(parts[1].utf8.prefix(3)) : [] {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return 0 }
            value += Int(digit - UInt8(ascii: "0")) * weight
            weight /= 10
        }
        return min(value, 1000)
    }
}
