internal import ArgumentParser
internal import Foundation
internal import NativeCore
internal import ReportText

struct PolicyRecordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Take a sample of whole traces from a running node, for `policy plan`.",
        discussion: """
            Traces that are kept and traces that are not, as OTLP JSON lines on standard output or in a file. The node bounds the \
            sample in bytes and takes a share of the traces if it has to; nothing that it exports changes.

            tailgate policy record --from http://gateway:8888 --seconds 60 > sample.jsonl
            """)

    @OptionGroup var admin: AdminOptions

    @Option(help: "How long to record, seconds. Traces are written when they are decided.")
    var seconds = 30

    @Option(help: "The sample may have this many bytes; if more comes, a share of the traces is taken. Default: 16 MiB, the node's.")
    var maxBytes: Int?

    @Option(name: .shortAndLong, help: "Write to this file instead of standard output.")
    var output: String?

    func validate() throws {
        if !(1...3600).contains(seconds) { throw ValidationError("--seconds must be 1 ... 3600") }
        if let maxBytes, !(1024...(1 << 30)).contains(maxBytes) { throw ValidationError("--max-bytes must be 1024 ... 1073741824") }
    }

    func run() async throws {
        // The node is silent until the first traces are decided.
        let client = try admin.client(patience: Int64(seconds) + 120)
        let target = try RecordingTarget(output)
        let isShown = Terminal.isTerminal(STDERR_FILENO)
        var bytes = 0
        var lines = 0
        var refusal: [UInt8] = []
        do {
            let answer = try await client.get("/v1/record?seconds=\(seconds)\(maxBytes.map { "&max_bytes=\($0)" } ?? "")") { answer, piece in
                guard answer.status == 200 else {
                    refusal += piece.prefix(4096 - min(4096, refusal.count))
                    return
                }
                try target.append(piece)
                bytes += piece.count
                lines += piece.count { $0 == 0x0a }
                if isShown { StandardError.write("\r\u{1b}[Krecording: \(Figures.bytes(Double(bytes)))") }
            }
            if isShown { StandardError.write("\r\u{1b}[K") }
            guard answer.status == 200 else {
                throw AdminClientError("the node answers \(answer.status): \(AdminText.of(refusal))")
            }
            try target.commit()
        } catch {
            StandardError.print("tailgate: \(error)")
            if let left = target.abandon(keepsPartial: lines > 0) {
                StandardError.print("What came until then is in \(left) (\(Figures.count(lines, "line"))).")
            }
            throw ExitCodes.unavailable
        }
        StandardError.print("recorded \(Figures.bytes(Double(bytes))) in \(Figures.count(lines, "line"))")
        if lines == 0 { StandardError.print("tailgate: no trace was decided in that time") }
    }
}

/// Where a recording goes: standard output, or a file that is there only when it is whole.
private final class RecordingTarget {
    private let file: FileReplacement?

    /// - Throws: exit code 69, with the reason on standard error, if the file can't be created.
    init(_ output: String?) throws {
        guard let output else {
            if Terminal.isTerminal(STDOUT_FILENO) {
                throw ValidationError("a recording is no text for a terminal; write `> FILE` or --output FILE")
            }
            file = nil
            return
        }
        do throws(FileError) {
            file = try FileReplacement(path: output)
        } catch {
            StandardError.print("tailgate: can't write \(output): \(error.text)")
            throw ExitCodes.unavailable
        }
    }

    func append(_ piece: [UInt8]) throws {
        guard let file else {
            try FileHandle.standardOutput.write(contentsOf: Data(piece))
            return
        }
        do {
            try file.append(piece.span)
        } catch {
            throw AdminClientError("can't write \(file.path): \(error.text)")
        }
    }

    func commit() throws {
        guard let file else { return }
        do {
            try file.commit()
        } catch {
            throw AdminClientError("can't write \(file.path): \(error.text)")
        }
    }

    /// - Returns: the file with what came, if it is kept.
    func abandon(keepsPartial: Bool) -> String? {
        guard let file else { return nil }
        file.abandon(keepsPartial: keepsPartial)
        return keepsPartial ? file.partialPath : nil
    }
}

/// What a node says when it refuses, on one line.
enum AdminText {
    static func of(_ body: [UInt8]) -> String {
        let text = String(decoding: body.prefix(500), as: UTF8.self)
        if let object = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any], let message = object["error"] as? String {
            return message
        }
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
