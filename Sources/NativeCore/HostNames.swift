internal import Glibc

/// Names of hosts as the system's resolver knows them. Calls block, for as long as `/etc/resolv.conf` allows: not for an event loop.
package enum HostNames {
    /// The canonical name of a host; nil if the resolver does not know it.
    package static func canonicalName(of host: String) -> String? {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_CANONNAME
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, nil, &hints, &found) == 0, let first = unsafe found else { return nil }
        defer { unsafe freeaddrinfo(found) }
        guard let name = unsafe first.pointee.ai_canonname else { return nil }
        return unsafe String(cString: name)
    }

    /// The name that the resolver has for the first address of a host; nil if there is none.
    package static func nameOfAddress(of host: String) -> String? {
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, nil, &hints, &found) == 0, let first = unsafe found else { return nil }
        defer { unsafe freeaddrinfo(found) }
        var name = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        let status = unsafe getnameinfo(
            first.pointee.ai_addr, first.pointee.ai_addrlen, &name, socklen_t(name.count), nil, 0, NI_NAMEREQD)
        guard status == 0 else { return nil }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
