// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let package = Package(
    name: "Benchmarks",
    platforms: [.macOS(.v26)],
    dependencies: [
        .package(name: "swift-cvmfs", path: ".."),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
    ],
    targets: [
        // What a C programmer writes by hand for one job, without our library: the peer beside which we are measured.
        .target(
            name: "CPeer",
            linkerSettings: [
                .linkedLibrary("curl"), .linkedLibrary("deflate"), .linkedLibrary("z"), .linkedLibrary("crypto"),
                .linkedLibrary("sqlite3"),
            ]),
        // Ratios to limits and peers, in one table: what Scripts/bench runs.
        .executableTarget(
            name: "Compare",
            dependencies: [
                "CPeer",
                .product(name: "CASCore", package: "swift-cvmfs"),
                .product(name: "Catalog", package: "swift-cvmfs"),
                .product(name: "CVMFS", package: "swift-cvmfs"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
    ]
)
