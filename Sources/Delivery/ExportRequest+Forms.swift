internal import Synchronization

/// A request's bytes in the coding in which they go out.
package struct EncodedForm: Sendable, Equatable {
    /// `.identity` where the coding that was asked for does not make the message smaller.
    package let coding: Coding
    package let bytes: [UInt8]

    package init(coding: Coding, bytes: [UInt8]) {
        self.coding = coding
        self.bytes = bytes
    }
}

extension ExportRequest {
    /// What of a request changes.
    struct Shared {
        var holders: [QueueCharge] = []
        var gzip = Form.none
        /// Uses of the form that have begun and not ended.
        var users = 0
        var nextWaiter: UInt64 = 1
        var waiters: [(number: UInt64, call: @Sendable (EncodedForm) -> Void)] = []

        var formBytes: Int {
            guard case .made(let bytes) = gzip else { return 0 }
            return allocatedBytes(of: bytes)
        }
    }

    /// Life of a coded form: none -> (being made) -> made, or not worth it; and from made back to none when it is let go.
    enum Form {
        case none
        case beingMade
        case made([UInt8])
        /// It was made, and is not smaller than the message.
        case useless
    }

    /// What `use` found.
    package enum Use: Sendable {
        /// It is here. `endUse` must follow when the attempt is over.
        case ready(EncodedForm)
        /// Nobody makes it yet: the caller has to see that `make` is called, on a thread that may be busy for long. The form
        /// comes by the call given to `use`, as for `.waiting`. `number` is for `withdraw`.
        case make(number: UInt64)
        /// Somebody makes it.
        case waiting(number: UInt64)
    }

    /// Begins a use of the request in a coding.
    ///
    /// - Parameter done: if the form is not here: called with it, once, on the thread that makes it. `endUse` must follow then,
    ///   too. Not called when the use is withdrawn before.
    /// - Complexity: O(1); a few instructions under the request's lock.
    package func use(_ coding: Coding, _ done: @escaping @Sendable (EncodedForm) -> Void) -> Use {
        guard coding != .identity else { return .ready(EncodedForm(coding: .identity, bytes: identity)) }
        return shared.withLock { shared in
            switch shared.gzip {
            case .made(let bytes):
                shared.users += 1
                return .ready(EncodedForm(coding: coding, bytes: bytes))
            case .useless: return .ready(EncodedForm(coding: .identity, bytes: identity))
            case .none, .beingMade:
                let number = shared.nextWaiter
                shared.nextWaiter += 1
                shared.waiters.append((number, done))
                if case .beingMade = shared.gzip { return .waiting(number: number) }
                shared.gzip = .beingMade
                return .make(number: number)
            }
        }
    }

    /// Nobody waits for the form under this number any more. A form that nobody waits for is not made.
    package func withdraw(number: UInt64) {
        shared.withLock { shared in shared.waiters.removeAll { $0.number == number } }
    }

    /// Makes the form that `use` asked for, unless nobody wants it any more, and calls whoever waits for it. On any thread.
    ///
    /// - Parameter encode: the message in its coding. An array with no more room than it needs.
    package func make(_ encode: (Span<UInt8>) -> [UInt8]) {
        let isWanted = shared.withLock { shared in
            if shared.waiters.isEmpty { shared.gzip = .none }
            return !shared.waiters.isEmpty
        }
        guard isWanted else { return }
        let message = identity
        let bytes = encode(message.span)
        let isSmaller = bytes.count < message.count
        let waiters = shared.withLock { shared in
            let waiters = shared.waiters
            shared.waiters = []
            if isSmaller {
                shared.gzip = .made(bytes)
                shared.users += waiters.count
                for holder in shared.holders { holder.add(shared.formBytes) }
            } else {
                shared.gzip = .useless
            }
            return waiters
        }
        let form = isSmaller ? EncodedForm(coding: .gzip, bytes: bytes) : EncodedForm(coding: .identity, bytes: message)
        for waiter in waiters { waiter.call(form) }
    }

    /// An attempt that `use` gave a form to is over. The form stays for the next attempt and the other destinations, unless a
    /// queue that holds the request has more than its share: then it goes, and is made again when it is needed.
    package func endUse(of form: EncodedForm) {
        guard form.coding != .identity else { return }
        shared.withLock { shared in
            shared.users -= 1
            guard shared.users == 0, shared.holders.contains(where: { $0.isExceeded }) else { return }
            let bytes = shared.formBytes
            for holder in shared.holders { holder.add(-bytes) }
            shared.gzip = .none
        }
    }

    /// Bytes of the coded form; 0 while there is none.
    package var formBytes: Int { shared.withLock { $0.formBytes } }
}
