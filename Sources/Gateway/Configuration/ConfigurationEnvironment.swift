import Foundation
internal import NativeCore

/// Where configuration text comes from: variables and files. Tests put dictionaries in its place.
package struct ConfigurationEnvironment {
    /// Why a file can't be read, as a clause: "there is no such file".
    package struct Unreadable: Error {
        package var reason: String
        package init(reason: String) { self.reason = reason }
    }

    /// The variable's value, or nil if it is not set.
    package var variable: (_ name: String) -> String?
    /// A file's bytes; files with more than `limit` are refused.
    package var readFile: (_ path: String, _ limit: Int) throws(Unreadable) -> [UInt8]
    /// What `-` means in place of the outermost file: all of standard input. Nil where that can't be: a node reads its files again.
    package var standardInput: ((_ limit: Int) throws(Unreadable) -> [UInt8])?

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
        return ConfigurationEnvironment(
            variable: { variables[$0] },
            readFile: { (path, limit) throws(Unreadable) in
                do throws(FileReadError) {
                    return try RegularFile.read(path, limit: limit)
                } catch {
                    throw Unreadable(reason: error.text)
                }
            })
    }

    /// The same for commands that read once: `-` is standard input.
    package static var command: ConfigurationEnvironment {
        var environment = process
        environment.standardInput = { (limit) throws(Unreadable) in
            do throws(FileReadError) {
                return try FileReader.standardInput().readAll(limit: limit)
            } catch {
                throw Unreadable(reason: error.text)
            }
        }
        return environment
    }
}
