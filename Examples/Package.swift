// swift-tools-version: 6.2
import PackageDescription

// A package of its own, as a stranger's would be: it sees only what is public, and each program depends on the one
// product that it shows. Scripts/examples builds and runs them all.
let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    // The strictest rule on imports, so that these programs prove which ones are needed.
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

func program(_ name: String, in folder: String, on products: String...) -> Target {
    .executableTarget(
        name: name, dependencies: products.map { .product(name: $0, package: "swift-cvmfs") },
        path: "Sources/\(folder)", swiftSettings: settings)
}

let package = Package(
    name: "Examples",
    platforms: [.macOS(.v26)],
    dependencies: [.package(name: "swift-cvmfs", path: "..")],
    targets: [
        program("lazy-cat", in: "LazyCat", on: "CVMFS"),
        program("verify-manifest", in: "VerifyManifest", on: "Signing"),
        program("tar-transport", in: "TarTransport", on: "CVMFS", "CVMFSTesting"),
        program("memory-files", in: "MemoryFiles", on: "FUSE"),
        .systemLibrary(
            name: "CSQLite3", path: "Sources/CSQLite3", pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"]), .brew(["sqlite"])]),
        .executableTarget(
            name: "query-in-place",
            dependencies: ["CSQLite3", .product(name: "CVMFS", package: "swift-cvmfs")],
            path: "Sources/QueryInPlace", swiftSettings: settings),
        // What README.md and Docs/ show: built, so that it is right, and not run, since it names places that are not there.
        program("readme", in: "GettingStarted/ReadMe", on: "CVMFS"),
        .target(
            name: "Excerpts", dependencies: [.product(name: "CVMFS", package: "swift-cvmfs")], swiftSettings: settings),
        // The programs that the getting-started articles explain.
        program("start-cascore", in: "GettingStarted/CASCore", on: "CASCore"),
        program("start-catalog", in: "GettingStarted/Catalog", on: "Catalog"),
        program("start-cvmfstesting", in: "GettingStarted/CVMFSTesting", on: "CVMFSTesting", "CASCore"),
        program("start-cvmfs", in: "GettingStarted/CVMFS", on: "CVMFS"),
        program("start-provisioner", in: "GettingStarted/Provisioner", on: "CVMFS", "Provisioner"),
        program("start-transport", in: "GettingStarted/Transport", on: "Transport"),
    ]
)
