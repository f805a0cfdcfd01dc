internal import ConfigTree

/// Reads the tree of one condition.
///
/// Grammar, as the Collector has it (`or` binds loosest):
///
///     condition  = conjunction { "or" conjunction }
///     conjunction = operand { "and" operand }
///     operand    = [ "not" ] ( value comparison value | "true" | "false" | call | "(" condition ")" )
///     value      = "nil" | text | bytes | boolean | UPPERCASE | list | map | sum
///     sum        = product { ( "+" | "-" ) product }
///     product    = factor { ( "*" | "/" ) factor }
///     factor     = [ "+" | "-" ] ( number | call | path | "(" sum ")" )
///
/// A parenthesis in front of a comparison or arithmetic operator groups arithmetic, any other a condition: that is looked
/// up in advance, so nothing is read twice. Time and depth are bounded by `OTTLLimits`.
struct OTTLParser {
    let text: [UInt8]
    private let tokens: [OTTLToken]
    /// For each `(` the index of its `)`, or -1.
    private let partners: [Int]
    private var position = 0
    private var depth = 0
    /// Whether a function's name may stand as an argument, as it may in an editor's.
    private var allowsFunctionNames = false
    /// `condition` or `statement`, for messages.
    private var noun = "condition"

    /// The tree of `text`.
    static func parse(_ text: String) throws(OTTLError) -> OTTLBoolean {
        var parser = try OTTLParser(Array(text.utf8))
        let condition = try parser.parseCondition()
        guard parser.current.kind == .end else { throw parser.unexpected("`and`, `or` or the end") }
        return condition
    }

    /// The tree of a statement: `editor(...)`, perhaps with `where` and a condition behind it.
    static func parseStatement(_ text: String) throws(OTTLError) -> OTTLStatementSyntax {
        var parser = try OTTLParser(Array(text.utf8))
        parser.noun = "statement"
        guard parser.current.kind == .lowercase || parser.current.kind == .camelCase, parser.following.kind == .leftParenthesis
        else { throw parser.noEditor() }
        parser.allowsFunctionNames = true
        let editor = try parser.parseCall()
        parser.allowsFunctionNames = false
        guard editor.keys.isEmpty else {
            throw OTTLError(column: editor.column.value, message: "what an editor gives can't be indexed")
        }
        var condition: OTTLBoolean?
        if parser.current.kind == .lowercase, parser.word(parser.current) == "where" {
            parser.advance()
            condition = try parser.parseCondition()
        }
        guard parser.current.kind == .end else {
            throw parser.unexpected(condition == nil ? "`where` or the end" : "`and`, `or` or the end")
        }
        return OTTLStatementSyntax(editor: editor, condition: condition)
    }

    private func noEditor() -> OTTLError {
        if following.kind == .leftParenthesis, current.kind == .capitalized || current.kind == .uppercase {
            let name = word(current)
            let near = OTTLEditorKind.allNames.first { $0.filter { $0 != "_" } == name.lowercased() }
            return OTTLError(
                column: current.column,
                message: "`\(name)` is no editor: a statement begins with one, and editors begin with a small letter"
                    + (near.map { "; did you mean `\($0)`?" } ?? ""))
        }
        return unexpected("an editor such as `set(...)`")
    }

    private init(_ text: [UInt8]) throws(OTTLError) {
        self.text = text
        tokens = try OTTLLexer.tokens(text)
        var partners = [Int](repeating: -1, count: tokens.count)
        var open: [Int] = []
        for index in tokens.indices {
            if tokens[index].kind == .leftParenthesis {
                open.append(index)
            } else if tokens[index].kind == .rightParenthesis, let start = open.popLast() {
                partners[start] = index
            }
        }
        self.partners = partners
    }

    // MARK: tokens

    var current: OTTLToken { tokens[position] }

    /// The token behind the current one; the end if there is none.
    var following: OTTLToken { tokens[min(position + 1, tokens.count - 1)] }

