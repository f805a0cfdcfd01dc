/// A file of lines that is only ever appended to, and that stays readable line by line whatever goes wrong.
///
/// A line that was appended without an error is whole in the file. Where a write fails in the middle (full disk, size limit, broken
/// medium), what it left is cut off again; where that can't be done, for a pipe or a file that somebody else has appended to, the
/// next line begins with a line feed, so that it costs one line that nobody was promised. Calls block, for a pipe that nobody empties
/// for `patience` at most: use it from a thread of its own, one call at a time.
package final class AppendFile: @unchecked Sendable {
    /// What a failed append left behind.
    package struct Failure: Error, Sendable, Equatable {
        package var error: FileError
        /// Whether a part of the line is left in the file, as a line of its own.
        package var leavesTornLine: Bool

        package init(_ error: FileError, leavesTornLine: Bool = false) {
            self.error = error
            self.leavesTornLine = leavesTornLine
        }
    }

    private let target: any AppendTarget
    /// The file ends within a line that is no longer written on.
    private var isTorn = false
    /// Whether the file that was opened ended within a line: of a writer that was killed, or of an editor that leaves out the last
    /// line feed. The rest of that line is not cut off: it may be whole, or somebody else's. It ends where the next line begins.
    package let wasTorn: Bool

    /// Opens or creates a file; with `truncates` an existing one is emptied first. Devices and pipes are taken, too (`/dev/stdout`);
    /// a pipe that nobody reads is refused (ENXIO), and opening never waits.
    package convenience init(path: String, truncates: Bool) throws(FileError) {
        try self.init(target: DescriptorTarget(path: path, truncates: truncates))
    }

    /// - Parameter target: what is written to; tests give one that fails.
    package init(target: any AppendTarget) throws(FileError) {
        self.target = target
        let size = try target.size() ?? 0
        wasTorn = size > 0 ? try target.lastByte() != UInt8(ascii: "\n") : false
        isTorn = wasTorn
    }

    /// Writes all of `line`, which ends with a line feed and has no other.
    package func append(_ line: Span<UInt8>) throws(Failure) {
        guard !line.isEmpty else { return }
        if isTorn {
            // Of a single byte nothing can be left half written.
            do { _ = try target.write([UInt8(ascii: "\n")].span) } catch { throw Failure(error) }
            isTorn = false
        }
        var offset = 0
        let start: Int?
        do { start = try target.size() } catch { throw Failure(error) }
        do throws(FileError) {
            while offset < line.count { offset += try target.write(line.extracting(offset...)) }
        } catch {
            throw Failure(error, leavesTornLine: !takeBack(offset, start))
        }
    }

    /// Cuts off what a failed append has written.
    /// - Returns: whether the file ends with a whole line again.
    private func takeBack(_ written: Int, _ start: Int?) -> Bool {
        guard written > 0 else { return true }
        do throws(FileError) {
            // Another writer's line may stand behind ours.
            if let start, try target.size() == start + written {
                try target.truncate(to: start)
                return true
            }
        } catch {}
        isTorn = true
        return false
    }
}
