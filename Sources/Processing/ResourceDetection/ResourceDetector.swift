internal import ConfigTree

/// What a detector has found.
struct DetectedResource: Sendable {
    /// Payloads of AnyValues by key, in order; keys are unique.
    var attributes: [(key: String, value: [UInt8])] = []
    var schemaURL = ""

    /// Adds an attribute, or replaces one.
    mutating func set(_ key: String, _ value: [UInt8]) {
        if let place = attributes.firstIndex(where: { $0.key == key }) {
            attributes[place].value = value
        } else {
            attributes.append((key, value))
        }
    }

    /// Adds what this one lacks.
    mutating func merge(_ other: DetectedResource) {
        for attribute in other.attributes where !attributes.contains(where: { $0.key == attribute.key }) {
            attributes.append(attribute)
        }
        if schemaURL.isEmpty { schemaURL = other.schemaURL }
    }
}

/// Why a detector has found nothing; the node does not start then.
struct DetectionError: Error, Equatable {
    let message: String
}

/// A source of resource attributes.
///
/// To add one: a type that conforms, and a line in `DetectorCatalog`.
protocol ResourceDetector: Sendable {
    /// As in `detectors`, and the key of the detector's own block.
    static var name: String { get }
    /// The keys of its block.
    static var fields: [ProcessorField] { get }

    /// - Parameter block: its own; empty if it is not written.
    init(_ block: inout ConfigReader)

    /// Says what has to be gathered for it.
    func need(_ needs: inout DetectionNeeds)

    func detect(_ environment: DetectionEnvironment) throws(DetectionError) -> DetectedResource
}

/// Every detector there is, and those that the Collector has besides.
enum DetectorCatalog {
    static let types: [any ResourceDetector.Type] = [EnvironmentDetector.self, SystemDetector.self, DockerDetector.self]

    static func type(named name: String) -> (any ResourceDetector.Type)? { types.first { $0.name == name } }

    /// Detectors of the Collector that ask a cloud or an orchestrator.
    static let foreign: Set<String> = [
        "akamai", "alibaba_ecs", "aks", "azure", "consul", "digitalocean", "dynatrace", "ec2", "ecs", "eks",
        "elastic_beanstalk",
        "elasticbeanstalk", "gcp", "gce", "gke", "heroku", "hetzner", "ibmcloud_classic", "ibmcloud_vpc", "k8s_api", "k8snode",
        "kubeadm", "lambda", "nova", "openshift", "openstack_nova", "oraclecloud", "scaleway", "tencent_cvm", "upcloud",
        "vultr",
    ]

    /// What to do without them.
    static let foreignAdvice =
        "write what it would find into OTEL_RESOURCE_ATTRIBUTES, by the deployment or from the instance's metadata, and use `env`; or let the agents beside the applications detect it"

    /// The block of a detector that chooses its attributes.
    static func resourceAttributes(_ attributes: [(name: String, isOn: Bool)]) -> ProcessorField {
        ProcessorField(
            "resource_attributes",
            .map(
                attributes.map { attribute in
                    ProcessorField(
                        attribute.name,
                        .map([
                            ProcessorField("enabled", .boolean, default: "\(attribute.isOn)", "Whether the attribute is set.")
                        ]), "The attribute `\(attribute.name)`.")
                }), "Which attributes are set.")
    }

    /// Reads which attributes are on.
    static func enabled(_ block: inout ConfigReader, _ attributes: [(name: String, isOn: Bool)]) -> Set<String> {
        var enabled = Set(attributes.filter(\.isOn).map(\.name))
        guard var choices = block.map("resource_attributes") else { return enabled }
        for attribute in attributes {
            guard var choice = choices.map(attribute.name) else { continue }
            if choice.bool("enabled", default: attribute.isOn) {
                enabled.insert(attribute.name)
            } else {
                enabled.remove(attribute.name)
            }
            choice.finish()
        }
        choices.finish()
        return enabled
    }
}
