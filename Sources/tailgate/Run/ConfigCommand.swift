internal import ArgumentParser
internal import Gateway

struct ConfigCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Print configurations.",
        discussion: "`tailgate config --default > gateway.yaml` gives you a file to start from.")

    @Flag(name: .customLong("default"), help: "Print the configuration that `run` uses when it is given none.")
    var printsDefault = false

    @Flag(help: "Print the policy file that is built in, with its comments and tests.")
    var policies = false

    func validate() throws {
        if printsDefault == policies { throw ValidationError("give --default or --policies") }
    }

    func run() {
        print(printsDefault ? DefaultConfiguration.text : DefaultConfiguration.policyFile, terminator: "")
    }
}
