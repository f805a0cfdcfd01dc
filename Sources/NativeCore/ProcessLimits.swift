internal import CShims
internal import Glibc

/// Limits of this process.
package enum ProcessLimits {
    /// Every connection is a file descriptor: takes as many as the system allows this process.
    package static func raiseOpenFiles() {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(resource, &limit)
    }

    /// Lets go of the code that only start-up needed, about half of what a fresh process holds: it stays in the page cache, and
    /// what is called again comes back by itself.
    package static func releaseStartupCode() { tg_release_code_pages() }
}
