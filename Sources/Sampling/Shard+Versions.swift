internal import BasicContainers
internal import OTLP

extension Shard {
    /// Puts a version in force, from now on, for traces that begin from now on. Traces that have begun keep theirs.
    ///
    /// Does nothing but take `tuning` over if the version, or a newer one, is in force already.
    package mutating func install(_ version: PolicyVersion, tuning: ShardSettings.Tuning? = nil) {
        if let tuning { self.tuning = tuning }
        _ = place(of: version)
    }

    /// The version in force.
    package var currentVersion: PolicyVersion { versions[0].version }

    /// The versions that traces are judged by, that in force first.
    package var versionsInUse: [VersionUse] {
        versions.indices.map { VersionUse(number: versions[$0].version.number, traces: versions[$0].traces) }
    }

    /// The content hash of a version that traces are judged by; 0 if there is none of that number.
    package func contentHash(ofVersion number: UInt16) -> UInt64 {
        for place in versions.indices where versions[place].number == number { return versions[place].version.contentHash }
        return 0
    }

    /// The number of a version with this content that is in force or in use; nil if there is none.
    package func number(ofVersionWithHash hash: UInt64) -> UInt16? {
        for place in versions.indices where versions[place].version.contentHash == hash { return versions[place].number }
        return nil
    }

    /// How often the policies of the version in force gave each verdict since the last `takeVerdicts`.
    package var tally: PolicyTally { versions[0].tally }

    /// What all versions counted since the last call.
    package mutating func takeVerdicts() -> [CountedVerdicts] {
        var all = retired
        retired = []
        for place in versions.indices { all.append(versions[place].take()) }
        return all
    }

    /// Where a version stands in `versions`. One that is newer than that in force comes into force: another worker learned of it
    /// first. One that is gone already comes back for the traces that begin with this request.
    mutating func place(of version: PolicyVersion) -> Int {
        for place in versions.indices where versions[place].version === version { return place }
        let known = ShardVersion(version, capacity: table.capacity)
        table.reserveSide(version.policies.sideLayout.count)
        guard version.isNewer(than: versions[0].version) else {
            versions.append(known)
            return versions.count - 1
        }
        versions.insert(known, at: 0)
        if versions[1].traces == 0 { retire(1) }
        return 0
    }

    /// Where the version with this number stands; a trace's version is always there.
    @inline(__always)
    func place(ofNumber number: UInt16) -> Int {
        if versions[0].number == number { return 0 }
        for place in versions.indices where versions[place].number == number { return place }
        preconditionFailure("a version lives as long as its traces")
    }

    /// A trace leaves the table.
    @inline(__always)
    mutating func releaseVersion(_ number: UInt16) {
        let place = place(ofNumber: number)
        versions[place].traces -= 1
        if place > 0 && versions[place].traces == 0 { retire(place) }
    }

    /// The request is done. An older version that came back with it goes again if no trace began under it.
    mutating func endRequest() {
        foreign.forget()
        guard versions.count > 1 else { return }
        for place in (1..<versions.count).reversed() where versions[place].traces == 0 { retire(place) }
    }

    private mutating func retire(_ place: Int) {
        retired.append(versions[place].take())
        _ = versions.remove(at: place)
    }

    /// Takes a span into account whose trace is judged by another version than the one its bits were computed with.
    @inline(never)
    mutating func addForeign(
        _ entry: Int, _ position: Int, _ record: SpanRecord, _ location: RecordLocation, body: Span<UInt8>, _ arrived: [SpanRecord]
    ) {
        let place = place(ofNumber: table[entry].policyVersion)
        let own = foreign.indexes(of: versions[place].version, body: body, arrived)
        // Both walks follow the same rules; if they ever did not, the span would count without conditions.
        var live = record
        live.predicates = 0
        if position < own.live.records.count { live = own.live.records[position] }
        if log != nil && live.predicates & ~table[entry].predicates != 0 {
            noteEvidence(entry, word: 0, live.predicates & ~table[entry].predicates, location)
        }
        let layout = versions[place].version.policies.sideLayout
        if layout.count > 0 { addSide(entry, position, live, own.live, layout, location) }
        table[entry].add(live)
        if let shadow = own.shadow, position < shadow.records.count {
            versions[place].shadow?.add(position, of: shadow, request: requestNumber, to: entry)
        }
    }
}

/// The request at hand as other versions than its own see it, made when first asked for.
struct ForeignBits {
    struct Indexes {
        var number: UInt16
        var live: RequestIndex
        var shadow: RequestIndex?
    }

    var keys = HashKeys(0, 0)
    /// The time of the request at hand.
    var unixNanoseconds: Int64 = 0
    private var known: [Indexes] = []

    /// The request is done.
    mutating func forget() { if !known.isEmpty { known = [] } }

    /// The request with the version's bits, of the records that arrived here; without any where they can't be found again.
    mutating func indexes(of version: PolicyVersion, body: Span<UInt8>, _ arrived: [SpanRecord]) -> Indexes {
        if let last = known.first(where: { $0.number == version.number }) { return last }
        let made = walk(body, version, arrived)
        known.append(made)
        return made
    }

    private func walk(_ body: Span<UInt8>, _ version: PolicyVersion, _ arrived: [SpanRecord]) -> Indexes {
        var index = RequestIndex()
        let nothing = Indexes(number: version.number, live: RequestIndex(), shadow: nil)
        guard (try? RequestWalker(keys: keys, interest: version.interest).walk(body, into: &index)) != nil else { return nothing }
        Shard.leaveOutOversized(&index)
        index.keepThose(of: arrived)
        guard index.records.count == arrived.count else { return nothing }
        let shadow = version.evaluatePredicates(&index, body: body, unixNanoseconds: unixNanoseconds)
        return Indexes(number: version.number, live: index, shadow: shadow)
    }
}
