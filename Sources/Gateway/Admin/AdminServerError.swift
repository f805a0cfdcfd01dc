/// Why an admin listener could not be opened.
package struct AdminServerError: Error, Equatable, CustomStringConvertible {
    package enum Reason: Sendable, Equatable {
        /// Another program listens there.
        case portInUse
        /// Ports below 1024 need a privilege.
        case notPermitted
        /// The address is none of this machine's.
        case notLocal
        /// Anything else (the host cannot be resolved, no descriptors left), in the system's words.
        case other(String)
    }

    package let host: String
    package let port: Int
    package let reason: Reason

    package var description: String {
        let why =
            switch reason {
            case .portInUse: "the port is in use by another program"
            case .notPermitted: "not permitted (ports below 1024 need a privilege)"
            case .notLocal: "no such address on this machine"
            case .other(let text): text
            }
        return "cannot listen on \(host):\(port): \(why)"
    }
}
