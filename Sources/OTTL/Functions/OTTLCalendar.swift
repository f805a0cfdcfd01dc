/// The proleptic Gregorian calendar, UTC.
enum OTTLCalendar {
    /// A time as people write it.
    struct Fields: Equatable {
        var year: Int64
        /// 1...12.
        var month: Int64
        /// 1...31.
        var day: Int64
        var hour: Int64 = 0
        var minute: Int64 = 0
        var second: Int64 = 0
        var nanosecond: Int64 = 0
        /// 0 is Sunday.
        var weekday: Int64 = 0
    }

    /// Go's zero time, the first of January of the year 1.
    static let zero = OTTLTime(seconds: -62_135_596_800, nanoseconds: 0)

    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    static func fields(_ time: OTTLTime) -> Fields {
        let (days, second) = floorDivide(time.seconds, 86_400)
        // Times lie within 2^63 seconds of 1970, so their days leave room for these sums.
        let shifted = days + 719_468
        let (era, dayOfEra) = floorDivide(shifted, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return Fields(
            year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month,
            day: dayOfYear - (153 * shiftedMonth + 2) / 5 + 1, hour: second / 3_600, minute: second / 60 % 60,
            second: second % 60, nanosecond: Int64(time.nanoseconds), weekday: floorDivide(days + 4, 7).rest)
    }

    /// Nil for a day that the calendar does not have.
    static func time(_ fields: Fields) -> OTTLTime? {
        guard (1...12).contains(fields.month), (1...days(fields.year, fields.month)).contains(fields.day),
            (-9_999...9_999).contains(fields.year), (0..<24).contains(fields.hour), (0..<60).contains(fields.minute),
            (0..<60).contains(fields.second), (0..<1_000_000_000).contains(fields.nanosecond)
        else { return nil }
        let year = fields.month <= 2 ? fields.year - 1 : fields.year
        let (era, yearOfEra) = floorDivide(year, 400)
        let dayOfYear = (153 * ((fields.month + 9) % 12) + 2) / 5 + fields.day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        let seconds = days * 86_400 + fields.hour * 3_600 + fields.minute * 60 + fields.second
        return OTTLTime(seconds: seconds, nanoseconds: Int32(fields.nanosecond))
    }

    private static func days(_ year: Int64, _ month: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, rest: Int64) {
        let (quotient, rest) = value.quotientAndRemainder(dividingBy: divisor)
        return rest < 0 ? (quotient - 1, rest + divisor) : (quotient, rest)
    }

    /// `2006-01-02T15:04:05.999999999Z`, without zeros at the end of the fraction.
    static func rfc3339(_ time: OTTLTime) -> String {
        let fields = fields(time)
        var text = padded(fields.year, 4) + "-" + padded(fields.month, 2) + "-" + padded(fields.day, 2) + "T"
        text += padded(fields.hour, 2) + ":" + padded(fields.minute, 2) + ":" + padded(fields.second, 2)
        if fields.nanosecond > 0 {
            var fraction = padded(fields.nanosecond, 9)
            while fraction.last == "0" { fraction.removeLast() }
            text += "." + fraction
        }
        return text + "Z"
    }

    static func padded(_ value: Int64, _ width: Int, _ filler: Character = "0") -> String {
        let text = "\(value.magnitude)"
        let padding = String(repeating: filler, count: max(0, width - text.count))
        return (value < 0 ? "-" : "") + padding + text
    }

    static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
}

/// Layouts of times, in ctime's style (`%Y-%m-%d`).
enum OTTLTimeLayout {
    /// What is wrong with a layout, or nil.
    static func problem(_ layout: [UInt8]) -> String? {
        guard layout.contains(UInt8(ascii: "%")) else {
            return "this layout has no directive; write it in ctime's style, such as \"%Y-%m-%dT%H:%M:%S\""
        }
        var index = 0
        while index < layout.count {
            if layout[index] == UInt8(ascii: "%") {
                guard index + 1 < layout.count else { return "this layout ends with a single %; write %% for the sign" }
                guard known.contains(layout[index + 1]) else {
                    let letter = String(decoding: [layout[index + 1]], as: UTF8.self)
                    return "%\(letter) is no directive of layouts"
                }
                index += 1
            }
            index += 1
        }
        return nil
    }

    private static let known = Set("YymoqbhBdegaAHIlpPMSLfsZzijkwDxFTXrRnt%c".utf8)