    mutating func advance() { position = min(position + 1, tokens.count - 1) }

    mutating func take(_ kind: OTTLToken.Kind) -> Bool {
        guard current.kind == kind else { return false }
        advance()
        return true
    }

    mutating func expect(_ kind: OTTLToken.Kind, _ what: String) throws(OTTLError) {
        guard take(kind) else { throw unexpected(what) }
    }

    func word(_ token: OTTLToken) -> String { String(decoding: text[token.range], as: UTF8.self) }

    /// The current token is not what should stand here.
    func unexpected(_ wanted: String) -> OTTLError {
        if current.kind == .end {
            return OTTLError(column: current.column, message: "the \(noun) ends where \(wanted) should stand")
        }
        var message = "`\(word(current))` stands where \(wanted) should stand"
        if current.kind == .equal { message += "; equality is written `==`" }
        return OTTLError(column: current.column, message: message)
    }

    mutating func enter() throws(OTTLError) {
        depth += 1
        guard depth <= OTTLLimits.maximumDepth else {
            throw OTTLError(
                column: current.column, message: "nested deeper than \(OTTLLimits.maximumDepth) levels")
        }
    }

    mutating func leave() { depth -= 1 }

    // MARK: conditions

    private mutating func parseCondition() throws(OTTLError) -> OTTLBoolean {
        var operands = [try parseConjunction()]
        while take(.or) { operands.append(try parseConjunction()) }
        return operands.count == 1 ? operands[0] : .any(operands)
    }

    private mutating func parseConjunction() throws(OTTLError) -> OTTLBoolean {
        var operands = [try parseOperand()]
        while take(.and) { operands.append(try parseOperand()) }
        return operands.count == 1 ? operands[0] : .all(operands)
    }

    private mutating func parseOperand() throws(OTTLError) -> OTTLBoolean {
        guard take(.not) else { return try parsePrimary() }
        if current.kind == .not {
            throw OTTLError(column: current.column, message: "`not not` is not allowed; write `not (not (...))`")
        }
        return .not(try parsePrimary())
    }

    private mutating func parsePrimary() throws(OTTLError) -> OTTLBoolean {
        guard current.kind == .leftParenthesis, !beginsArithmetic else { return try parseComparison() }
        advance()
        try enter()
        let condition = try parseCondition()
        leave()
        try expect(.rightParenthesis, "`and`, `or` or `)`")
        return condition
    }

    /// Whether the parenthesis here is an operand of a comparison or of arithmetic.
    private var beginsArithmetic: Bool {
        let partner = partners[position]
        guard partner >= 0 else { return false }
        switch tokens[min(partner + 1, tokens.count - 1)].kind {
        case .comparison, .plus, .minus, .star, .slash: return true
        default: return false
        }
    }

    private mutating func parseComparison() throws(OTTLError) -> OTTLBoolean {
        let start = current
        let left = try parseValue()
        if case .comparison(let comparison) = current.kind {
            let column = OTTLColumn(current.column)
            advance()
            let right = try parseValue()
            if case .comparison = current.kind {
                throw OTTLError(column: current.column, message: "comparisons can't be chained; join them with `and`")
            }
            return .comparison(left, comparison, right, column)
        }
        switch left {
        case .bool(let value): return .constant(value)
        case .call(let call): return .call(call)
        case .path(let path):
            guard [.end, .and, .or, .rightParenthesis].contains(current.kind) else {
                throw unexpected("a comparison such as `==`")
            }
            throw OTTLError(
                column: start.column,
                message: "a path alone is no condition; write `\(path) == true` or another comparison")
        default: throw unexpected("a comparison such as `==`")
        }
    }

    // MARK: values

    mutating func parseValue() throws(OTTLError) -> OTTLExpression {
        try enter()
        let value = try parseValueBody()
        leave()
        return value
    }

