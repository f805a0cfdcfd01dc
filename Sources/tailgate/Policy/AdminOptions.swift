internal import ArgumentParser

/// How to reach a node's admin endpoint, for the commands that ask one.
struct AdminOptions: ParsableArguments {
    @Option(name: [.customLong("admin"), .customLong("from")], help: "The node's admin endpoint, such as http://127.0.0.1:8888, or a port of this machine.")
    var admin = "127.0.0.1:8888"

    @Option(name: .customLong("header"), help: "A field to send along: name=value. May be given several times.")
    var headers: [HeaderArgument] = []

    @Option(help: "A bearer token to send along.")
    var token: String?

    func validate() throws {
        if AdminAddress(admin) == nil { throw ValidationError("\(admin) is no admin endpoint; write http://host:port, or host:port") }
    }

    /// - Parameter patience: longest silence of the node, seconds.
    func client(patience: Int64 = 30) throws -> AdminClient {
        guard let address = AdminAddress(admin) else { throw ValidationError("\(admin) is no admin endpoint") }
        var fields = headers.map { ($0.name, $0.value) }
        if let token { fields.append(("Authorization", "Bearer \(token)")) }
        return AdminClient(address: address, headers: fields, patience: patience)
    }
}
