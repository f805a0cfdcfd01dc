internal import ArgumentParser
internal import ConfigTree
internal import Foundation
internal import Gateway
internal import NativeCore
internal import OTLP
internal import PolicyTools
internal import ReportText
internal import Sampling

struct PolicyPlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Preview what a change of policies would do, on recorded traffic.",
        discussion: """
            Replays recorded spans through two sets of policies with the engine that decides in production, in the recording's \
            own time, and compares what is kept. Take a recording with `tailgate policy record`, or let a `file` exporter write one.

            Recordings: OTLP JSON lines or OTLP protobuf (length-delimited, or one request), also gzipped. Several files are \
            merged by time. Without --current, the candidate is compared with keeping everything.

            tailgate policy plan --current prod.yaml --candidate new.yaml --traces sample.jsonl.gz --html plan.html
            """)

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, json }

    @Option(help: "The policies in force: a policy file, or a configuration that holds policies.")
    var current: String?

    @Option(help: "The policies to preview.")
    var candidate: String

    @Option(parsing: .upToNextOption, help: "The recordings.")
    var traces: [String]

    @Option(help: "What to print: table for people, or json.")
    var format = Format.table

    @Option(help: "Also write a page with charts to this file; it needs no network.")
    var html: String?

    @Option(help: "How many traces that are newly kept, and newly dropped, to name.")
    var examples = 5

    @Option(help: "How many services and operations to list.")
    var rows = 20

    @Option(help: "MiB that each set may hold for what it knows of pending traces.")
    var memory = 4096

    @Option(help: "The `tail_sampling/...` block to take from configurations that have several.")
    var processor: String?

    @Flag(help: "Show no progress.")
    var quiet = false

    func validate() throws {
        if traces.isEmpty { throw ValidationError("--traces needs at least one file") }
        if !(0...1000).contains(examples) { throw ValidationError("--examples must be 0 ... 1000") }
        if !(1...100_000).contains(rows) { throw ValidationError("--rows must be 1 ... 100000") }
        if !(64...1_048_576).contains(memory) { throw ValidationError("--memory must be 64 ... 1048576 (MiB)") }
    }

    func run() throws {
        let candidateSource = try PolicyFiles.load(candidate, processor: processor)
        let currentInput = try current.map(input) ?? Self.everything(candidateSource.settings)
        let candidateInput = try input(candidate, candidateSource, sharing: currentInput.policies)
        let opened = try traces.map(OpenRecording.init)
        let progress = ReplayProgress(opened, isShown: !quiet && Terminal.isTerminal(STDERR_FILENO))
        var inputs = PlanInputs(
            opened.map { file in PlanInputs.File(path: file.path, next: { try file.next() }) },
            transcode: { json in try OTLPJSONTranscoder.transcode(json) })
        var replay = PlanReplay(
            current: currentInput, candidate: candidateInput, examples: examples, maximumBytes: memory << 20)
        let started = MonotonicClock.now()
        var requests = 0
        do {
            while try inputs.next({ request, path in
                do throws(WalkError) {
                    try replay.take(request)
                } catch {
                    throw RecordingError("\(path): request \(requests + 1): \(error)")
                }
            }) {
                requests += 1
                if requests & 63 == 0 { progress.show() }
            }
        } catch {
            progress.clear()
            StandardError.print("tailgate: \(error)")
            throw ExitCodes.unreadableData
        }
        var report = replay.finish()
        progress.clear()
        report.seconds = Double(MonotonicClock.now() - started) / 1e9
        report.files = traces
        report.remarks += inputs.remarks
        guard report.total.spans > 0 else {
            StandardError.print("tailgate: there are no spans in \(traces.joined(separator: ", "))")
            throw ExitCodes.unreadableData
        }
        try write(report)
    }

    private func write(_ report: PlanReport) throws {
        switch format {
        case .table: print(PlanText(report, style: Terminal.output, rows: rows).text(), terminator: "")
        case .json: print(report.json().rendered())
        }
        guard let html else { return }
        let page = PlanPage(report, version: Tailgate.version).html()
        do throws(FileError) {
            try FileReplacement.write(Array(page.utf8).span, to: html)
        } catch {
            StandardError.print("tailgate: can't write \(html): \(error.text)")
            throw ExitCodes.unavailable
        }
        StandardError.print("The page with charts: \(html)")
    }

    private func input(_ path: String) throws -> PlanReplay.Input {
        try input(path, PolicyFiles.load(path, processor: processor), sharing: nil)
    }

    private func input(_ path: String, _ source: PolicySource, sharing other: PolicySet?) throws -> PlanReplay.Input {
        guard let policies = source.compiled(problems: ConfigProblems(), sharing: other) else { throw ExitCodes.configuration }
        return PlanReplay.Input(label: path, policies: policies, settings: source.settings)
    }

    /// What to compare with if nothing is in force yet.
    private static func everything(_ settings: PolicySettings) throws -> PlanReplay.Input {
        let node = ConfigNode.map(["name": "everything", "type": "always_sample"])
        let document = PolicyDocument([node].asList, keyPath: "", problems: ConfigProblems())
        let source = PolicySource(document: document, settings: settings)
        guard let policies = source.compiled(problems: ConfigProblems()) else { throw ExitCodes.configuration }
        return PlanReplay.Input(label: "(everything kept)", policies: policies, settings: settings)
    }
}

