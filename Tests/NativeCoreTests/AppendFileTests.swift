import Glibc
import NativeCore
import TestSupport
import Testing

/// A file in memory that does what it is told to, and no more.
private final class FailingTarget: AppendTarget {
    var content: [UInt8]
    /// Bytes that the next writes take at most, or the error that they end with; nothing left: all of them.
    var answers: [Result<Int, FileError>] = []
    var truncates = true
    var isPipe = false
    /// What somebody else appends as soon as a write has failed.
    var others: [UInt8] = []

    init(_ text: String = "") { content = Array(text.utf8) }

    var text: String { String(decoding: content, as: UTF8.self) }

    func size() throws(FileError) -> Int? { isPipe ? nil : content.count }
    func lastByte() throws(FileError) -> UInt8 { content[content.count - 1] }

    func write(_ bytes: Span<UInt8>) throws(FileError) -> Int {
        switch answers.isEmpty ? .success(.max) : answers.removeFirst() {
        case .success(let most):
            let count = min(most, bytes.count)
            for index in 0..<count { content.append(bytes[index]) }
            return count
        case .failure(let error):
            content += others
            others = []
            throw error
        }
    }

    func truncate(to size: Int) throws(FileError) {
        guard truncates else { throw FileError(code: EIO) }
        content.removeSubrange(size...)
    }
}

@Suite struct AppendFileTests {
    private static let full = FileError(code: ENOSPC)

    /// The error, or nil if the line was taken.
    private func failure(_ file: AppendFile, _ line: String) -> AppendFile.Failure? {
        do throws(AppendFile.Failure) {
            try file.append(Array(line.utf8).span)
            return nil
        } catch {
            return error
        }
    }

    @Test func linesAreAppended() throws {
        let folder = TemporaryFolder()
        let path = folder.file("a")
        for line in ["one\n", "", "two\n"] {
            let file = try AppendFile(path: path, truncates: false)
            #expect(!file.wasTorn)
            try file.append(Array(line.utf8).span)
        }
        #expect(readFile(path) == Array("one\ntwo\n".utf8))
        let long = [UInt8](repeating: 0x61, count: 3_000_000) + [0x0a]
        try AppendFile(path: path, truncates: true).append(long.span)
        #expect(readFile(path) == long)
    }

