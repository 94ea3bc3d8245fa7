internal import Catalog

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Darwin
#endif

/// The variables that symlinks' targets may use. Source: format 3, symlink.
public struct SymlinkVariables: Sendable {
    private var values: [String: String]
    private let usesEnvironment: Bool

    private init(values: [String: String], usesEnvironment: Bool) {
        self.values = values
        self.usesEnvironment = usesEnvironment
    }

    /// The process's environment, as the reference's client has it.
    public static let environment = SymlinkVariables(values: [:], usesEnvironment: true)

    /// These and no others.
    public static func only(_ values: [String: String]) -> SymlinkVariables {
        SymlinkVariables(values: values, usesEnvironment: false)
    }

    func adding(fqrn: String) -> SymlinkVariables {
        var copy = self
        copy.values["CVMFS_FQRN"] = copy.values["CVMFS_FQRN"] ?? fqrn
        return copy
    }

    func expand(_ target: [UInt8]) -> [UInt8] {
        SymlinkTemplate(target).expanded { name in
            let name = String(decoding: name, as: UTF8.self)
            if let value = values[name] { return Array(value.utf8) }
            guard usesEnvironment, let value = getenv(name) else { return nil }
            return Array(String(cString: value).utf8)
        }
    }
}
