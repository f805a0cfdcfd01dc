internal import ConfigTree
internal import Foundation
internal import Logging
internal import Sampling
internal import Telemetry
internal import Transport

/// What became of a reload.
enum ReloadOutcome: Sendable {
    /// The policies or settings in force are new ones.
    case installed(version: Int, hash: String, needsRestart: [String])
    /// The files say what is in force already, apart from what needs a restart.
    case unchanged(version: Int, hash: String, needsRestart: [String])
    /// The old policies stay.
    case refused([ConfigProblem], text: String)
    /// Too many older versions are still in use, or the node stops; later it may work.
    case notNow(String)
    /// The node runs on a configuration that has no file.
    case noFile
}

/// Takes changes of the configuration over while the node runs: one reload at a time.
///
/// Reads and checks the file again, runs the tests of its policies, and hands the new policies to all workers. Nothing else is
/// touched: buffers, queues, listeners, caches and what policies remember stay as they are. Undecided traces keep the
/// version of their first span.
actor Reloader {
    /// Versions that undecided traces may be judged by at one time. Each costs a second look at requests with older traces.
    static let maximumVersions = 48
    /// How long a reload waits for older versions to go.
    private static let patience = Duration.seconds(5)

    private let source: ConfigurationSource?
    private let options: GatewayOptions
    private let sampling: ComponentID
    private let memory: NodePlanner.PolicyMemory
    private let directory: PolicyDirectory
    private let workers: [WorkerHandle]
    /// Nil: the node is alone.
    private let cluster: ClusterNode?
    private let logger: Logger
    private var files: [String]
    private var reported: [String] = []
    /// The reload under way, which the next one waits for.
    private var last: Task<ReloadOutcome, Never>?

    init(
        options: GatewayOptions, sampling: ComponentID, memory: NodePlanner.PolicyMemory, directory: PolicyDirectory,
        workers: [WorkerHandle], cluster: ClusterNode? = nil, logger: Logger
    ) {
        source = options.source
        self.options = options
        self.sampling = sampling
        self.memory = memory
        self.directory = directory
        self.workers = workers
        self.cluster = cluster
        self.logger = logger
        files = options.source?.files ?? []
    }

    /// The configuration file and all that it takes in, as of the last look.
    var watchedFiles: [String] { files }

    /// Reads the files and takes over what is new.
    ///
    /// - Parameter trigger: what asked for it, for the log.
    func reload(_ trigger: String) async -> ReloadOutcome {
        let before = last
        let task = Task { [self] in
            _ = await before?.value
            return await perform(trigger)
        }
        last = task
        return await task.value
    }

    private func perform(_ trigger: String) async -> ReloadOutcome {
        guard let source else { return .noFile }
        let loaded = ConfigurationLoader.read(path: source.path)
        files = loaded.files.isEmpty ? [source.path] : loaded.files
        let problems = loaded.problems
        guard let config = loaded.config, let root = loaded.root else { return refuse(problems, trigger) }
        let state = directory.now
        guard let settings = config.tailSampling, settings.id == sampling else {
            problems.error(
                "the processor in use is `\(sampling)`; another one needs a restart", at: root.position,
                keyPath: "service.pipelines")
            return refuse(problems, trigger)
        }
        let version = state.current.version + 1
        let number = UInt16(truncatingIfNeeded: version)
        guard let (live, shadow) = NodePlanner.policySets(config, version: number, problems, memory) else {
            return refuse(problems, trigger)
        }
        let needsRestart = ConfigurationChanges.needingRestart(source.root, root, sampling: sampling)
        noteRestart(needsRestart)
        let known = state.inForce
        let isSame =
            live.contentHash == known.version.policies.contentHash
            && shadow?.contentHash == known.version.shadow?.contentHash
        let tuning = NodePlanner.tuning(settings)
        if isSame && tuning == known.tuning && settings.recordPolicy == known.recordsPolicy {
            directory.change { $0.lastProblems = nil }
            return .unchanged(version: state.current.version, hash: state.current.hash, needsRestart: needsRestart)
        }
        if !isSame, let check = options.policyCheck {
            for document in settings.policyDocuments { check(document, problems) }
            if problems.hasErrors { return refuse(problems, trigger) }
        }
        if isSame {
            var new = known
            new.tuning = tuning
            new.recordsPolicy = settings.recordPolicy
            return await install(new, state.current, trigger, needsRestart, problems)
        }
        guard await hasRoom() else {
            return .notNow("\(Self.maximumVersions) versions of the policies are still in use by undecided traces")
        }
        let new = NodePlanner.inForce(live, shadow, number: number, known.book, settings)
        let entry = PolicyDirectory.Entry(version: version, hash: live.contentHash, since: Date())
        return await install(new, entry, trigger, needsRestart, problems)
    }

    private func install(
        _ new: PolicyInForce, _ entry: PolicyDirectory.Entry, _ trigger: String, _ needsRestart: [String],
        _ problems: ConfigProblems
    ) async -> ReloadOutcome {
        directory.change { state in
            state.inForce = new
            if state.current.version != entry.version { state.entries.append(entry) }
            if state.entries.count > PolicyDirectory.maximumEntries { state.entries.removeFirst() }
            state.reloadsOK += 1
            state.lastProblems = nil
        }
        for worker in workers { try? await worker.run { $0.server.worker.install(new) } }
        cluster?.setPolicyHash(new.version.contentHash)
        var metadata: Logger.Metadata = [
            "version": "\(entry.version)", "hash": "\(entry.hash)", "policies": "\(new.version.policies.policies.count)",
            "by": "\(trigger)",
        ]
        if let shadow = new.version.shadow { metadata["shadow_policies"] = "\(shadow.policies.count)" }
        logger.info("new policies are in force", metadata: metadata)
        for warning in problems.warnings { logger.warning("\(warning)") }
        return .installed(version: entry.version, hash: entry.hash, needsRestart: needsRestart)
    }

    private func refuse(_ problems: ConfigProblems, _ trigger: String) -> ReloadOutcome {
        let text = ProblemReport.text(problems)
        directory.change { state in
            state.reloadsFailed += 1
            state.lastProblems = text
        }
        logger.error(
            "the changed configuration is not taken over; the policies in force stay",
            metadata: ["by": "\(trigger)", "problems": "\(text)"])
        return .refused(ProblemReport.sorted(problems.all), text: text)
    }

    private func noteRestart(_ keys: [String]) {
        directory.change { $0.needsRestart = keys }
        guard keys != reported else { return }
        reported = keys
        if !keys.isEmpty {
            logger.warning("changed keys need a restart", metadata: ["keys": "\(keys.joined(separator: ", "))"])
        }
    }

    /// Waits until there is room for another version.
    private func hasRoom() async -> Bool {
        let deadline = ContinuousClock.now + Self.patience
        while await versionsInUse() >= Self.maximumVersions {
            guard ContinuousClock.now < deadline else { return false }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return true
    }

    private func versionsInUse() async -> Int { await VersionsInUse.numbers(workers).count }
}

/// Versions that the traces of all workers are judged by.
enum VersionsInUse {
    /// Traces by version.
    static func numbers(_ workers: [WorkerHandle]) async -> [UInt16: Int] {
        var traces: [UInt16: Int] = [:]
        for worker in workers {
            for use in (try? await worker.run { $0.server.worker.versionsInUse }) ?? [] {
                traces[use.number, default: 0] += use.traces
            }
        }
        return traces
    }
}
