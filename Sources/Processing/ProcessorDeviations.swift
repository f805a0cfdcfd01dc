/// Where a processor does otherwise than the Collector 0.156 with the same settings and data, and why.
///
/// The one list from which the reference page is made, and which the tests with recorded outputs name where they differ.
package struct ProcessorDeviation: Sendable {
    package enum ID: String, Sendable, CaseIterable {
        case attributeOrder, duplicateKeys, groupsWithoutPart, regexSyntax, contextBehindBuffer, unusedKeys, resourceErrors
        case emptyContainers, zeroTraceIDs, foreignDetectors, refreshInterval, redactionSanitizers, libraryKinds,
            negativePrecision
        case negativePercentage
    }

    package let id: ID
    /// The processor types that it is about; empty for all.
    package let types: [String]
    /// What Tailgate does, and what the Collector does.
    package let text: String
    package let reason: String
}

package enum ProcessorDeviations {
    package static let all: [ProcessorDeviation] = [
        ProcessorDeviation(
            id: .attributeOrder, types: [],
            text:
                "The order of the other attributes stays when one is deleted; in the Collector the last one moves into its place.",
            reason: "What is not edited stays as it came; the order of attributes has no meaning."),
        ProcessorDeviation(
            id: .duplicateKeys, types: ["attributes", "resource"],
            text:
                "A key that comes twice is deleted, or hashed by a pattern, in all its places or once; the Collector deletes the first, and hashes the first twice.",
            reason: "Deleting is for what must not be seen."),
        ProcessorDeviation(
            id: .groupsWithoutPart, types: ["span"],
            text:
                "A group of a `to_attributes` rule that took no part in the match gives an empty attribute and changes nothing in the name; one inside another gives its attribute, and the outer one its place in the name. The Collector panics, and the client gets no answer.",
            reason: "Data from outside must not stop a request."),
        ProcessorDeviation(
            id: .regexSyntax, types: [],
            text: "Bytes that are no UTF-8 match nothing; Go takes each for U+FFFD.",
            reason: "RE2 runs in linear time on any input, and is what Go's syntax comes from."),
        ProcessorDeviation(
            id: .contextBehindBuffer, types: ["attributes", "resource"],
            text: "`from_context` behind `tail_sampling` or `batch` is warned of; it finds nothing there, as in the Collector.",
            reason: "A setting without effect is said to have none."),
        ProcessorDeviation(
            id: .unusedKeys, types: ["attributes", "resource"],
            text:
                "A key that the action does not use, such as `from_context` beside `delete`, is an error; the Collector ignores some of them.",
            reason: "Nothing is accepted and ignored."),
        ProcessorDeviation(
            id: .resourceErrors, types: ["resource_detection"],
            text: "The block of a detector that is not in `detectors` is warned of.",
            reason: "A setting without effect is said to have none."),
        ProcessorDeviation(
            id: .emptyContainers, types: [],
            text: "Resources and scopes without spans do not leave the receiver, so no processor sees them.",
            reason: "There is nothing to sample, to store or to show in them."),
        ProcessorDeviation(
            id: .zeroTraceIDs, types: ["probabilistic_sampler"],
            text: "A span without a trace id does not reach the sampler: the receiver rejects it and says so.",
            reason: "Such a span belongs to no trace."),
        ProcessorDeviation(
            id: .foreignDetectors, types: ["resource_detection"],
            text: "The detectors that ask a cloud or an orchestrator are errors that name the way out.",
            reason: "They are for agents beside the application; what they find can be handed to `env`."),
        ProcessorDeviation(
            id: .refreshInterval, types: ["resource_detection"],
            text: "Detectors are asked once, at start; `refresh_interval` is warned of.",
            reason: "What `env`, `system` and `docker` know does not change while a process lives."),
        ProcessorDeviation(
            id: .redactionSanitizers, types: ["redaction"],
            text: "`url_sanitizer`, `db_sanitizer` and HMAC digests are errors.",
            reason: "They are not built yet."),
        ProcessorDeviation(
            id: .libraryKinds, types: ["attributes", "span"],
            text:
                "Several `libraries` are warned of with `match_type: strict`: a scope has to match all of them, which none can.",
            reason: "A setting that can never match is said to be one."),
        ProcessorDeviation(
            id: .negativePrecision, types: ["probabilistic_sampler"],
            text: "A negative `sampling_precision` works as 1, with a warning.",
            reason: "The Collector's arithmetic with it has no meaning."),
        ProcessorDeviation(
            id: .negativePercentage, types: ["probabilistic_sampler"],
            text: "A negative `sampling_percentage` is an error.",
            reason: "It is a mistake; the Collector refuses it, too."),
    ]
}
