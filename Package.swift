// swift-tools-version: 6.2
import PackageDescription

// Whoever imports the package gets our warnings as warnings; our own CI turns them into errors.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

/// A shim module over a C library that Debian (apt) and Homebrew package.
func systemLibrary(_ name: String, pkgConfig: String, apt: String, brew: String) -> Target {
    .systemLibrary(
        name: name, path: "Sources/\(name)", pkgConfig: pkgConfig, providers: [.apt([apt]), .brew([brew])])
}

let package = Package(
    name: "swift-cvmfs",
    platforms: [.macOS(.v26)],
    products: [
        .library(name: "CASCore", targets: ["CASCore"]),
        .library(name: "Catalog", targets: ["Catalog"]),
        .library(name: "Transport", targets: ["Transport"]),
        .library(name: "Signing", targets: ["Signing"]),
        .library(name: "CVMFS", targets: ["CVMFS"]),
        .library(name: "Publishing", targets: ["Publishing"]),
        .library(name: "FUSE", targets: ["FUSE"]),
        .library(name: "Provisioner", targets: ["Provisioner"]),
        .library(name: "FUSEMount", targets: ["FUSEMount"]),
        .library(name: "RepositoryServer", targets: ["RepositoryServer"]),
        .library(name: "CVMFSTesting", targets: ["CVMFSTesting"]),
        .executable(name: "cvmfs", targets: ["CVMFSTool"]),
    ],
    traits: [
        .default(enabledTraits: ["libdeflate"]),
        .trait(name: "libdeflate", description: "Inflate whole objects with libdeflate, 2.5 times as fast as zlib."),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
    ],
    targets: [
        // C libraries
        systemLibrary("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev", brew: "sqlite"),
        systemLibrary("COpenSSL", pkgConfig: "libcrypto", apt: "libssl-dev", brew: "openssl"),
        systemLibrary("CZlib", pkgConfig: "zlib", apt: "zlib1g-dev", brew: "zlib"),
        systemLibrary("CDeflate", pkgConfig: "libdeflate", apt: "libdeflate-dev", brew: "libdeflate"),
        .target(name: "CPlatform"),
        // libcurl's headers only: the library is loaded when it is first used.
        .target(name: "CCurl", dependencies: ["CPlatform"]),
        // libarchive's headers only: the library is loaded when it is first used.
        .target(name: "CArchive", dependencies: ["CPlatform"]),
        .target(name: "CFUSE"),
        .target(name: "CLauncher"),
        .target(name: "CMount"),

        // The four that stand alone
        .target(
            name: "CASCore",
            dependencies: [
                "COpenSSL", "CZlib", "CPlatform",
                .target(name: "CDeflate", condition: .when(traits: ["libdeflate"])),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(name: "Signing", dependencies: ["CASCore", "COpenSSL"], swiftSettings: settings),
        .target(
            name: "Transport",
            dependencies: ["CASCore", "CCurl", "CPlatform", .product(name: "SystemPackage", package: "swift-system")],
            swiftSettings: settings),
        .target(
            name: "Catalog",
            dependencies: ["CASCore", "CSQLite", .product(name: "SystemPackage", package: "swift-system")],
            swiftSettings: settings),

        // The kernel's protocol, alone
        .target(
            name: "FUSE", dependencies: ["CFUSE", .product(name: "SystemPackage", package: "swift-system")],
            swiftSettings: settings),

        // Composition
        .target(
            name: "CVMFS",
            dependencies: [
                "CASCore", "Catalog", "Signing", "Transport",
                .product(name: "Collections", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(
            name: "Publishing",
            dependencies: [
                "CASCore", "Catalog", "Signing", "Transport", "CVMFS", "CPlatform", "CArchive",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(
            name: "Provisioner",
            dependencies: [
                "CASCore", "Catalog", "CVMFS", "FUSE", "FUSEMount", "CLauncher", "CPlatform",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(
            name: "FUSEMount",
            dependencies: [
                "CASCore", "Catalog", "Signing", "Transport", "CVMFS", "FUSE", "CMount", "CPlatform",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(
            name: "RepositoryServer",
            dependencies: [
                "CASCore", "CPlatform",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .target(
            name: "CVMFSTesting",
            dependencies: [
                "CASCore", "Publishing", "Transport", .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .executableTarget(
            name: "CVMFSTool",
            dependencies: [
                "CVMFS", "FUSE", "FUSEMount", "Provisioner", "Publishing", "RepositoryServer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: settings),

        // Tests. LocalServers starts real HTTP servers; FixtureTrees reads what the fixtures hold; CatalogFixtures
        // makes catalogs, good, old, bad and large; RepositoryMaker makes signed repositories of them.
        .target(name: "LocalServers", dependencies: ["CASCore"], path: "Tests/LocalServers", swiftSettings: settings),
        .target(name: "CKernelCalls", path: "Tests/CKernelCalls"),
        .target(
            name: "FixtureTrees", dependencies: ["CASCore"], path: "Tests/FixtureTrees", swiftSettings: settings),
        .executableTarget(
            name: "CacheFiller",
            dependencies: ["CASCore", "CVMFSTesting", .product(name: "SystemPackage", package: "swift-system")],
            path: "Tests/CacheFiller", swiftSettings: settings),
        .executableTarget(
            name: "ContentStorer", dependencies: ["CASCore", "FixtureTrees", "Publishing", "Signing", "Transport"],
            path: "Tests/ContentStorer", swiftSettings: settings),
        .executableTarget(
            name: "TreePublisher",
            dependencies: [
                "CASCore", "Catalog", "Publishing", "Signing", .product(name: "SystemPackage", package: "swift-system"),
            ], path: "Tests/TreePublisher", swiftSettings: settings),
        .target(
            name: "CatalogFixtures", dependencies: ["CASCore", "CSQLite"], path: "Tests/CatalogFixtures",
            swiftSettings: settings),
        .target(
            name: "RepositoryMaker", dependencies: ["CASCore", "Catalog", "CatalogFixtures", "Signing"],
            path: "Tests/RepositoryMaker", swiftSettings: settings),
        .target(
            name: "RevisionTrees",
            dependencies: [
                "CASCore", "Catalog", "CatalogFixtures", "LocalServers", "Publishing", "RepositoryMaker", "Signing",
                .product(name: "SystemPackage", package: "swift-system"),
            ], path: "Tests/RevisionTrees", swiftSettings: settings),
        .executableTarget(
            name: "RevisionPublisher",
            dependencies: [
                "FixtureTrees", "Publishing", "RevisionTrees", "Signing",
                .product(name: "SystemPackage", package: "swift-system"),
            ], path: "Tests/RevisionPublisher", swiftSettings: settings),
        .executableTarget(
            name: "BenchmarkRepositories",
            dependencies: ["CASCore", "Catalog", "CatalogFixtures", "LocalServers", "RepositoryMaker", "Signing"],
            path: "Tests/BenchmarkRepositories", swiftSettings: settings),
        .testTarget(
            name: "CASCoreTests",
            dependencies: [
                "CASCore", "CZlib", "CPlatform", "CVMFSTesting", "CacheFiller", "FixtureTrees", "LocalServers",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .testTarget(name: "SigningTests", dependencies: ["Signing", "FixtureTrees"], swiftSettings: settings),
        .testTarget(
            name: "TransportTests", dependencies: ["Transport", "CVMFSTesting", "LocalServers", "FixtureTrees"],
            swiftSettings: settings),
        .testTarget(
            name: "CatalogTests",
            dependencies: [
                "Catalog", "CASCore", "CatalogFixtures", "FixtureTrees",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .testTarget(
            name: "CVMFSTests",
            dependencies: [
                "CVMFS", "CSQLite", "COpenSSL", "CKernelCalls", "CatalogFixtures", "FixtureTrees", "LocalServers",
                "RepositoryMaker",
            ], swiftSettings: settings),
        .testTarget(
            name: "PublishingTests",
            dependencies: [
                "Publishing",
                "CPlatform",
                "CVMFS",
                "CVMFSTesting",
                "CSQLite",
                "CKernelCalls",
                "CatalogFixtures",
                "FixtureTrees",
                "LocalServers",
                "RepositoryMaker",
                "RevisionPublisher",
                "RevisionTrees",
                "TreePublisher",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        // MemoryFiles is a file system for tests of FUSE; MemoryFilesServer serves one in a process that can be killed;
        // FUSEBenchmark says what a request costs.
        .target(
            name: "MemoryFiles", dependencies: ["FUSE", .product(name: "SystemPackage", package: "swift-system")],
            path: "Tests/MemoryFiles", swiftSettings: settings),
        .executableTarget(
            name: "MemoryFilesServer",
            dependencies: ["FUSE", "MemoryFiles", .product(name: "SystemPackage", package: "swift-system")],
            path: "Tests/MemoryFilesServer", swiftSettings: settings),
        .executableTarget(
            name: "FUSEBenchmark", dependencies: ["FUSE", "MemoryFiles"], path: "Tests/FUSEBenchmark",
            swiftSettings: settings),
        .testTarget(
            name: "FUSETests",
            dependencies: [
                "FUSE", "CFUSE", "CKernelCalls", "FixtureTrees", "MemoryFiles", "MemoryFilesServer",
                .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        // MountProbe reads a mount as programs do, in a process of its own.
        .executableTarget(
            name: "MountProbe", dependencies: ["CKernelCalls", "COpenSSL"], path: "Tests/MountProbe",
            swiftSettings: settings),
        .testTarget(
            name: "FUSEMountTests",
            dependencies: [
                "CMount", "COpenSSL",
                "CVMFS", "CVMFSTool", "FUSE", "FUSEMount", "MountProbe", "CatalogFixtures", "FixtureTrees",
                "LocalServers", "RepositoryMaker", .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .testTarget(
            name: "ProvisionerTests",
            dependencies: [
                "Provisioner", "CVMFS", "CVMFSTool", "FUSEMount", "CLauncher", "FUSE", "CatalogFixtures",
                "FixtureTrees", "LocalServers",
                "MemoryFiles", "RepositoryMaker", .product(name: "SystemPackage", package: "swift-system"),
            ], swiftSettings: settings),
        .testTarget(
            name: "RepositoryServerTests",
            dependencies: ["RepositoryServer", "CVMFS", "FixtureTrees", "LocalServers"],
            swiftSettings: settings),
        .testTarget(
            name: "IntegrationTests",
            dependencies: ["CASCore", "CVMFSTool", "LocalServers", "FixtureTrees", "Publishing"],
            swiftSettings: settings),
    ]
)

// Scripts/docs and the Swift Package Index render the documentation; whoever uses the package need not resolve the
// plug-in for it. (The index adds it by itself only where a manifest does not name it.)
if ["CVMFS_DOCS", "SPI_GENERATE_DOCS"].contains(where: { Context.environment[$0] != nil }) {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}
