// swift-tools-version: 6.3
import PackageDescription

/// The compiler settings every module of the house shares.
let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    // Exclusive access to class members is checked at run time in debug builds, which run the tests; in a release build the
    // checks would cost 3 % of a span's way.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

/// Tests may use the standard library's unsafe helpers without marking each use.
let houseTests: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
    name: "tailgate",
    products: [
        .executable(name: "tailgate", targets: ["tailgate"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
    ],
    targets: [
        // floor 0
        .target(
            name: "CShims",
            linkerSettings: [
                .linkedLibrary("nghttp2"), .linkedLibrary("z"), .linkedLibrary("jemalloc"), .linkedLibrary("crypt"),
            ]),
        .target(name: "CRE2", linkerSettings: [.linkedLibrary("re2")]),
        // floor 1
        .target(name: "NativeCore", dependencies: ["CShims", "CRE2"], swiftSettings: house),
        .target(name: "OTLP", swiftSettings: house),
        .target(name: "ConfigTree", swiftSettings: house),
        .target(name: "ReportText", swiftSettings: house),
        // floor 2
        .target(name: "Telemetry", swiftSettings: house),
        .target(name: "OTTL", dependencies: ["NativeCore", "OTLP", "ConfigTree"], swiftSettings: house),
        // floor 3
        .target(
            name: "Sampling",
            dependencies: [
                "NativeCore", "OTLP", "ConfigTree", "OTTL",
                .product(name: "BasicContainers", package: "swift-collections"),
            ],
            swiftSettings: house),
        .target(
            name: "Delivery",
            dependencies: [
                "OTLP", "Telemetry",
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: house),
        .target(name: "Cluster", dependencies: ["OTLP"], swiftSettings: house),
        .target(
            name: "Processing", dependencies: ["NativeCore", "OTLP", "ConfigTree", "OTTL", "ReportText"], swiftSettings: house),
        // floor 4
        .target(
            name: "Transport",
            dependencies: [
                "NativeCore", "OTLP", "Telemetry", "Sampling", "Processing", "Delivery", "Cluster",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: house),
        // floor 5
        .target(
            name: "Gateway",
            dependencies: [
                "NativeCore", "OTLP", "ConfigTree", "Telemetry", "OTTL", "Sampling", "Processing", "Delivery", "Cluster", "Transport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: house),
        .target(
            name: "LoadTools",
            dependencies: ["OTLP", "Telemetry", "ReportText", .product(name: "Histogram", package: "hdrhistogram-swift")],
            swiftSettings: house),
        .target(
            name: "PolicyTools", dependencies: ["NativeCore", "OTLP", "ConfigTree", "ReportText", "Sampling"],
            swiftSettings: house),
        // floor 6
        .executableTarget(
            name: "tailgate",
            dependencies: [
                "NativeCore", "OTLP", "ConfigTree", "ReportText", "Telemetry", "Sampling", "Processing", "Delivery", "Cluster", "Transport",
                "Gateway", "LoadTools", "PolicyTools",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: house),
        // benchmarks of single steps: swift run -c release MicroBenchmarks
        .executableTarget(
            name: "MicroBenchmarks",
            dependencies: ["ConfigTree", "OTLP", "OTTL", "Processing", "Sampling", "Delivery", "LoadTools"],
            path: "Benchmarks/Micro", swiftSettings: houseTests),
        // tests
        // what the tests of several modules share: seeded numbers, a protobuf encoder
        .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: house),
        // What the fuzzers run (Tests/Fuzzing, a package of its own), here to replay the inputs that were found.
        .target(
            name: "FuzzTargets",
            dependencies: [
                "NativeCore", "OTLP", "ConfigTree", "Telemetry", "Sampling", "Delivery", "Transport", "Gateway", "PolicyTools",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/Fuzzing/Targets/FuzzTargets", swiftSettings: houseTests),
        .testTarget(name: "FuzzingTests", dependencies: ["FuzzTargets"], swiftSettings: houseTests),
        .testTarget(name: "NativeCoreTests", dependencies: ["TestSupport", "NativeCore"], swiftSettings: houseTests),
        .testTarget(name: "OTLPTests", dependencies: ["TestSupport", "OTLP"], swiftSettings: houseTests),
        .testTarget(name: "ConfigTreeTests", dependencies: ["ConfigTree"], swiftSettings: houseTests),
        .testTarget(name: "TelemetryTests", dependencies: ["TestSupport", "Telemetry"], swiftSettings: houseTests),
        .testTarget(name: "OTTLTests", dependencies: ["TestSupport", "OTTL", "OTLP", "ConfigTree"], swiftSettings: houseTests),
        .testTarget(
            name: "ProcessingTests",
            dependencies: ["TestSupport", "Processing", "NativeCore", "OTLP", "ConfigTree", "ReportText", "Gateway"],
            swiftSettings: houseTests),
        .testTarget(
            name: "SamplingTests", dependencies: ["TestSupport", "Sampling", "OTTL", "NativeCore", "OTLP", "ConfigTree"],
            swiftSettings: houseTests),
        .testTarget(name: "DeliveryTests", dependencies: ["TestSupport", "Delivery", "NativeCore", "OTLP", "Telemetry"], swiftSettings: houseTests),
        .testTarget(name: "ClusterTests", dependencies: ["TestSupport", "Cluster", "OTLP"], swiftSettings: houseTests),
        // a simulated cluster, and thousands of its schedules: swift run -c release simulate
        .target(
            name: "Simulation", dependencies: ["TestSupport", "Cluster", "Sampling", "OTLP", "ConfigTree"], path: "Tests/Simulation",
            swiftSettings: house),
        .executableTarget(
            name: "simulate",
            dependencies: ["Simulation", "OTLP", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Tests/SimulationRunner", swiftSettings: house),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation"], swiftSettings: houseTests),
        .testTarget(
            name: "TransportTests",
            dependencies: [
                "TestSupport", "Transport", "NativeCore", "OTLP", "ConfigTree", "Sampling", "Delivery", "Cluster", "Telemetry",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ], swiftSettings: houseTests),
        .testTarget(
            name: "GatewayTests",
            dependencies: ["TestSupport", "Gateway", "ConfigTree", "Cluster", "Transport", "Telemetry"], swiftSettings: houseTests),
        .testTarget(
            name: "PolicyToolsTests",
            dependencies: ["TestSupport", "PolicyTools", "Gateway", "NativeCore", "OTLP", "ConfigTree", "ReportText", "Sampling"],
            swiftSettings: houseTests),
        .testTarget(
            name: "ToolsTests",
            dependencies: ["LoadTools", "ReportText", "OTLP", "Telemetry", .product(name: "Histogram", package: "hdrhistogram-swift")], swiftSettings: houseTests),
    ],
    cxxLanguageStandard: .cxx17
)

// Under ThreadSanitizer runs what threads share: the tests of these modules. Tests/run builds nothing else for it, which saves a
// third of a build from scratch.
if let wanted = Context.environment["TAILGATE_TEST_TARGETS"]?.split(separator: ",").map(String.init) {
    var needed = Set(wanted)
    while true {
        let more = package.targets.filter { needed.contains($0.name) }.flatMap { target in
            target.dependencies.compactMap { dependency in
                if case .byNameItem(let name, _) = dependency { name } else { nil }
            }
        }
        if needed.isSuperset(of: more) { break }
        needed.formUnion(more)
    }
    package.targets.removeAll { !needed.contains($0.name) }
    package.products = []
}