    @Test func whatCannotBeOpened() throws {
        let folder = TemporaryFolder()
        func code(_ path: String) -> Int32? {
            do throws(FileError) {
                _ = try AppendFile(path: path, truncates: false)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(code("/nowhere/at/all") == ENOENT)
        #expect(code("/tmp") == EISDIR)
        #expect(code(folder.file("a") + "\0b") == ENOENT)
        let pipe = folder.file("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(code(pipe) == FileError.noReader)
        #expect(FileError(code: ENOENT).text == "No such file or directory")
    }

    @Test func aDeviceThatIsAlwaysFull() throws {
        let file = try AppendFile(path: "/dev/full", truncates: false)
        #expect(failure(file, "x\n") == .init(Self.full))
    }

    /// A full pipe costs a fraction of a second, not for ever; what was torn ends before the next line.
    @Test func aPipeThatNobodyEmpties() throws {
        let folder = TemporaryFolder()
        let path = folder.file("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        let reader = open(path, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let file = try AppendFile(path: path, truncates: true)
        let line = String(repeating: "a", count: 100_000) + "\n"
        #expect(failure(file, line) == .init(FileError(code: EAGAIN), leavesTornLine: true))
        #expect(failure(file, line) == .init(FileError(code: EAGAIN)))
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        var got: [UInt8] = []
        func empty() {
            while true {
                let count = read(reader, &piece, piece.count)
                if count <= 0 { return }
                got += piece[..<count]
            }
        }
        empty()
        #expect(got.count < line.utf8.count && !got.isEmpty)
        #expect(failure(file, "b\n") == nil)
        empty()
        #expect(got.suffix(3) == [0x0a, 0x62, 0x0a])
        close(reader)
    }

    /// Of a writer that was killed, or of one that leaves out the last line feed.
    @Test func aTornTailEndsWhereTheNextLineBegins() throws {
        let folder = TemporaryFolder()
        let path = folder.file("a", Array("one\ntw".utf8))
        let file = try AppendFile(path: path, truncates: false)
        #expect(file.wasTorn)
        try file.append(Array("three\n".utf8).span)
        try file.append(Array("four\n".utf8).span)
        #expect(readFile(path) == Array("one\ntw\nthree\nfour\n".utf8))
        #expect(try !AppendFile(path: path, truncates: false).wasTorn)
        #expect(try !AppendFile(path: folder.file("b", []), truncates: false).wasTorn)
        #expect(try !AppendFile(path: folder.file("c", [0x61]), truncates: true).wasTorn)
    }

    @Test func aFailedLineIsTakenBack() throws {
        let target = FailingTarget("one\n")
        let file = try AppendFile(target: target)
        target.answers = [.success(2), .success(1), .failure(Self.full)]
        #expect(failure(file, "second\n") == .init(Self.full))
        #expect(target.text == "one\n")
        #expect(failure(file, "second\n") == nil)
        #expect(target.text == "one\nsecond\n")
    }

    @Test func whatCannotBeTakenBackIsALineOfItsOwn() throws {
        for isPipe in [false, true] {
            let target = FailingTarget("one\n")
            target.truncates = false
            target.isPipe = isPipe
            let file = try AppendFile(target: target)
            target.answers = [.success(2), .failure(Self.full), .failure(Self.full)]
            #expect(failure(file, "second\n") == .init(Self.full, leavesTornLine: true))
            // The line feed fails too, and leaves nothing.
            #expect(failure(file, "second\n") == .init(Self.full))
            #expect(failure(file, "second\n") == nil)
            #expect(target.text == "one\nse\nsecond\n")
        }
    }

    /// Two nodes on one file: what the other one wrote meanwhile is not cut off.
    @Test func anothersLineIsNotCutOff() throws {
        let target = FailingTarget("one\n")
        let file = try AppendFile(target: target)
        target.others = Array("theirs\n".utf8)
        target.answers = [.success(2), .failure(Self.full)]
        #expect(failure(file, "second\n") == .init(Self.full, leavesTornLine: true))
        #expect(failure(file, "third\n") == nil)
        #expect(target.text == "one\nsetheirs\n\nthird\n")
    }

    /// Whatever fails, when and how: every line that was taken stands whole in the file, in order, and no part of another one is
    /// joined to it.
    @Test(arguments: 0..<300 as Range<UInt64>) func takenLinesAreReadable(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let isPipe = Bool.random(using: &random)
        let target = FailingTarget(isPipe ? "" : Bool.random(using: &random) ? "old\n" : "torn")
        target.isPipe = isPipe
        var file = try AppendFile(target: target)
        var taken: [String] = []
        for number in 0..<60 {
            target.truncates = Int.random(in: 0..<3, using: &random) > 0
            target.answers = (0..<Int.random(in: 0...4, using: &random)).map { _ in
                Bool.random(using: &random) ? .success(Int.random(in: 1...6, using: &random)) : .failure(FileError(code: EIO))
            }
            let line = "<\(number)>"
            if failure(file, line + "\n") == nil { taken.append(line) }
            target.answers = []
            // A crash: what the file knew of itself is gone. A pipe's reader is another one then.
            if !target.isPipe, Int.random(in: 0..<20, using: &random) == 0 { file = try AppendFile(target: target) }
        }
        // A line of which the line feed alone was missing may stand there without having been taken.
        var whole = target.text.split(separator: "\n")[...]
        for line in taken {
            whole = whole.drop { $0 != line }
            #expect(whole.popFirst() != nil, "\(line) was taken")
        }
        #expect(taken.count > 5)
    }
}
