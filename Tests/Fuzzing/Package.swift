// swift-tools-version: 6.3
import PackageDescription

// Fuzzers of everything that reads bytes from outside. A package of its own, so that the house itself is never built with
// a sanitizer's instrumentation by accident. `Sources` is a link to the house's sources: its modules are built here once
// more, with coverage, and keep seeing each other's `package` declarations. Use ./run.

let house: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableExperimentalFeature("Lifetimes"),
    .strictMemorySafety(),
    .unsafeFlags(["-sanitize=fuzzer"]),
]

/// What feeds the house is not what is to be covered.
let plain: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

let package = Package(
    name: "tailgate-fuzzing",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        .target(
            name: "CShims", path: "Sources/CShims",
            linkerSettings: [
                .linkedLibrary("nghttp2"), .linkedLibrary("z"), .linkedLibrary("jemalloc"), .linkedLibrary("crypt"),
            ]),
        .target(name: "CRE2", path: "Sources/CRE2", linkerSettings: [.linkedLibrary("re2")]),
        .target(name: "NativeCore", dependencies: ["CShims", "CRE2"], path: "Sources/NativeCore", swiftSettings: house),
        .target(name: "OTLP", path: "Sources/OTLP", swiftSettings: house),
        .target(name: "ConfigTree", path: "Sources/ConfigTree", swiftSettings: house),
        .target(name: "ReportText", path: "Sources/ReportText", swiftSettings: house),
        .target(name: "Telemetry", path: "Sources/Telemetry", swiftSettings: house),
        .target(
            name: "OTTL", dependencies: ["NativeCore", "OTLP", "ConfigTree"], path: "Sources/OTTL", swiftSettings: house),
        .target(
            name: "Sampling",
            dependencies: [
                "NativeCore", "OTLP", "ConfigTree", "OTTL", .product(name: "BasicContainers", package: "swift-collections"),
            ],
            path: "Sources/Sampling", swiftSettings: house),
        .target(
            name: "Delivery",
            dependencies: ["OTLP", "Telemetry", .product(name: "DequeModule", package: "swift-collections")],
            path: "Sources/Delivery", swiftSettings: house),
        .target(name: "Cluster", dependencies: ["OTLP"], path: "Sources/Cluster", swiftSettings: house),
        .target(
            name: "Transport",
            dependencies: [
                "NativeCore", "OTLP", "Telemetry", "Sampling", "Delivery", "Cluster",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOTLS", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "Logging", package: "swift-log"),
            ],
            path: "Sources/Transport", swiftSettings: house),
        .target(
            name: "Gateway",
            dependencies: [
                "NativeCore", "OTLP", "ConfigTree", "Telemetry", "Sampling", "Delivery", "Cluster", "Transport",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "Yams", package: "Yams"),
            ],
            path: "Sources/Gateway", swiftSettings: house),
        .target(
            name: "PolicyTools", dependencies: ["NativeCore", "OTLP", "ConfigTree", "ReportText", "Sampling"],
            path: "Sources/PolicyTools", swiftSettings: house),
        .target(name: "CFuzzer", path: "Targets/CFuzzer"),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "NativeCore", "OTLP", "ConfigTree", "Telemetry", "Sampling", "Delivery", "Transport", "Gateway", "PolicyTools",
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Targets/FuzzTargets", swiftSettings: plain),
        .executableTarget(
            name: "Fuzz", dependencies: ["CFuzzer", "FuzzTargets"], path: "Targets/Fuzz",
            swiftSettings: [.swiftLanguageMode(.v6), .enableExperimentalFeature("Lifetimes")]),
    ],
    cxxLanguageStandard: .cxx17
)
