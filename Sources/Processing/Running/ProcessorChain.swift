internal import OTLP

/// The processors of one pipeline, in their order, up to the sampler or the exporters. Immutable, shared by all workers.
package struct ProcessorChain: Sendable {
    /// A stage and whose it is.
    struct Step: Sendable {
        let processor: Int
        let stage: ProcessorStage
    }

    /// A set of span stages is one word.
    package static let maximumSpanStages = 64

    package let processors: [BuiltProcessor]
    /// The attributes of spans that the walker has to find for the chain, by number.
    package let spanAttributes: [[UInt8]]
    /// What the processors count, by `CounterID.index`.
    package let counters: [ProcessorCounter]
    /// What of a client's request the chain reads, in the words of `from_context`; nobody needs to collect anything else.
    package let contextKeys: [String]
    let steps: [Step]
    /// The span stages by number, which is their bit in a group's plan.
    let spanStages: [Step]
    let editsResources: Bool
    let editsScopes: Bool

    /// - Parameter builder: with which all of them were built, in this order.
    /// - Returns: nil if there are more than `maximumSpanStages` stages.
    package init?(_ processors: [BuiltProcessor], _ builder: ProcessorBuilder) {
        self.processors = processors
        spanAttributes = builder.spanAttributes
        counters = processors.flatMap(\.counters)
        contextKeys = processors.flatMap(\.contextKeys)
        steps = processors.enumerated().flatMap { number, processor in
            processor.stages.map { Step(processor: number, stage: $0) }
        }
        spanStages = steps.filter { if case .spans = $0.stage { true } else { false } }
        editsResources = steps.contains { if case .groups(let stage) = $0.stage { stage.editsResources } else { false } }
        editsScopes = steps.contains { if case .groups(let stage) = $0.stage { stage.editsScopes } else { false } }
        guard spanStages.count <= Self.maximumSpanStages else { return nil }
    }

    /// Whether it does nothing: then a request needs no runner.
    package var isEmpty: Bool { steps.isEmpty }

    /// Joins the attributes that others want of spans with those that the chain wants.
    ///
    /// - Parameter names: those of the policies; they keep their numbers.
    /// - Returns: the names for the walker that reads the requests of this pipeline, and how the chain finds its own among
    /// them.
    package func interest(beside names: [[UInt8]]) -> (names: [[UInt8]], binding: AttributeBinding) {
        var all = names
        var numbers: [UInt16] = []
        for name in spanAttributes {
            let place = all.firstIndex(of: name) ?? all.count
            if place == all.count { all.append(name) }
            numbers.append(UInt16(clamping: place))
        }
        return (all, AttributeBinding(numbers: numbers, others: names.count))
    }
}

/// How a chain finds its attributes among the hits of a walk.
package struct AttributeBinding: Sendable {
    /// By number in the chain, the name that a hit bears.
    let numbers: [UInt16]
    /// Hits with this name or a greater one are of no interest to anybody else.
    let others: Int

    /// Whether hits of the chain alone must go when it is done.
    var hasOwn: Bool { numbers.contains { Int($0) >= others } }
}
