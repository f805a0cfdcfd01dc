import Foundation

/// Where configuration text comes from: variables and files. Tests put dictionaries in its place.
package struct ConfigurationEnvironment {
    /// Why a file can't be read, as a clause: "there is no such file".
    package struct Unreadable: Error {
        package var reason: String
        package init(reason: String) { self.reason = reason }
    }

    /// The variable's value, or nil if it is not set.
    package var variable: (_ name: String) -> String?
    /// The first `limit` bytes of a file; one more than the caller allows tells it that the file is too large.
    package var readFile: (_ path: String, _ limit: Int) throws(Unreadable) -> [UInt8]

    package init(
        variable: @escaping (_ name: String) -> String?,
        readFile: @escaping (_ path: String, _ limit: Int) throws(Unreadable) -> [UInt8]
    ) {
        self.variable = variable
        self.readFile = readFile
    }

    /// The process's variables and the disk.
    package static var process: ConfigurationEnvironment {
        let variables = ProcessInfo.processInfo.environment
        return ConfigurationEnvironment(variable: { variables[$0] }, readFile: readFromDisk)
    }

    private static func readFromDisk(_ path: String, _ limit: Int) throws(Unreadable) -> [UInt8] {
        guard FileManager.default.fileExists(atPath: path) else { throw Unreadable(reason: "there is no such file") }
        // Kubernetes mounts configuration as symbolic links, which attributes don't follow.
        let target = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        let type = try? FileManager.default.attributesOfItem(atPath: target)[.type] as? FileAttributeType
        if type == .typeDirectory { throw Unreadable(reason: "it is a directory") }
        guard FileManager.default.isReadableFile(atPath: path), let handle = FileHandle(forReadingAtPath: path) else {
            throw Unreadable(reason: "this process may not read it")
        }
        defer { try? handle.close() }
        do {
            return [UInt8](try handle.read(upToCount: limit) ?? Data())
        } catch {
            throw Unreadable(reason: "reading it failed: \(error.localizedDescription)")
        }
    }
}
