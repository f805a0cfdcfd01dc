/// What detectors read: the environment of the process and facts about its host, gathered by whoever can look at them.
package struct DetectionEnvironment: Sendable {
    /// Environment variables.
    package var variables: [String: String]
    package var host: HostFacts
    /// What Docker's daemon says; nil if it did not answer in time.
    package var docker: DockerFacts?

    package init(variables: [String: String] = [:], host: HostFacts = HostFacts(), docker: DockerFacts? = nil) {
        self.variables = variables
        self.host = host
        self.docker = docker
    }
}

/// Which facts have to be gathered before a processor can be built to run.
package struct DetectionNeeds: Sendable, Equatable {
    /// Sources of the host's name that a detector asks, in its order.
    package var hostnameSources: [HostnameSource] = []
    /// Whether anything else of `HostFacts` is needed.
    package var hostDetails = false
    /// Whether Docker has to be asked.
    package var docker = false
    /// How long to wait for answers, nanoseconds.
    package var timeout: Int64 = 0

    package init() {}
}

/// Where the host's name comes from; raw values as in `hostname_sources`.
package enum HostnameSource: String, Sendable, CaseIterable {
    /// The fully qualified name: `/etc/hosts`, then DNS.
    case dns
    /// What the kernel says.
    case os
    /// The canonical name that DNS has for the kernel's.
    case cname
    /// The name that DNS has for the host's address.
    case lookup
}

/// Facts about a Linux host, as its files and system calls give them.
package struct HostFacts: Sendable {
    /// By source; a source that failed is missing.
    package var names: [HostnameSource: String] = [:]
    /// `/etc/machine-id`, or `/var/lib/dbus/machine-id` where that is missing.
    package var machineID = ""
    /// `uname -s`, `-r`, `-v` and `-m`, and the node's name.
    package var kernel = KernelFacts()
    /// The text of `/etc/os-release`.
    package var osRelease = ""
    /// The text of `/proc/cpuinfo`.
    package var cpuInfo = ""
    package var interfaces: [NetworkInterface] = []

    package init() {}
}

/// What `uname` says.
package struct KernelFacts: Sendable {
    package var system = "Linux"
    package var node = ""
    package var release = ""
    package var version = ""
    package var machine = ""

    package init() {}
}

/// A network interface of the host.
package struct NetworkInterface: Sendable {
    package var name: String
    package var isUp: Bool
    package var isLoopback: Bool
    /// Six bytes, or none.
    package var hardwareAddress: [UInt8]
    /// Addresses as text, without prefix lengths.
    package var addresses: [String]

    package init(name: String, isUp: Bool, isLoopback: Bool, hardwareAddress: [UInt8], addresses: [String]) {
        self.name = name
        self.isUp = isUp
        self.isLoopback = isLoopback
        self.hardwareAddress = hardwareAddress
        self.addresses = addresses
    }
}

/// What Docker's daemon says of itself (`GET /info`) and of this container.
package struct DockerFacts: Sendable {
    /// `Name`.
    package var name: String
    /// `OSType`.
    package var osType: String
    /// The container that the process runs in, where it is known.
    package var containerName: String
    package var imageName: String

    package init(name: String, osType: String, containerName: String = "", imageName: String = "") {
        self.name = name
        self.osType = osType
        self.containerName = containerName
        self.imageName = imageName
    }
}
