package import ConfigTree
internal import OTLP

/// `resourcedetection`: adds what is known of the host to every resource.
package struct ResourceDetectionProcessor: ProcessorType {
    package static let typeNames = ["resource_detection", "resourcedetection"]

    package static var schema: ProcessorSchema {
        ProcessorSchema(
            "Adds attributes of the environment and the host to every resource.", stability: .beta,
            signals: [.traces, .metrics, .logs],
            fields: [
                ProcessorField(
                    "detectors", .textList, default: "[env]",
                    "Who is asked; of several that know an attribute, the first one counts.",
                    allowed: DetectorCatalog.types.map { $0.name }),
                ProcessorField(
                    "override", .boolean, default: "true",
                    "Whether a detected attribute replaces one that came with the data. A gateway wants `false`."),
                ProcessorField("timeout", .duration, default: "5s", "How long the start waits for detectors that ask others."),
                ProcessorField(
                    "refresh_interval", .duration, default: "0s", "Without effect: detectors are asked once, at start."),
                ProcessorField("attributes", .textList, "Only these attributes are added; all, if the list is empty."),
            ]
                + DetectorCatalog.types.filter { !$0.fields.isEmpty }.map {
                    ProcessorField($0.name, .map($0.fields), "Settings of the detector `\($0.name)`.")
                },
            notes: "A detector that fails stops the start, as in the Collector. Those that ask a cloud are not here: use `env`."
        )
    }

    private let stage: ResourceDetectionStage

    package init?(_ block: inout ConfigReader, _ builder: inout ProcessorBuilder) {
        let override = block.bool("override", default: true)
        builder.needs.timeout = block.duration("timeout", default: 5_000_000_000, in: 0...Int64.max)
        if block.duration("refresh_interval", default: 0, in: 0...Int64.max) != 0 {
            block.warning("detectors are asked once, at start; this has no effect", key: "refresh_interval")
        }
        let wanted = Set(block.strings("attributes"))
        let detectors = Self.detectors(&block)
        for detector in detectors { detector.detector.need(&builder.needs) }
        guard !block.problems.hasErrors, !detectors.isEmpty else { return nil }
        var found = DetectedResource()
        if let environment = builder.environment {
            for detector in detectors {
                do throws(DetectionError) {
                    found.merge(try detector.detector.detect(environment))
                } catch {
                    block.problems.error(
                        "the detector `\(detector.name.text)` has failed: \(error.message)", at: detector.name.position,
                        keyPath: detector.name.keyPath)
                }
            }
            guard !block.problems.hasErrors else { return nil }
        }
        if !wanted.isEmpty { found.attributes.removeAll { !wanted.contains($0.key) } }
        stage = ResourceDetectionStage(found, override: override)
    }

    package var stages: [ProcessorStage] { stage.isEmpty ? [] : [.groups(stage)] }

    /// Reads `detectors` and the blocks of all of them.
    private static func detectors(
        _ block: inout ConfigReader
    ) -> [(name: PlacedText, detector: any ResourceDetector)] {
        let position = block.position
        let path = block.path(of: "detectors")
        var names = block.placedStrings("detectors")
        if names.isEmpty {
            if block.has("detectors") {
                block.error("the list is empty: write at least one detector, such as `env`", key: "detectors")
            } else {
                names = [PlacedText(text: EnvironmentDetector.name, position: position, keyPath: path)]
            }
        }
        var made: [String: any ResourceDetector] = [:]
        for type in DetectorCatalog.types {
            var own =
                block.map(type.name)
                ?? ConfigReader(
                    ConfigNode(.null, at: position), keyPath: block.path(of: type.name), problems: block.problems)
            if block.has(type.name), !names.contains(where: { $0.text == type.name }) {
                block.warning("the detector `\(type.name)` is not in `detectors`, so this has no effect", key: type.name)
            }
            made[type.name] = type.init(&own)
            own.finish()
        }
        for name in DetectorCatalog.foreign.sorted() where block.has(name) {
            _ = block.node(name)
            if !names.contains(where: { $0.text == name }) {
                block.warning(
                    "the detector `\(name)` is not in Tailgate, and not in `detectors`: this has no effect", key: name)
            }
        }
        return names.compactMap { name in
            if let detector = made[name.text] { return (name, detector) }
            let known = DetectorCatalog.types.map { $0.name }
            let message: String
            if DetectorCatalog.foreign.contains(name.text) {
                message = "the detector `\(name.text)` is not in Tailgate: \(DetectorCatalog.foreignAdvice)"
            } else {
                let hint = nearestName(to: name.text, among: known).map { "did you mean `\($0)`? " } ?? ""
                message = "unknown detector `\(clipped(name.text))`; \(hint)known: \(known.joined(separator: ", "))"
            }
            block.problems.error(message, at: name.position, keyPath: name.keyPath)
            return nil
        }
    }
}

/// Adds what was detected to every resource.
struct ResourceDetectionStage: GroupStage {
    private let attributes: [(key: [UInt8], value: [UInt8])]
    private let schemaURL: String
    private let override: Bool

    init(_ found: DetectedResource, override: Bool) {
        attributes = found.attributes.map { (Array($0.key.utf8), $0.value) }
        schemaURL = found.schemaURL
        self.override = override
    }

    var isEmpty: Bool { attributes.isEmpty && schemaURL.isEmpty }
    var editsResources: Bool { true }

    func edit(resource: inout MessageDraft, _ run: inout StageRun) -> StageVerdict {
        for attribute in attributes {
            if let place = resource.attribute(attribute.key) {
                if override { resource.set(at: place, attribute.value) }
            } else {
                resource.append(attribute: attribute.key, attribute.value)
            }
        }
        resource.setSchemaURLIfEmpty(schemaURL)
        return .keep
    }
}
