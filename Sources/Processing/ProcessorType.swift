package import ConfigTree

/// A kind of processor: its names, its keys, and how its settings become stages that edit requests.
///
/// To add one: a folder here with a type that conforms, and a line in `ProcessorCatalog`. Values are immutable and shared by
/// all workers. Nothing here reads a clock, a random number, a file or an environment variable: all of that is handed in, by
/// `ProcessorBuilder.environment` when a processor is made and by `RequestFacts` for every request.
package protocol ProcessorType: Sendable {
    /// The names that stand before `/name` in a configuration: today's first, then those of older versions.
    static var typeNames: [String] { get }

    /// What it is and which keys its block has.
    static var schema: ProcessorSchema { get }

    /// Reads the processor's block. Problems go to the reader; nil when there was one that leaves nothing to build.
    init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder)

    /// What it does with a request, in this order. None is fine: then it costs nothing.
    var stages: [ProcessorStage] { get }
}

extension ProcessorType {
    /// Today's name.
    package static var typeName: String { typeNames.first ?? "" }
}

/// One step of a processor.
package enum ProcessorStage: Sendable {
    /// Works on what the spans of a group share: once for each resource and once for each scope of a request.
    case groups(any GroupStage)
    /// Works on spans, one after the other.
    case spans(any SpanStage)
}

/// What becomes of a span, or of all spans of a resource or scope.
package enum StageVerdict: Sendable, Equatable {
    /// It goes on to the next stage.
    case keep
    /// It leaves the request, and is counted for the processor.
    case drop
}

/// A step that works on resources or scopes.
package protocol GroupStage: Sendable {
    /// Whether `edit(resource:)` has an effect.
    var editsResources: Bool { get }
    /// Whether `edit(scope:)` has an effect.
    var editsScopes: Bool { get }

    /// Edits a resource; called once for each ResourceSpans, ResourceMetrics or ResourceLogs of a request.
    func edit(resource: inout MessageDraft, _ run: inout StageRun) -> StageVerdict

    /// Edits a scope; called once for each ScopeSpans of a request, with its resource as it is at this stage.
    func edit(scope: inout MessageDraft, resource: MessageView, _ run: inout StageRun) -> StageVerdict
}

extension GroupStage {
    package var editsScopes: Bool { false }
    package func edit(scope: inout MessageDraft, resource: MessageView, _ run: inout StageRun) -> StageVerdict { .keep }
}

/// What a stage says about a span after a first look, which copies nothing.
package enum SpanLook: Sendable, Equatable {
    /// The stage has nothing to do here.
    case pass
    /// The span leaves the request.
    case drop
    /// The stage may want to change it: `edit` is to be called.
    case open
}

/// A step that works on spans.
///
/// Most spans of most stages are only looked at: `look` sees the span where it lies and decides by what the request walker
/// found (`ProcessorBuilder.spanAttribute` says what it is to find). Only a span that some stage wants to open is copied, and
/// from then on every later stage edits that copy.
package protocol SpanStage: Sendable {
    /// Whether the stage has anything to do with the spans of this group, as its resource and scope are at this stage.
    func applies(to group: GroupView, _ run: inout StageRun) -> Bool

    /// A first look at a span that no stage before has opened. A cautious answer is `.open`.
    func look(_ span: SpanView, _ group: GroupView, _ run: inout StageRun) -> SpanLook

    /// Edits a span. Called after `look` said `.open`, and without a look for a span that is open already.
    func edit(_ span: inout MessageDraft, _ group: GroupView, _ run: inout StageRun) -> StageVerdict
}

extension SpanStage {
    package func applies(to group: GroupView, _ run: inout StageRun) -> Bool { true }
    package func look(_ span: SpanView, _ group: GroupView, _ run: inout StageRun) -> SpanLook { .open }
}
