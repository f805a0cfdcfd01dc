internal import OTLP

/// Several recordings as one, in the order of time: those of the nodes of a cluster, or of one node one after the other.
///
/// Each file is read as it is; between files, the request that begins earliest comes first.
package struct PlanInputs: ~Copyable {
    /// One recording that is open.
    package struct File {
        package var path: String
        /// The next piece of the file; empty at its end.
        package var next: () throws -> [UInt8]

        package init(path: String, next: @escaping () throws -> [UInt8]) {
            self.path = path
            self.next = next
        }
    }

    private final class Source {
        let path: String
        var reader: RecordingReader
        var request: [UInt8] = []
        var time: UInt64 = 0
        var isAtEnd = false
        var requests = 0

        init(_ file: File, _ transcode: @escaping RecordingReader.Transcoder) {
            path = file.path
            reader = RecordingReader(next: file.next, transcode: transcode)
        }

        func advance(_ needsTime: Bool) throws {
            do {
                isAtEnd = try !reader.read(into: &request)
            } catch {
                throw RecordingError("\(path): \(error)")
            }
            guard !isAtEnd else { return }
            requests += 1
            guard needsTime else { return }
            // A request without a time comes with the one before it.
            let bytes = request
            if let start = SpanPeek.firstStart(ofRequest: bytes.span) { time = start }
        }
    }

    private let sources: [Source]
    private var isStarted = false

    package init(_ files: [File], transcode: @escaping RecordingReader.Transcoder) {
        sources = files.map { Source($0, transcode) }
    }

    /// Calls `body` with the next request and the file that it came from. False at the end of all files.
    package mutating func next(_ body: (Span<UInt8>, String) throws -> Void) throws -> Bool {
        let needsTime = sources.count > 1
        if !isStarted {
            isStarted = true
            for source in sources { try source.advance(needsTime) }
        }
        var chosen: Source?
        for source in sources where !source.isAtEnd {
            if let earlier = chosen, earlier.time <= source.time { continue }
            chosen = source
        }
        guard let chosen else { return false }
        // Taken out while it is read, so that its memory can be used again.
        var request: [UInt8] = []
        swap(&request, &chosen.request)
        try body(request.span, chosen.path)
        swap(&request, &chosen.request)
        try chosen.advance(needsTime)
        return true
    }

    /// Files in which no trace was found, and lines that were passed over, in words.
    package var remarks: [String] {
        sources.flatMap { source in
            if source.requests == 0 { return ["\(source.path) holds no traces"] }
            var remarks: [String] = []
            let (skipped, damaged) = (source.reader.skippedLines, source.reader.damagedLines)
            if skipped > 0 { remarks.append("\(source.path): \(skipped) lines of other signals were passed over") }
            if damaged > 0 {
                let lines = damaged == 1 ? "1 damaged line was" : "\(damaged) damaged lines were"
                remarks.append("\(source.path): \(lines) passed over")
            }
            return remarks
        }
    }
}