    private mutating func parseValueBody() throws(OTTLError) -> OTTLExpression {
        let token = current
        let value: OTTLExpression
        switch token.kind {
        case .nil: value = .null
        case .true: value = .bool(true)
        case .false: value = .bool(false)
        case .string: value = .string(try OTTLQuoting.unquote(text, token))
        case .bytes: value = .bytes(hexBytes(token))
        case .uppercase where following.kind != .leftParenthesis: value = .symbol(word(token), OTTLColumn(token.column))
        case .capitalized where allowsFunctionNames && following.kind != .leftParenthesis:
            value = .symbol(word(token), OTTLColumn(token.column))
        case .leftBrace: return try parseMap()
        case .leftBracket: return try parseList()
        default: return try parseSum()
        }
        advance()
        return value
    }

    private func hexBytes(_ token: OTTLToken) -> [UInt8] {
        var bytes: [UInt8] = []
        var index = token.range.lowerBound + 2
        while index + 1 < token.range.upperBound {
            bytes.append(OTTLQuoting.hexValue(text[index]) << 4 | OTTLQuoting.hexValue(text[index + 1]))
            index += 2
        }
        return bytes
    }

    /// `[a, b]`. As in the Collector's grammar, values up to the first comma need no commas.
    private mutating func parseList() throws(OTTLError) -> OTTLExpression {
        advance()
        var items: [OTTLExpression] = []
        while current.kind != .comma, current.kind != .rightBracket { items.append(try parseValue()) }
        while take(.comma) { items.append(try parseValue()) }
        try expect(.rightBracket, "`,` or `]`")
        return .list(items)
    }

    /// `{"k": v}`. As in the Collector's grammar, commas are optional.
    private mutating func parseMap() throws(OTTLError) -> OTTLExpression {
        advance()
        var items: [OTTLMapItem] = []
        while current.kind != .rightBrace {
            guard current.kind == .string else { throw unexpected("a key in double quotes or `}`") }
            let key = try OTTLQuoting.unquote(text, current)
            advance()
            try expect(.colon, "`:`")
            items.append(OTTLMapItem(key: key, value: try parseValue()))
            _ = take(.comma)
        }
        advance()
        return .map(items)
    }

    // MARK: arithmetic

    private mutating func parseSum() throws(OTTLError) -> OTTLExpression {
        let first = try parseProduct()
        var links: [OTTLChainLink] = []
        while current.kind == .plus || current.kind == .minus {
            let symbol: OTTLOperator = current.kind == .plus ? .add : .subtract
            let column = OTTLColumn(current.column)
            advance()
            links.append(OTTLChainLink(symbol: symbol, operand: try parseProduct(), column: column))
        }
        return links.isEmpty ? first : .chain(first, links)
    }

    private mutating func parseProduct() throws(OTTLError) -> OTTLExpression {
        let first = try parseFactor()
        var links: [OTTLChainLink] = []
        while current.kind == .star || current.kind == .slash {
            let symbol: OTTLOperator = current.kind == .star ? .multiply : .divide
            let column = OTTLColumn(current.column)
            advance()
            links.append(OTTLChainLink(symbol: symbol, operand: try parseFactor(), column: column))
        }
        return links.isEmpty ? first : .chain(first, links)
    }

    private mutating func parseFactor() throws(OTTLError) -> OTTLExpression {
        let column = OTTLColumn(current.column)
        let isNegative = current.kind == .minus
        if isNegative || current.kind == .plus { advance() }
        let operand: OTTLExpression
        if take(.leftParenthesis) {
            try enter()
            operand = try parseSum()
            leave()
            if case .comparison = current.kind {
                throw OTTLError(
                    column: current.column,
                    message: "a comparison can't stand inside arithmetic or on a side of another comparison")
            }
            try expect(.rightParenthesis, "an operator or `)`")
        } else {
            operand = try parseLiteral()
        }
        guard isNegative else { return operand }
        switch operand {
        case .int(let value): return .int(0 &- value)
        case .double(let value): return .double(-value)
        default: return .negated(operand, column)
        }
    }

