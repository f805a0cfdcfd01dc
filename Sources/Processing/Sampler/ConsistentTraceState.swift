/// A span's tracestate as a sampler reads and writes it: OpenTelemetry's member `ot` by its fields, all others as they are.
///
/// W3C Trace Context, and https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/.
struct ConsistentTraceState: Sendable {
    static let maximumBytes = 1024
    /// One more is an error; the standard allows 32, the Collector 31.
    static let maximumMembers = 31
    static let maximumOwnBytes = 256

    /// `rv`: explicit randomness, 56 bits.
    var randomness: UInt64? {
        didSet { randomnessText = nil }
    }
    /// `rv` as it came, which may be in capital letters; nil for one that was set here.
    private var randomnessText: ArraySlice<UInt8>?
    /// `th`: with which threshold the span was kept so far.
    var threshold: SamplingThreshold?
    /// Fields of `ot` that samplers do not know.
    private var otherFields: [ArraySlice<UInt8>] = []
    /// The members beside `ot`.
    private var otherMembers: [ArraySlice<UInt8>] = []

    /// Nil for text that is no tracestate, or whose `ot` is malformed: it must be left alone.
    init?(_ text: [UInt8]) {
        guard text.count <= Self.maximumBytes else { return nil }
        var members = 0
        for part in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            if text.isEmpty { break }
            members += 1
            guard members <= Self.maximumMembers else { return nil }
            let member = Self.trimmed(part)
            if member.isEmpty { continue }
            guard let equals = member.firstIndex(of: UInt8(ascii: "=")) else { return nil }
            let key = member[..<equals]
            let value = member[(equals + 1)...]
            guard Self.isKey(key), Self.isValue(value) else { return nil }
            if key.elementsEqual("ot".utf8) {
                randomness = nil
                threshold = nil
                otherFields = []
                guard readOwn(value) else { return nil }
            } else {
                otherMembers.append(member)
            }
        }
    }

    /// The fields of `ot`: `key:value` with `;` between them. Of equal keys the last one counts.
    private mutating func readOwn(_ text: ArraySlice<UInt8>) -> Bool {
        guard text.count <= Self.maximumOwnBytes else { return false }
        for field in text.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false) {
            guard let colon = field.firstIndex(of: UInt8(ascii: ":")) else { return false }
            let key = field[..<colon]
            let value = field[(colon + 1)...]
            guard let first = key.first, Self.isLower(first), key.allSatisfy({ Self.isLower($0) || Self.isDigit($0) }),
                value.allSatisfy(Self.isOwnValueByte)
            else { return false }
            if key.elementsEqual("rv".utf8) {
                guard value.count == SamplingThreshold.digits, let number = hexNumber(value) else { return false }
                randomness = number
                randomnessText = value
            } else if key.elementsEqual("th".utf8) {
                guard let threshold = SamplingThreshold(text: value) else { return false }
                self.threshold = threshold
            } else {
                otherFields.append(field)
            }
        }
        return true
    }

    /// The text again: `ot` first, and in it `rv` and `th` before the others; blanks and empty members are gone.
    var text: [UInt8] {
        var fields: [[UInt8]] = []
        if let randomness {
            fields.append(Array("rv:".utf8) + (randomnessText.map { Array($0) } ?? hexText56(randomness)))
        }
        if let threshold, !threshold.text.isEmpty { fields.append(Array("th:".utf8) + threshold.text) }
        fields += otherFields.map { Array($0) }
        var members: [[UInt8]] = []
        if !fields.isEmpty { members.append(Array("ot=".utf8) + fields.joined(separator: [UInt8(ascii: ";")])) }
        members += otherMembers.map { Array($0) }
        return Array(members.joined(separator: [UInt8(ascii: ",")]))
    }

    // MARK: syntax

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var text = text
        while let first = text.first, first == 0x20 || first == 0x09 { text.removeFirst() }
        while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
        return text
    }

    private static func isKey(_ key: ArraySlice<UInt8>) -> Bool {
        guard let first = key.first else { return false }
        guard let at = key.firstIndex(of: UInt8(ascii: "@")) else {
            return key.count <= 256 && isLower(first) && key.allSatisfy(isKeyByte)
        }
        let tenant = key[..<at]
        let system = key[(at + 1)...]
        guard let tenantFirst = tenant.first, let systemFirst = system.first, tenant.count <= 241, system.count <= 14,
            isLower(tenantFirst) || isDigit(tenantFirst), isLower(systemFirst)
        else { return false }
        return tenant.allSatisfy(isKeyByte) && system.allSatisfy(isKeyByte)
    }

    private static func isValue(_ value: ArraySlice<UInt8>) -> Bool {
        guard let last = value.last, value.count <= 256, last != 0x20 else { return false }
        return value.allSatisfy { $0 >= 0x20 && $0 <= 0x7e && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") }
    }

    private static func isLower(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "a") < 26 }
    private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
    private static func isKeyByte(_ byte: UInt8) -> Bool { isLower(byte) || isDigit(byte) || "_-*/".utf8.contains(byte) }
    private static func isOwnValueByte(_ byte: UInt8) -> Bool {
        isLower(byte | 0x20) && byte >= UInt8(ascii: "A") || isDigit(byte) || "._-".utf8.contains(byte)
    }
}
