import ArgumentParser

@main struct Tailgate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(subcommands: [LoadCommand.self, SinkCommand.self])
}
