internal import OTLP
package import ReportText

extension PlanReport {
    /// The whole report for programs. Keys are stable; times are Unix nanoseconds as text.
    package func json() -> JSONText {
        .object([
            ("files", .array(files.map { .text($0) })), ("requests", .count(requests)),
            ("begin_unix_nano", .text("\(begin)")), ("end_unix_nano", .text("\(end)")),
            ("replay_seconds", .number(seconds)), ("total", Self.json(total)),
            ("current", Self.json(current)), ("candidate", Self.json(candidate)),
            (
                "traces",
                .object([
                    ("kept_by_both", Self.json(keptByBoth)), ("newly_kept", Self.json(newlyKept)),
                    ("newly_dropped", Self.json(newlyDropped)), ("kept_by_neither", Self.json(keptByNeither)),
                ])
            ),
            ("newly_kept_examples", .array(keptExamples.map(Self.json))),
            ("newly_dropped_examples", .array(droppedExamples.map(Self.json))),
            ("services", .array(services.map(Self.json))), ("operations", .array(operations.map(Self.json))),
            (
                "timeline",
                .object([
                    ("seconds_per_point", .number(Double(momentWidth) / 1e9)),
                    ("spans", .array(moments.map { .count($0.total) })),
                    ("current", .array(moments.map { .count($0.current) })),
                    ("candidate", .array(moments.map { .count($0.candidate) })),
                ])
            ),
            ("remarks", .array(remarks.map { .text($0) })),
        ])
    }

    private static func json(_ amount: Amount) -> JSONText {
        .object([("traces", .count(amount.traces)), ("spans", .count(amount.spans)), ("bytes", .count(amount.bytes))])
    }

    private static func json(_ side: Side) -> JSONText {
        .object([
            ("policies_from", .text(side.label)), ("decision_wait_seconds", .number(Double(side.decisionWait) / 1e9)),
            ("kept", json(side.kept)), ("not_sampled", json(side.notSampled)), ("dropped", json(side.dropped)),
            (
                "policies",
                .array(
                    side.policies.map { policy in
                        .object([
                            ("name", .text(policy.name)), ("type", .text(policy.type)), ("matched", json(policy.matched)),
                            ("decided", json(policy.decided)), ("alone", json(policy.alone)),
                        ])
                    })
            ),
            ("never_matched", .array(side.unused.map { .text($0.name) })),
        ])
    }

    private static func json(_ group: Group) -> JSONText {
        .object([
            ("name", .text(group.name)), ("total", json(group.total)), ("current", json(group.current)),
            ("candidate", json(group.candidate)),
        ])
    }

    private static func json(_ example: Example) -> JSONText {
        .object([
            ("trace_id", .text(example.traceID.description)), ("service", .text(example.service)),
            ("operation", .text(example.operation)), ("duration_ms", .number(example.milliseconds)),
            ("spans", .count(example.spans)), ("error", .bool(example.hasError)), ("policy", .text(example.policy)),
        ])
    }
}
