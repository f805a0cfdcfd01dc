internal import ConfigTree

/// `docker`: what Docker's daemon says of its host.
struct DockerDetector: ResourceDetector {
    static let name = "docker"

    static let attributes: [(name: String, isOn: Bool)] = [
        ("host.name", true), ("os.type", true), ("container.name", false), ("container.image.name", false),
    ]

    static let fields: [ProcessorField] = [DetectorCatalog.resourceAttributes(attributes)]

    private let enabled: Set<String>

    init(_ block: inout ConfigReader) { enabled = DetectorCatalog.enabled(&block, Self.attributes) }

    func need(_ needs: inout DetectionNeeds) { needs.docker = true }

    func detect(_ environment: DetectionEnvironment) throws(DetectionError) -> DetectedResource {
        guard let docker = environment.docker else {
            throw DetectionError(
                message:
                    "Docker's daemon does not answer; it is asked at DOCKER_HOST, or at /var/run/docker.sock, which a container has to mount"
            )
        }
        var found = DetectedResource(schemaURL: SystemDetector.schemaURL)
        for (key, value) in [
            ("host.name", docker.name), ("os.type", docker.osType), ("container.name", docker.containerName),
            ("container.image.name", docker.imageName),
        ] where enabled.contains(key) && !value.isEmpty {
            found.set(key, AnyValueBytes.text(value))
        }
        return found
    }
}
