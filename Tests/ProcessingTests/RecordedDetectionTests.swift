import ConfigTree
import Foundation
import OTLP
import Testing

@testable import Processing

/// `resourcedetection` against what the Collector gave out. Its host is not known: what belongs to it has the names of the
/// attributes.
@Suite struct RecordedDetectionTests {
    static func environment(_ variables: [String: String]) -> DetectionEnvironment {
        var host = HostFacts()
        host.names = [.os: "<host.name>", .dns: "<host.name>"]
        host.machineID = "<host.id>\n"
        host.kernel.system = "Linux"
        host.kernel.node = "node"
        host.kernel.release = "<os.build.id>"
        host.kernel.version = "#1 SMP"
        host.kernel.machine = "<host.arch>"
        host.osRelease = "PRETTY_NAME=\"Debian 12\"\nNAME=\"<os.name>\"\nVERSION_ID='<os.version>'\n# comment\n"
        host.cpuInfo = """
            processor\t: 0
            vendor_id\t: <host.cpu.vendor.id>
            cpu family\t: <host.cpu.family>
            model\t\t: <host.cpu.model.id>
            model name\t: <host.cpu.model.name>
            stepping\t: <host.cpu.stepping>
            cache size\t: 512 KB

            processor\t: 1
            vendor_id\t: other
            """
        host.interfaces = [
            NetworkInterface(name: "lo", isUp: true, isLoopback: true, hardwareAddress: [], addresses: ["127.0.0.1"]),
            NetworkInterface(
                name: "<host.interface>", isUp: true, isLoopback: false, hardwareAddress: [0xac, 0xde, 0x48, 0, 0x45, 7],
                addresses: ["<host.ip>"]),
            NetworkInterface(name: "down", isUp: false, isLoopback: false, hardwareAddress: [1], addresses: ["10.0.0.1"]),
        ]
        return DetectionEnvironment(variables: variables, host: host)
    }

    @Test func allCasesAreThere() { #expect(RecordedCase.cases("resourcedetection").count == 30) }

    @Test(arguments: RecordedCase.cases("resourcedetection"), ["resourcedetection", "resource_detection"])
    func recorded(_ recorded: RecordedCase, id: String) throws {
        let input = try #require(recorded.input as? [String: Any])
        let environment = Self.environment(input["environment"] as? [String: String] ?? [:])
        let problems = ConfigProblems()
        let chain = Made.chain([(id, recorded.settings)], ProcessorBuilder(environment: environment), problems)
        if recorded.isConfigError {
            #expect(problems.hasErrors, "the Collector does not start with this")
            return
        }
        let errors = problems.errors.map(\.description)
        #expect(errors == [], "the Collector starts with this")
        var rig = Rig(try #require(chain))
        let output = try rig.run(recorded.request("input", "traces"))
        var text = String(decoding: try #require(recorded.json("output", "traces")), as: UTF8.self)
        for (name, value) in [
            ("<host.cpu.cache.l2.size>", "512"), ("<host.mac>", "AC-DE-48-00-45-07"),
            ("<os.description>", "Debian 12 (Linux node <os.build.id> #1 SMP <host.arch>)"),
        ] {
            text = text.replacingOccurrences(of: name, with: value)
        }
        let expected = try Canonical.value(json: Array(text.utf8))
        #expect(try Canonical.value(protobuf: output) == expected, "\(recorded.settings)")
    }

    @Test func onlyWhatIsNeededIsGathered() throws {
        func needs(_ yaml: String) throws -> DetectionNeeds {
            try #require(Made.chain([("resourcedetection", yaml)])).processors[0].needs
        }
        #expect(try needs("detectors: [env]").hostnameSources == [])
        #expect(try needs("detectors: [env]").timeout == 5_000_000_000)
        #expect(try needs("detectors: [system]").hostnameSources == [.dns, .os])
        #expect(try needs("detectors: [system]").hostDetails == false)
        #expect(try needs("detectors: [env, docker]\ntimeout: 2s").docker)
        #expect(try needs("detectors: [env, docker]\ntimeout: 2s").timeout == 2_000_000_000)
        #expect(
            try needs("detectors: [system]\nsystem: {hostname_sources: [os], resource_attributes: {host.id: {enabled: true}}}")
                .hostDetails)
    }

    @Test func dockerAnswers() throws {
        let environment = DetectionEnvironment(
            docker: DockerFacts(name: "moby", osType: "linux", containerName: "c", imageName: "i"))
        let yaml =
            "detectors: [docker]\ndocker: {resource_attributes: {container.name: {enabled: true}, os.type: {enabled: false}}}"
        let chain = try #require(Made.chain([("resourcedetection", yaml)], ProcessorBuilder(environment: environment)))
        guard case .groups(let stage) = chain.steps[0].stage else { return }
        var draft = MessageDraft()
        let nothing: [UInt8] = []
        draft.open(.resource, nothing.span)
        var run = StageRun(counters: 0)
        #expect(stage.edit(resource: &draft, &run) == .keep)
        #expect(draft.attributes.map { String(decoding: draft.key(at: $0), as: UTF8.self) } == ["host.name", "container.name"])
    }
}
