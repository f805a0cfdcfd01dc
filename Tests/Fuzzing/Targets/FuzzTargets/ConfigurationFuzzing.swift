internal import ConfigTree
internal import Gateway
internal import PolicyTools

extension FuzzTarget {
    /// Any text as a configuration with policies: problems are reported, and what is none compiles.
    ///
    /// Deep: a configuration without a problem whose window is none of the seeds'.
    static let configuration = FuzzTarget("configuration", maximumLength: 768) { input in
        let (config, problems) = ConfigurationLoader.load(
            text: String(decoding: input, as: UTF8.self), file: "fuzz.yaml", environment: environment)
        precondition(config != nil || problems.hasErrors, "refused without a word")
        if let config { NodePlanner.check(config, problems) }
        _ = ProblemReport.text(problems)
        guard let config, !problems.hasErrors else { return false }
        return ![5_000_000_000, 10_000_000_000, 30_000_000_000].contains(config.tailSampling?.decisionWait ?? 10_000_000_000)
    }

    /// Any text as a policy file with tests: problems are reported, and what is none compiles and can be tested.
    ///
    /// Deep: a test that ran and failed, for the seeds' tests pass.
    static let policies = FuzzTarget("policies", maximumLength: 768) { input in
        let problems = ConfigProblems()
        var loader = YAMLTreeLoader(environment: environment, problems: problems)
        guard let root = loader.load(text: String(decoding: input, as: UTF8.self), file: "fuzz.yaml") else {
            precondition(problems.hasErrors, "refused without a word")
            return false
        }
        guard let source = PolicySource(root, problems: problems) else {
            precondition(problems.hasErrors, "refused without a word")
            return false
        }
        let isCompiled = source.compiled(problems: problems) != nil
        precondition(isCompiled || problems.hasErrors, "refused without a word")
        // Tests of a million traces are allowed, and take their time.
        let isSlow = input.split(separator: UInt8(ascii: "\n")).contains { $0.contains("repeat".utf8) }
        let results = isSlow ? [] : PolicyTests.results(source, problems: problems)
        _ = ProblemReport.text(problems)
        return results.contains { !$0.passed }
    }

    private static var environment: ConfigurationEnvironment {
        ConfigurationEnvironment(
            variable: { $0 == "X" ? "1" : nil },
            readFile: { (_, _) throws(ConfigurationEnvironment.Unreadable) in Array("policies: []".utf8) })
    }
}

extension [UInt8].SubSequence {
    fileprivate func contains(_ text: String.UTF8View) -> Bool { firstRange(of: Array(text)) != nil }
}
