internal import NIOCore
internal import Foundation

/// Puts into words why a port can't be listened on.
enum ListenProblem {
    static func text(_ error: any Error, endpoint: ListenEndpoint, of component: String) -> String {
        let start = "\(component): cannot listen on \(endpoint): "
        guard let failure = error as? IOError else { return start + "\(error)" }
        if case .unix = endpoint {
            switch failure.errnoCode {
            case EADDRINUSE: return start + "another process answers there, or the file is no socket; choose another path"
            case EACCES: return start + "this user may not write to the folder"
            case ENOENT: return start + "there is no such folder"
            default: return start + "\(failure)"
            }
        }
        switch failure.errnoCode {
        case EADDRINUSE: return start + "the port is in use by another process; stop it or choose another port"
        case EACCES: return start + "this user may not use the port; ports below 1024 need the right to"
        case EADDRNOTAVAIL: return start + "the address is none of this machine's"
        default: return start + "\(failure)"
        }
    }
}