extension [ConfigNode] {
    fileprivate var asList: ConfigNode { ConfigNode(.list(self), at: ConfigNode.literalPosition) }
}

/// A recording that is being read, piece by piece.
private final class OpenRecording {
    private static let pieceBytes = 256 << 10

    let path: String
    private let reader: FileReader

    /// 0 for standard input.
    var size: Int { reader.size ?? 0 }
    var read: Int { reader.position }

    /// - Throws: exit code 66, with the reason on standard error, if the file can't be opened.
    init(_ path: String) throws {
        self.path = path
        do throws(FileReadError) {
            reader = path == "-" ? .standardInput() : try FileReader(path: path)
        } catch {
            let hint = error == .notRegular(.pipe) ? "; `-` reads standard input" : ""
            StandardError.print("tailgate: can't read \(path): \(error.text)\(hint)")
            throw ExitCodes.unreadableData
        }
    }

    func next() throws -> [UInt8] {
        do {
            return try reader.next(Self.pieceBytes)
        } catch {
            throw RecordingError("\(path): \(error.text)")
        }
    }
}

/// A bar on standard error while files are replayed.
private final class ReplayProgress {
    private let files: [OpenRecording]
    private let isShown: Bool
    private let total: Int
    private let started = MonotonicClock.now()
    private var last: Int64 = 0
    private var isDrawn = false

    init(_ files: [OpenRecording], isShown: Bool) {
        self.files = files
        self.isShown = isShown && files.allSatisfy { $0.size > 0 }
        total = files.reduce(0) { $0 + $1.size }
    }

    func show() {
        guard isShown else { return }
        let now = MonotonicClock.now()
        guard now - last > 100_000_000 else { return }
        last = now
        let read = files.reduce(0) { $0 + $1.read }
        let share = total > 0 ? min(1, Double(read) / Double(total)) : 0
        let elapsed = Double(now - started) / 1e9
        let left = share > 0.02 ? "\(Int(elapsed / share - elapsed + 0.5)) s left" : ""
        let full = Int(share * 32)
        let bar = String(repeating: "█", count: full) + String(repeating: "░", count: 32 - full)
        let rate = Figures.bytes(Double(read) / max(elapsed, 0.001))
        let line = "\r\u{1b}[K\(bar) \(Figures.right("\(Int(share * 100))", 3)) %  \(rate)/s  \(left)"
        StandardError.write(line)
        isDrawn = true
    }

    func clear() {
        if isDrawn { StandardError.write("\r\u{1b}[K") }
        isDrawn = false
    }
}
