internal import NIOCore
internal import Foundation

/// Puts into words why a port can't be listened on.
enum ListenProblem {
    static func text(_ error: any Error, address: NetworkAddress, of component: String) -> String {
        let start = "\(component): cannot listen on \(address): "
        guard let failure = error as? IOError else { return start + "\(error)" }
        switch failure.errnoCode {
        case EADDRINUSE: return start + "the port is in use by another process; stop it or choose another port"
        case EACCES: return start + "this user may not use the port; ports below 1024 need the right to"
        case EADDRNOTAVAIL: return start + "the address is none of this machine's"
        default: return start + "\(failure)"
        }
    }
}
