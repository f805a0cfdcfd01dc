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

/// ThreadSanitizer brings an allocator of its own; its runs switch jemalloc's thread off with this variable.
let isUnderForeignAllocator: Bool = {
    guard let value = getenv("MALLOC_CONF") else { return false }
    return strstr(value, "background_thread:false") != nil
}()