    /// The directives that others stand for.
    private static func expansion(_ letter: UInt8) -> String? {
        switch letter {
        case UInt8(ascii: "D"), UInt8(ascii: "x"): "%m/%d/%y"
        case UInt8(ascii: "F"): "%Y-%m-%d"
        case UInt8(ascii: "T"), UInt8(ascii: "X"): "%H:%M:%S"
        case UInt8(ascii: "r"): "%I:%M:%S %p"
        case UInt8(ascii: "R"): "%H:%M"
        case UInt8(ascii: "c"): "%a %b %d %H:%M:%S %Y"
        case UInt8(ascii: "n"): "\n"
        case UInt8(ascii: "t"): "\t"
        default: nil
        }
    }

    /// The time in this layout.
    static func format(_ time: OTTLTime, _ layout: [UInt8]) -> [UInt8] {
        let fields = OTTLCalendar.fields(time)
        var text: [UInt8] = []
        var index = 0
        while index < layout.count {
            guard layout[index] == UInt8(ascii: "%"), index + 1 < layout.count else {
                text.append(layout[index])
                index += 1
                continue
            }
            let letter = layout[index + 1]
            index += 2
            if let expansion = expansion(letter) {
                text += format(time, Array(expansion.utf8))
            } else {
                text += Array(directive(letter, fields).utf8)
            }
        }
        return text
    }

    private static func directive(_ letter: UInt8, _ fields: OTTLCalendar.Fields) -> String {
        let hour12 = (fields.hour + 11) % 12 + 1
        let month = OTTLCalendar.months[Int(fields.month - 1)]
        let weekday = OTTLCalendar.weekdays[Int(fields.weekday)]
        return switch Character(Unicode.Scalar(letter)) {
        case "Y": OTTLCalendar.padded(fields.year, 4)
        case "y": OTTLCalendar.padded(abs(fields.year % 100), 2)
        case "m": OTTLCalendar.padded(fields.month, 2)
        case "o": OTTLCalendar.padded(fields.month, 2, " ")
        case "q": "\(fields.month)"
        case "b", "h": String(month.prefix(3))
        case "B": month
        case "d": OTTLCalendar.padded(fields.day, 2)
        case "e": OTTLCalendar.padded(fields.day, 2, " ")
        case "g": "\(fields.day)"
        case "a": String(weekday.prefix(3))
        case "A": weekday
        case "H": OTTLCalendar.padded(fields.hour, 2)
        case "I": OTTLCalendar.padded(hour12, 2)
        case "l": "\(hour12)"
        case "p": fields.hour < 12 ? "AM" : "PM"
        case "P": fields.hour < 12 ? "am" : "pm"
        case "M": OTTLCalendar.padded(fields.minute, 2)
        case "S": OTTLCalendar.padded(fields.second, 2)
        case "L": OTTLCalendar.padded(fields.nanosecond / 1_000_000, 3)
        case "f": OTTLCalendar.padded(fields.nanosecond / 1_000, 6)
        case "s": OTTLCalendar.padded(fields.nanosecond, 9)
        case "z", "w": letter == UInt8(ascii: "z") ? "+0000" : "+000000"
        case "Z": "UTC"
        case "i": "+00"
        case "j": "+00:00"
        case "k": "+00:00:00"
        case "%": "%"
        default: ""
        }
    }

    /// Reads a time; nil if the text does not have the layout, or names a day that there is not.
    static func parse(_ text: [UInt8], _ layout: [UInt8]) -> OTTLTime? {
        var reader = Reader(text: text)
        guard reader.read(layout), reader.offset == text.count else { return nil }
        if let isAfternoon = reader.isAfternoon {
            guard (1...12).contains(reader.fields.hour) else { return nil }
            reader.fields.hour = reader.fields.hour % 12 + (isAfternoon ? 12 : 0)
        }
        return OTTLCalendar.time(reader.fields)?.adding(0 &- reader.offsetSeconds * 1_000_000_000)
    }

    private struct Reader {
        let text: [UInt8]
        var offset = 0
        var fields = OTTLCalendar.Fields(year: 0, month: 1, day: 1)
        var isAfternoon: Bool?
        var offsetSeconds: Int64 = 0

        mutating func read(_ layout: [UInt8]) -> Bool {
            var index = 0
            while index < layout.count {
                guard layout[index] == UInt8(ascii: "%"), index + 1 < layout.count else {
                    guard take(layout[index]) else { return false }
                    index += 1
                    continue
                }
                let letter = layout[index + 1]
                index += 2
                if let expansion = OTTLTimeLayout.expansion(letter) {
                    guard read(Array(expansion.utf8)) else { return false }
                } else {
                    guard directive(letter) else { return false }
                }
            }
            return true
        }

