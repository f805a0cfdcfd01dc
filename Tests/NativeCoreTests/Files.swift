import Glibc

/// A file's bytes; empty when it can't be read.
func readFile(_ path: String) -> [UInt8] {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = read(descriptor, &piece, piece.count)
        if count <= 0 { return bytes }
        bytes += piece[..<count]
    }
}

func removeFile(_ path: String) { unlink(path) }

/// A folder that goes with its owner.
final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/tailgate-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    /// What is in it.
    var names: [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    func file(_ name: String, _ content: [UInt8]? = nil) -> String {
        let file = "\(path)/\(name)"
        if let content { write(content, to: file) }
        return file
    }

    private func write(_ content: [UInt8], to file: String) {
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        _ = content.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
    }
}

/// ThreadSanitizer brings an allocator of its own; its runs switch jemalloc's thread off with this variable.
let isUnderForeignAllocator: Bool = {
    guard let value = getenv("MALLOC_CONF") else { return false }
    return strstr(value, "background_thread:false") != nil
}()
