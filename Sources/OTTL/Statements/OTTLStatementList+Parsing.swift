/// Where in a list a text is wrong.
package struct OTTLListError: Error, Sendable, Equatable {
    /// What the number counts.
    package enum Place: Sendable, Equatable {
        case statement(Int)
        case condition(Int)
        /// The list as a whole: nothing says what it runs on.
        case list
    }

    package let place: Place
    package let error: OTTLError
}

extension OTTLStatementList {
    /// Reads and compiles statements.
    ///
    /// - Parameters:
    ///   - texts: the statements, in their order.
    ///   - conditions: one of them must hold for the statements to run; none: they run always.
    ///   - context: what they run on; nil to find out from their paths.
    ///   - needsPrefix: whether all paths must say what they belong to; as they must, unless told otherwise, if no context is
    ///     stated.
    ///   - compilePattern: compiles patterns; what it throws is shown to the user.
    /// - Throws: everything that is wrong, in the order of the texts.
    package init(
        parsing texts: [String], conditions conditionTexts: [String] = [], context stated: OTTLContext?,
        needsPrefix: Bool? = nil, errorMode: OTTLErrorMode, compilePattern: @escaping OTTLPatternCompiler = OTTLPatterns.compile
    ) throws(OTTLListErrors) {
        var problems: [OTTLListError] = []
        var statementTrees: [OTTLStatementSyntax] = []
        var conditionTrees: [OTTLBoolean] = []
        for (number, text) in texts.enumerated() {
            do throws(OTTLError) {
                statementTrees.append(try OTTLParser.parseStatement(text))
            } catch {
                problems.append(OTTLListError(place: .statement(number), error: error))
            }
        }
        for (number, text) in conditionTexts.enumerated() {
            do throws(OTTLError) {
                conditionTrees.append(try OTTLParser.parse(text))
            } catch {
                problems.append(OTTLListError(place: .condition(number), error: error))
            }
        }
        guard problems.isEmpty else { throw OTTLListErrors(problems) }
        var context = stated
        if context == nil {
            do throws(OTTLError) {
                context = try OTTLContextInference.context(statementTrees, conditionTrees)
            } catch {
                throw OTTLListErrors([OTTLListError(place: .list, error: error)])
            }
        }
        var compiler = OTTLCompiler(
            context: context ?? .span, needsPrefix: needsPrefix ?? (stated == nil), compilePattern: compilePattern)
        var statements: [OTTLStatement] = []
        var conditions: [Int32] = []
        for (number, tree) in statementTrees.enumerated() {
            do throws(OTTLError) {
                statements.append(try compiler.compile(tree, text: texts[number]))
            } catch {
                problems.append(OTTLListError(place: .statement(number), error: error))
            }
        }
        for (number, tree) in conditionTrees.enumerated() {
            do throws(OTTLError) {
                conditions.append(try compiler.compile(tree))
            } catch {
                problems.append(OTTLListError(place: .condition(number), error: error))
            }
        }
        guard problems.isEmpty else { throw OTTLListErrors(problems) }
        self.context = context ?? .span
        self.errorMode = errorMode
        program = compiler.program(root: 0)
        self.statements = statements
        self.conditions = conditions
        let owners = statements.map { $0.target.path.owner }
        editsResource = owners.contains(.resource)
        editsScope = owners.contains(.scope)
        editsSpan = owners.contains(.span)
        editsEvents = owners.contains(.event)
        self.texts = texts + conditionTexts
        spanAttributes = compiler.spanAttributes
    }
}

/// Everything that is wrong with a list.
package struct OTTLListErrors: Error, Sendable, Equatable {
    package let errors: [OTTLListError]

    init(_ errors: [OTTLListError]) { self.errors = errors }
}

extension OTTLPath {
    /// What a path is a part of.
    enum Owner: Sendable {
        case span, event, resource, scope, cache, none
    }

    var owner: Owner {
        switch self {
        case .resourceAttributes, .resourceDroppedAttributes, .resourceSchemaURL: .resource
        case .scopeName, .scopeVersion, .scopeAttributes, .scopeDroppedAttributes, .scopeSchemaURL: .scope
        case .eventName, .eventTime, .eventTimeUnixNano, .eventAttributes, .eventDroppedAttributes, .eventIndex: .event
        case .cache: .cache
        case .clientMap, .clientValue: .none
        default: .span
        }
    }
}
