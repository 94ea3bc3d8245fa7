import CASCore
public import Foundation

/// Where the repositories are that the reference's own programs made.
public enum Fixtures {
    /// `Tests/Fixtures`: in every clone of the project.
    public static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures", directoryHint: .isDirectory)

    /// `../shared/fixtures` beside the package: larger repositories that not every machine has.
    public static let large: URL? = {
        let package = folder.deletingLastPathComponent().deletingLastPathComponent()
        let beside = package.deletingLastPathComponent().appending(path: "shared/fixtures", directoryHint: .isDirectory)
        return FileManager.default.fileExists(atPath: beside.path) ? beside : nil
    }()

    /// The four repositories of `Tests/Fixtures`, by name.
    public static let small: [FixtureRepository] = repositories(in: folder)

    /// Those of the larger set that have a listing; none where it is absent.
    public static let reference: [FixtureRepository] = {
        guard let large else { return [] }
        return repositories(in: large.appending(path: "reference", directoryHint: .isDirectory))
    }()

    /// Every repository with a listing that this machine has.
    public static let all: [FixtureRepository] = small + reference

    /// A repository of 2015 (schema 2.5, revision 2; no listing), where the larger set is.
    public static let legacy: FixtureRepository? = {
        guard let set = large?.appending(path: "legacy-2015", directoryHint: .isDirectory) else { return nil }
        let repository = FixtureRepository(name: "legacy_aufs.cern.ch", set: set, hashAlgorithm: .sha1)
        return FileManager.default.fileExists(atPath: repository.folder.path) ? repository : nil
    }()

    /// One of the four of `Tests/Fixtures`: `tiny`, `tinyshake`, `tinyripemd` or `tinyplain`.
    public static func named(_ shortName: String) -> FixtureRepository {
        guard let found = small.first(where: { $0.name == "\(shortName).example.org" }) else {
            preconditionFailure("no fixture is called \(shortName)")
        }
        return found
    }

    private static func repositories(in set: URL) -> [FixtureRepository] {
        let suffix = ".tree.jsonl"
        let files = (try? FileManager.default.contentsOfDirectory(atPath: set.path)) ?? []
        let names = files.filter { $0.hasSuffix(suffix) }.map { String($0.dropLast(suffix.count)) }
        precondition(!names.isEmpty, "no fixtures in \(set.path)")
        return names.sorted().map { name in
            let algorithm: HashAlgorithm =
                name.contains("shake") ? .shake128 : name.contains("ripemd") ? .ripemd160 : .sha1
            return FixtureRepository(name: name, set: set, hashAlgorithm: algorithm)
        }
    }
}
