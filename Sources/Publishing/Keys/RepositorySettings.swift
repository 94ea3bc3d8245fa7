package import CASCore
internal import CVMFS
internal import SystemPackage

/// How a repository's new objects are made: chosen when it is made, and remembered beside it.
package struct RepositorySettings: Sendable, Hashable {
    package var hash: HashAlgorithm
    package var deflater: DeflaterKind

    package init(hash: HashAlgorithm, deflater: DeflaterKind) {
        self.hash = hash
        self.deflater = deflater
    }

    /// Reads them; `nil` when the repository was not begun here.
    package init?(in state: StateFolder) throws {
        let content: [UInt8]?
        do {
            content = try LocalFile.read(state.settings, limit: PublishingLimits.settingsBytes)
        } catch {
            throw PublishingError(.storage, "\(state.settings) cannot be read", cause: error)
        }
        guard let content else { return nil }
        var values: [String: String] = [:]
        for line in String(decoding: content, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else { throw Self.malformed(state, String(line)) }
            values[parts[0]] = parts[1]
        }
        guard let hash = HashAlgorithm.allCases.first(where: { $0.name == values["hash"] }) else {
            throw Self.malformed(state, "hash=\(values["hash"] ?? "")")
        }
        guard let deflater = values["deflate"].flatMap(DeflaterKind.init(rawValue:)) else {
            throw Self.malformed(state, "deflate=\(values["deflate"] ?? "")")
        }
        self.init(hash: hash, deflater: deflater)
    }

    package func write(to state: StateFolder) throws {
        let text = "hash=\(hash.name)\ndeflate=\(deflater.rawValue)\n"
        do {
            try LocalFile.replace(state.settings, with: Array(text.utf8))
        } catch {
            throw PublishingError(.storage, "\(state.settings) cannot be written", cause: error)
        }
    }

    private static func malformed(_ state: StateFolder, _ line: String) -> PublishingError {
        PublishingError(
            .corrupt,
            "\(state.settings): \"\(line.prefix(80))\" is not understood; lines are hash=sha1|rmd160|shake128"
                + " and deflate=zlib|libdeflate")
    }
}
