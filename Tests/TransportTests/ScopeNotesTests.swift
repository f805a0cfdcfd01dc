import Testing

@testable import Transport

@Suite struct ScopeNotesTests {
    /// Scopes that are large and all different, as anybody may send them: what is remembered of them stays small.
    @Test func headersAreBoundedInBytes() {
        var notes = ScopeNotes()
        let note = ScopeNote(policy: "errors", compositePolicy: nil)
        var most = 0
        for number in 0..<300 as Range<UInt64> {
            let size = [100, 60_000, 200_000, 500_000][Int(number % 4)]
            let scope = [UInt8](repeating: 0x0a, count: 1) + [0x80 | UInt8(size & 127), UInt8(size >> 7 & 127) | 0x80, UInt8(size >> 14)]
                + [UInt8](repeating: 0, count: size)
            let noted = notes.header(scope.span, group: number, note)
            #expect(noted.header.count > size)
            most = max(most, notes.knownBytes)
        }
        #expect(most > 100_000 && most <= ScopeNotes.maximumBytes)
    }
}
