internal import NativeCore

/// The patterns of conditions and statements, compiled by RE2: linear in the text, whatever the pattern.
package enum OTTLPatterns {
    /// Compiles a pattern; what it throws says what is wrong with it.
    package static let compile: OTTLPatternCompiler = { pattern in
        do throws(RegularExpressionError) {
            return try RegularExpression(pattern)
        } catch {
            throw OTTLPatternError(description: "\(error.message); the syntax is RE2's")
        }
    }
}

extension RegularExpression: RegularExpressionMatching {}

/// Why a pattern is none.
private struct OTTLPatternError: Error, CustomStringConvertible {
    let description: String
}
