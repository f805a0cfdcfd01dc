internal import ArgumentParser
internal import Foundation
internal import OTLP
internal import PolicyTools

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Ask a running node what became of a trace, and why.",
        discussion: """
            Kept, not kept or still undecided; how much of it was seen and when; what every policy said, and the span that made it \
            say so. Also for traces that were not kept, as far back as the node remembers.

            tailgate explain 4bf92f3577b34da6a3ce929d0e0e4736 --admin http://gateway:8888

            Exit code 0 if the node knows the trace, 1 if not, 69 if it can't be asked.
            """)

    @Argument(help: "The trace's id: 32 hexadecimal digits, or a W3C traceparent.")
    var trace: String

    @OptionGroup var admin: AdminOptions

    @Flag(help: "Print the node's answer as JSON.")
    var json = false

    private var id: TraceID? {
        if let id = TraceID(hex: trace) { return id }
        let parts = trace.split(separator: "-")
        if parts.count == 4, parts[0].count == 2 { return TraceID(hex: String(parts[1])) }
        return TraceID(hex: trace.filter { $0 != "-" })
    }

    func validate() throws {
        if id == nil { throw ValidationError("a trace id has 32 hexadecimal digits") }
    }

    func run() async throws {
        guard let id else { return }
        let explanation: TraceExplanation
        let body: [UInt8]
        do {
            let client = try admin.client()
            let found = try await client.get("/v1/traces/\(id)")
            body = found.body
            guard let decoded = try? JSONDecoder().decode(TraceExplanation.self, from: Data(body)) else {
                let isAnswer = found.answer.status == 200
                throw AdminClientError(
                    isAnswer
                        ? "the answer of \(client.address.shown) is no explanation of a trace"
                        : "the node answers \(found.answer.status): \(AdminText.of(body))")
            }
            explanation = decoded
        } catch {
            StandardError.print("tailgate: \(error)")
            throw ExitCodes.unavailable
        }
        if json {
            print(String(decoding: body, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
        } else {
            print(explanation.text(Terminal.output), terminator: "")
        }
        if explanation.state == "unknown" { throw ExitCode(1) }
    }
}