    private mutating func parseLiteral() throws(OTTLError) -> OTTLExpression {
        let token = current
        switch token.kind {
        case .integer:
            guard let value = Int64(word(token)) else {
                throw OTTLError(column: token.column, message: "integers have 64 bits; write a larger number with a point")
            }
            advance()
            return .int(value)
        case .float:
            guard let value = OTTLNumbers.double(text[token.range]), value.isFinite else {
                throw OTTLError(column: token.column, message: "this number is too large for a double")
            }
            advance()
            return .double(value)
        case .lowercase:
            if following.kind == .leftParenthesis { throw smallFunction(token) }
            return .path(try parsePath())
        case .camelCase:
            if following.kind == .leftParenthesis { throw smallFunction(token) }
            throw OTTLError(column: token.column, message: "`\(word(token))` is no path: paths are lowercase")
        case .capitalized, .uppercase:
            guard following.kind == .leftParenthesis else {
                let name = word(token)
                let hint =
                    OTTLFunction.named(name) != nil
                    ? "the function `\(name)` needs parentheses" : "functions need parentheses, enums are uppercase"
                throw OTTLError(column: token.column, message: "`\(name)` is no value: \(hint)")
            }
            return .call(try parseCall())
        case .string: throw OTTLError(column: token.column, message: "texts can't be calculated with; join them with `Concat`")
        default: throw unexpected("a value")
        }
    }

    private func smallFunction(_ token: OTTLToken) -> OTTLError {
        let name = word(token)
        var hint = "functions begin with a capital"
        let all = OTTLFunction.allNames
        if let near = all.first(where: { $0.lowercased() == name.lowercased() }) ?? nearestName(to: name, among: all) {
            hint += "; did you mean `\(near)`?"
        }
        if OTTLEditorKind.allNames.contains(name) { hint = "it is an editor, which can only begin a statement" }
        return OTTLError(column: token.column, message: "`\(name)` is no function of conditions: \(hint)")
    }

    // MARK: paths and calls

    private mutating func parsePath() throws(OTTLError) -> OTTLPathSyntax {
        var path = OTTLPathSyntax(fields: [])
        repeat {
            guard current.kind == .lowercase else { throw unexpected("the lowercase name of a field") }
            let name = word(current)
            let column = OTTLColumn(current.column)
            advance()
            path.fields.append(OTTLPathSyntax.Field(name: name, keys: try parseKeys(), column: column))
        } while take(.dot)
        return path
    }

    private mutating func parseKeys() throws(OTTLError) -> [OTTLKeySyntax] {
        var keys: [OTTLKeySyntax] = []
        while take(.leftBracket) {
            let column = OTTLColumn(current.column)
            let value: OTTLExpression
            try enter()
            if current.kind == .string {
                value = .string(try OTTLQuoting.unquote(text, current))
                advance()
            } else {
                value = try parseSum()
            }
            leave()
            try expect(.rightBracket, "`]`")
            keys.append(OTTLKeySyntax(value: value, column: column))
        }
        return keys
    }

    private mutating func parseCall() throws(OTTLError) -> OTTLCall {
        var call = OTTLCall(name: word(current), arguments: [], keys: [], column: OTTLColumn(current.column))
        advance()
        advance()
        if current.kind != .rightParenthesis {
            repeat {
                let column = OTTLColumn(current.column)
                var name = ""
                if following.kind == .equal, current.kind == .lowercase || current.kind == .camelCase {
                    name = word(current)
                    advance()
                    advance()
                }
                call.arguments.append(OTTLCall.Argument(name: name, value: try parseValue(), column: column))
            } while take(.comma)
        }
        try expect(.rightParenthesis, "`,` or `)`")
        call.keys = try parseKeys()
        return call
    }
}