        private mutating func take(_ byte: UInt8) -> Bool {
            guard offset < text.count, text[offset] == byte else { return false }
            offset += 1
            return true
        }

        /// Digits, at least `least` and at most `most` of them.
        private mutating func number(_ least: Int, _ most: Int) -> Int64? {
            var value: Int64 = 0
            var count = 0
            while count < most, offset < text.count, OTTLLexer.isDigit(text[offset]) {
                value = value * 10 + Int64(text[offset] - 0x30)
                offset += 1
                count += 1
            }
            return count >= least ? value : nil
        }

        private mutating func name(_ names: [String], short: Bool) -> Int64? {
            for (index, name) in names.enumerated() {
                let wanted = Array((short ? String(name.prefix(3)) : name).lowercased().utf8)
                let rest = text[offset...].prefix(wanted.count).map { OTTLLexer.isCapital($0) ? $0 | 0x20 : $0 }
                if rest == wanted {
                    offset += wanted.count
                    return Int64(index)
                }
            }
            return nil
        }

        private mutating func set(_ field: WritableKeyPath<OTTLCalendar.Fields, Int64>, _ value: Int64?) -> Bool {
            guard let value else { return false }
            fields[keyPath: field] = value
            return true
        }

        private mutating func directive(_ letter: UInt8) -> Bool {
            switch Character(Unicode.Scalar(letter)) {
            case "Y": return set(\.year, number(4, 4))
            case "y": return set(\.year, number(2, 2).map { $0 >= 69 ? 1900 + $0 : 2000 + $0 })
            case "m": return set(\.month, number(2, 2))
            case "q": return set(\.month, number(1, 2))
            case "o", "e":
                while take(0x20) {}
                return set(letter == UInt8(ascii: "o") ? \.month : \.day, number(1, 2))
            case "b", "h": return set(\.month, name(OTTLCalendar.months, short: true).map { $0 + 1 })
            case "B": return set(\.month, name(OTTLCalendar.months, short: false).map { $0 + 1 })
            case "d": return set(\.day, number(1, 2))
            case "g": return set(\.day, number(1, 2))
            case "a": return name(OTTLCalendar.weekdays, short: true) != nil
            case "A": return name(OTTLCalendar.weekdays, short: false) != nil
            case "H": return set(\.hour, number(2, 2))
            case "I": return set(\.hour, number(2, 2))
            case "l": return set(\.hour, number(1, 2))
            case "p", "P":
                guard let half = name(["AM", "PM"], short: false) else { return false }
                isAfternoon = half == 1
                return true
            case "M": return set(\.minute, number(2, 2))
            case "S": return set(\.second, number(2, 2))
            case "L": return set(\.nanosecond, number(3, 3).map { $0 * 1_000_000 })
            case "f": return set(\.nanosecond, number(6, 6).map { $0 * 1_000 })
            case "s": return set(\.nanosecond, number(9, 9))
            case "z", "i", "j", "k", "w": return zone(letter)
            case "Z": return zoneName()
            case "%": return take(UInt8(ascii: "%"))
            default: return false
            }
        }

        private mutating func zone(_ letter: UInt8) -> Bool {
            if letter != UInt8(ascii: "i"), take(UInt8(ascii: "Z")) { return true }
            let isNegative = take(UInt8(ascii: "-"))
            guard isNegative || take(UInt8(ascii: "+")), let hours = number(2, 2) else { return false }
            var seconds = hours * 3_600
            let hasColons = letter == UInt8(ascii: "j") || letter == UInt8(ascii: "k")
            if letter != UInt8(ascii: "i") {
                guard !hasColons || take(UInt8(ascii: ":")), let minutes = number(2, 2) else { return false }
                seconds += minutes * 60
            }
            if letter == UInt8(ascii: "k") || letter == UInt8(ascii: "w") {
                guard !hasColons || take(UInt8(ascii: ":")), let rest = number(2, 2) else { return false }
                seconds += rest
            }
            offsetSeconds = isNegative ? -seconds : seconds
            return true
        }

        /// Names without an offset mean nothing certain; UTC and GMT do.
        private mutating func zoneName() -> Bool { name(["UTC", "GMT"], short: false) != nil || take(UInt8(ascii: "Z")) }
    }
}
