import Glibc
import NativeCore
import Testing

@Suite struct RegularFileTests {
    private func problem(_ path: String, limit: Int = 100) -> String? {
        do throws(FileReadError) {
            _ = try RegularFile(path: path, limit: limit)
            return nil
        } catch {
            return error.text
        }
    }

    @Test func filesAreReadWhole() throws {
        let folder = TemporaryFolder()
        let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let path = folder.file("a", content)
        let file = try RegularFile(path: path, limit: content.count)
        #expect(file.bytes == content)
        #expect(try file.stamp == FileStamp(path: path))
        #expect(problem(path, limit: content.count - 1) == "it is larger than 199999 bytes; that is the limit")
        #expect(problem(path, limit: 64 << 10) == "it is larger than 64 KiB; that is the limit")
        #expect(try RegularFile.read(folder.file("empty", []), limit: 0) == [])
    }

    /// Whatever stands there in place of a file: an answer at once, and nothing is opened.
    @Test(.timeLimit(.minutes(1))) func whatIsNoRegularFile() throws {
        let folder = TemporaryFolder()
        let pipe = folder.file("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(problem(pipe) == "it is a pipe, and a regular file is expected")
        #expect(problem(folder.path) == "it is a directory")
        #expect(problem("/dev/zero") == "it is a device, and a regular file is expected")
        #expect(problem(folder.file("none")) == "there is no such file")
        #expect(problem(folder.file("a", [1]) + "\0b") == "there is no such file")
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = folder.file("socket")
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.utf8) }
        let bound = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(bound == 0 && problem(name) == "it is a socket, and a regular file is expected")
        symlink("circle", folder.file("circle"))
        #expect(problem(folder.file("circle")) == "its symbolic links lead in a circle")
        symlink("pipe", folder.file("link"))
        #expect(problem(folder.file("link")) == "it is a pipe, and a regular file is expected")
        // A pipe's writer, who waits for a reader, did not see us come and go.
        #expect(open(pipe, O_WRONLY | O_NONBLOCK) == -1 && errno == ENXIO)
    }

    /// As Kubernetes mounts a ConfigMap: the file is a link into a folder that is a link.
    @Test func linksToFilesAreFollowed() throws {
        let folder = TemporaryFolder()
        _ = folder.file("real", Array("text".utf8))
        symlink(folder.path, folder.file("data"))
        symlink("data/real", folder.file("file"))
        #expect(try RegularFile.read(folder.file("file"), limit: 10) == Array("text".utf8))
    }

    /// Files of the kernel say that they have no bytes.
    @Test func filesWithoutASize() throws {
        #expect(try RegularFile.read("/proc/self/status", limit: 1 << 20).count > 100)
        #expect(problem("/proc/self/status", limit: 10) == "it is larger than 10 bytes; that is the limit")
    }

    @Test func piecesEndWhereTheFileEndedWhenItWasOpened() throws {
        let folder = TemporaryFolder()
        let path = folder.file("a", Array("0123456789".utf8))
        let reader = try FileReader(path: path)
        #expect(reader.size == 10)
        #expect(try reader.next(4) == Array("0123".utf8))
        let more = try AppendFile(path: path, truncates: false)
        try more.append(Array("more\n".utf8).span)
        #expect(try reader.next(100) == Array("456789".utf8))
        #expect(try reader.next(100) == [] && reader.position == 10)
    }
}

@Suite struct FileReplacementTests {
    @Test func theOldFileStaysUntilTheNewOneIsWhole() throws {
        let folder = TemporaryFolder()
        let path = folder.file("a", Array("old".utf8))
        chmod(path, 0o640)
        let file = try FileReplacement(path: path)
        try file.append(Array("new".utf8).span)
        #expect(readFile(path) == Array("old".utf8) && readFile(file.partialPath) == Array("new".utf8))
        try file.commit()
        #expect(readFile(path) == Array("new".utf8) && folder.names == ["a"])
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640)
    }

    @Test func whatIsGivenUpLeavesNothing() throws {
        let folder = TemporaryFolder()
        let path = folder.file("a", Array("old".utf8))
        do {
            let file = try FileReplacement(path: path)
            try file.append([1].span)
        }
        #expect(folder.names == ["a"] && readFile(path) == Array("old".utf8))
        let kept = try FileReplacement(path: path)
        try kept.append([1].span)
        kept.abandon(keepsPartial: true)
        #expect(readFile(kept.partialPath) == [1])
        #expect(folder.names.count == 2)
    }

    @Test func linksStay() throws {
        let folder = TemporaryFolder()
        let path = folder.file("real", Array("old".utf8))
        symlink("real", folder.file("link"))
        try FileReplacement.write(Array("new".utf8).span, to: folder.file("link"))
        #expect(readFile(path) == Array("new".utf8) && folder.names == ["link", "real"])
    }

    @Test func errorsAreTold() throws {
        let folder = TemporaryFolder()
        #expect(throws: FileError(code: ENOENT)) { try FileReplacement.write([1].span, to: folder.file("none") + "/a") }
        #expect(throws: FileError(code: EISDIR)) { try FileReplacement.write([1].span, to: folder.path) }
        #expect(throws: FileError(code: ENOSPC)) { try FileReplacement.write([1].span, to: "/dev/full") }
        let pipe = folder.file("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(throws: FileError(code: ENXIO)) { try FileReplacement.write([1].span, to: pipe) }
        try FileReplacement.write([1].span, to: "/dev/null")
    }
}
