package import ConfigTree

/// How much a finding matters.
package enum LintLevel: Int, Sendable, Comparable, CaseIterable {
    /// Worth knowing.
    case note
    /// It most likely does not do what its author wants.
    case warning
    /// It can't be what its author wants.
    case error

    package static func < (left: LintLevel, right: LintLevel) -> Bool { left.rawValue < right.rawValue }

    package var word: String {
        switch self {
        case .note: "note"
        case .warning: "warning"
        case .error: "error"
        }
    }
}

/// The rules of `tailgate policy lint`. The raw values are stable: files and pipelines name them.
package enum LintRule: String, Sendable, CaseIterable {
    case configuration
    case shadowed, identical, subsumed
    case keepsEverything = "keeps-everything"
    case keepsNothing = "keeps-nothing"
    case dropsEverything = "drops-everything"
    case dropOrder = "drop-order"
    case limitAdds = "limit-adds"
    case limitCharged = "limit-charged"
    case budgetSmall = "budget-small"
    case budgetOnce = "budget-once"
    case burst
    case percentageFraction = "percentage-fraction"
    case percentageRange = "percentage-range"
    case correlatedPercentages = "correlated-percentages"
    case regexMatchesEverything = "regex-matches-everything"
    case regexUnanchored = "regex-unanchored"
    case patternWithoutRegex = "pattern-without-regex"
    case invertNoVeto = "invert-no-veto"
    case invertAnySpan = "invert-any-span"
    case compositeUnallocated = "composite-unallocated"
    case compositeOrder = "composite-order"
    case compositeSum = "composite-sum"
    case compositeUnknown = "composite-unknown"
    case compositeBlocked = "composite-blocked"
    case numericZero = "numeric-zero"
    case latencyWindow = "latency-window"
    case latencyBeyondWait = "latency-beyond-wait"
    case errorMode = "error-mode"
    case firstMatchNotAlone = "first-match-not-alone"
    case firstMatchOrder = "first-match-order"
    case highCardinalityKey = "high-cardinality-key"
    case oldAttribute = "old-attribute"
    case noBaseline = "no-baseline"
    case noTests = "no-tests"

    /// What it finds, as one line.
    package var summary: String {
        switch self {
        case .configuration: "What the node itself would report when it reads the policies."
        case .shadowed: "Another policy keeps every trace, so this one changes nothing."
        case .identical: "Two policies are the same but for their names."
        case .subsumed: "Another policy keeps everything that this one keeps."
        case .keepsEverything: "The policy keeps every trace, and does not look as if that were meant."
        case .keepsNothing: "The policy can keep no trace."
        case .dropsEverything: "The drop policy throws every trace away."
        case .dropOrder: "A drop policy is written behind others; it is asked first all the same."
        case .limitAdds: "A limiter beside other policies limits nothing: it keeps traces of its own."
        case .limitCharged: "A limiter is charged for traces that other policies keep as well."
        case .budgetSmall: "The budget is smaller than a trace may be."
        case .budgetOnce: "A rate of 0 with a burst is spent once and never comes back."
        case .burst: "After a pause, far more than the rate may pass at once."
        case .percentageFraction: "A percentage below 1 looks like a fraction."
        case .percentageRange: "A percentage is below 0 or above 100."
        case .correlatedPercentages: "Percentages with the same salt choose the same traces and don't multiply."
        case .regexMatchesEverything: "A regular expression matches every text."
        case .regexUnanchored: "A regular expression without ^ and $ is found anywhere in the text."
        case .patternWithoutRegex: "A value looks like a regular expression, but is compared as text."
        case .invertNoVeto: "`invert_match` keeps what does not match; it excludes nothing."
        case .invertAnySpan: "`invert_match` says no as soon as any span or resource of the trace matches."
        case .compositeUnallocated: "A sub-policy of a composite has no share of its budget written down."
        case .compositeOrder: "`policy_order` is ignored; the order of `composite_sub_policy` counts."
        case .compositeSum: "The shares of a composite add up to more than 100 %."
        case .compositeUnknown: "A share of a composite names a policy that is not in it."
        case .compositeBlocked: "Sub-policies behind one that takes every trace are never asked."
        case .numericZero: "0 as a bound means no bound."
        case .latencyWindow: "With an upper threshold, the lower one is exclusive."
        case .latencyBeyondWait: "A trace that takes so long is decided before it ends."
        case .errorMode: "Without `error_mode`, conditions that fail are passed over silently."
        case .firstMatchNotAlone: "Other policies keep traces that a `first_match` list has decided against."
        case .firstMatchOrder: "With `sample_on_first_match`, the order of policies decides what limiters are charged for."
        case .highCardinalityKey: "A key of a dynamic policy has nearly as many values as there are traces."
        case .oldAttribute: "The attribute has another name in today's semantic conventions."
        case .noBaseline: "No policy keeps a share of the ordinary traces."
        case .noTests: "The file has no tests."
        }
    }

    /// Why it matters, and what to do.
    package var advice: String {
        switch self {
        case .configuration:
            "Errors keep a node from using the file; warnings name places where it may do something else than expected."
        case .shadowed:
            "Policies are alternatives: a trace is kept as soon as one wants it. Remove the policy that keeps everything, or make it a percentage. Drop policies still have their veto."
        case .identical: "Remove one of them; metrics show only the first as the one that decided."
        case .subsumed: "Remove it, unless it is there for its name in metrics; then put it before the wider one."
        case .keepsEverything: "Give it the threshold, value or bound that was forgotten; if everything is to be kept, `always_sample` says so."
        case .keepsNothing: "Correct the value, or remove the policy."
        case .dropsEverything: "Give it conditions: a drop policy throws away what ALL of its sub-policies want."
        case .dropOrder: "Nothing needs to change; written first, it reads as it works."
        case .limitAdds:
            "A limiter on its own keeps any trace while its bucket has room. To limit what others keep, put both into one `and` (conditions first, limiter last), or use a `composite`."
        case .limitCharged:
            "Every evaluation that passes takes tokens, also for a trace that is kept anyway. With `sample_on_first_match: true` and the limiter last, it is charged for what it alone keeps."
        case .budgetSmall: "Traces beyond the budget only pass when it is untouched, and the time after pays for them. Raise the rate or `burst_capacity` above your largest traces."
        case .budgetOnce: "Write the rate that is meant."
        case .burst: "Lower `burst_capacity`; by default it is twice the rate."
        case .percentageFraction: "`sampling_percentage: 0.1` keeps one trace in a thousand. Write 10 for a tenth."
        case .percentageRange: "Write a value from 0 to 100."
        case .correlatedPercentages: "Both look at the same hash of the trace id, so the smaller one wins. Give them different `hash_salt`s to multiply them."
        case .regexMatchesEverything: "Every span that has the attribute matches. If presence is meant, `any_of` and `root_span` conditions say so more cheaply."
        case .regexUnanchored: "`/health` also matches `/healthcare` and `/api/health/x`. Write `^/health$` for the whole text."
        case .patternWithoutRegex: "Add `enabled_regex_matching: true`, or write the text that is meant."
        case .invertNoVeto: "To keep traces out whatever other policies say, use a `drop` policy with the condition not inverted."
        case .invertAnySpan: "In a trace through several services one matching resource is enough. `match: root` or `match: all_spans` asks otherwise."
        case .compositeUnallocated: "The Collector gives such a sub-policy nothing, Tailgate an equal share. Write its share under `rate_allocation`."
        case .compositeOrder: "Put the sub-policies themselves into the order that is meant."
        case .compositeSum: "The sum may then be more than `max_total_spans_per_second`."
        case .compositeUnknown: "Correct the name."
        case .compositeBlocked: "The first sub-policy that wants a trace decides, even if it has no room left. Put the one that takes everything last."
        case .numericZero: "Write 0.0, which counts as a bound, or leave the key out. The Collector takes any zero as not set."
        case .latencyWindow: "A trace of exactly `threshold_ms` does not match; without an upper threshold it does."
        case .latencyBeyondWait: "Spans that end after the decision are not in it. Raise `decision_wait` above the threshold."
        case .errorMode: "`error_mode: ignore` logs them; Collector READMEs say `propagate` is the default, its source says otherwise."
        case .firstMatchNotAlone: "Move the other policies into the list as rules, or keep in mind that each of them adds traces."
        case .firstMatchOrder: "Policies before a limiter keep traces without charging it; policies behind it see only what it refused."
        case .highCardinalityKey: "Every trace would count as rare and be kept. Use the route (`http.route`) rather than the path, and no ids."
        case .oldAttribute: "Senders of either age may be in your traffic: name both with `any_of` or `values` in two policies."
        case .noBaseline: "Errors and slow traces alone leave nothing normal to compare with. Add a small `probabilistic` policy."
        case .noTests: "Write down what the policies are for; `tailgate policy test` then says when a change breaks it. See Policies/README.md."
        }
    }
}

/// One thing that a rule found.
package struct LintFinding: Sendable, Equatable {
    package var rule: LintRule
    package var level: LintLevel
    package var position: SourcePosition
    package var keyPath: String
    /// What is the matter here.
    package var message: String
}

extension LintFinding {
    /// What the readers of a file found, as findings of the rule `configuration`.
    package static func of(_ problems: ConfigProblems) -> [LintFinding] {
        problems.all.map { problem in
            LintFinding(
                rule: .configuration, level: problem.severity == .error ? .error : .warning, position: problem.position,
                keyPath: problem.keyPath, message: problem.message)
        }
    }
}
