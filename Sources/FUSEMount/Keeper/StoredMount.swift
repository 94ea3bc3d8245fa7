internal import CMount
internal import FUSE
internal import FoundationEssentials
internal import Glibc

/// A mount whose descriptors the service manager keeps, so that it outlives its keeper, too.
///
/// Beside the table of nodes and the devices there is a page of memory with what a keeper has to know.
final class StoredMount: Sendable {
    /// What does not change as long as it is mounted.
    private struct Constants: Codable {
        var repository: String
        var mountpoint: String
        var nodes: Int
        var reading: MountConfiguration.Reading?
        var agreement: Agreement
    }

    private static let state = "cvmfs-state"
    private static let nodes = "cvmfs-nodes"
    private static let device = "cvmfs-device-"
    /// The root catalog's hash stands first, in one page, so that it is whole whenever a writer is killed.
    private static let constantsOffset = 4096
    private static let stateBytes = 16 << 10

    let agreement: Agreement
    /// The table of nodes, the device, and its clones.
    let descriptors: [Int32]
    private let memory: Int32

    /// Has a mount kept.
    init(
        _ agreement: Agreement, _ descriptors: [Int32], _ configuration: MountConfiguration, in manager: ServiceManager
    ) throws {
        self.agreement = agreement
        self.descriptors = descriptors
        memory = cmount_memory(Self.state)
        guard memory >= 0, cmount_grow(memory, Int64(Self.stateBytes)) == 0 else {
            throw MessageSocket.failure("no memory for what outlives the keeper", memory)
        }
        let constants = Constants(
            repository: configuration.repository, mountpoint: configuration.mountpoint, nodes: configuration.nodes,
            reading: configuration.reading, agreement: agreement)
        let bytes = Array(try JSONEncoder().encode(constants))
        guard bytes.count <= Self.stateBytes - Self.constantsOffset,
            pwrite(memory, bytes, bytes.count, off_t(Self.constantsOffset)) == bytes.count
        else { throw MountError(.lost, "what outlives the keeper cannot be written down") }
        manager.keep(memory, as: Self.state)
        for (descriptor, name) in zip(descriptors, Self.names(descriptors.count)) { manager.keep(descriptor, as: name) }
    }

    /// The mount that a keeper of before has left, if it is the one of this configuration and still lives.
    init?(of configuration: MountConfiguration, in manager: ServiceManager) {
        let kept = ServiceManager.keptDescriptors()
        guard let memory = kept[Self.state] else { return nil }
        let found = Self.names(kept.count).compactMap { kept[$0] }
        guard let constants = Self.constants(in: memory), found.count > 1, kept[Self.nodes] == found[0],
            constants.repository == configuration.repository, constants.mountpoint == configuration.mountpoint,
            constants.nodes == configuration.nodes, constants.reading == configuration.reading,
            Mountpoint(configuration.mountpoint).mounted?.type == "fuse.cvmfs", cmount_is_dead(found[1]) == 0
        else {
            for descriptor in kept.values { close(descriptor) }
            for name in kept.keys { manager.letGo(of: name) }
            return nil
        }
        self.memory = memory
        agreement = constants.agreement
        descriptors = found
    }

    deinit { close(memory) }

    /// What the mount shows: the root catalog's hash.
    var root: String? {
        get {
            let text = Self.text(in: memory, at: 0, upTo: 255)
            return text.isEmpty ? nil : text
        }
        set {
            var bytes = [UInt8](repeating: 0, count: 256)
            for (index, byte) in (newValue ?? "").utf8.prefix(255).enumerated() { bytes[index] = byte }
            _ = pwrite(memory, bytes, bytes.count, 0)
        }
    }

    /// The mount has ended.
    func letGo(in manager: ServiceManager) {
        for name in [Self.state] + Self.names(descriptors.count) { manager.letGo(of: name) }
    }

    private static func names(_ count: Int) -> [String] { [nodes] + (0..<max(count - 1, 0)).map { device + "\($0)" } }

    private static func constants(in memory: Int32) -> Constants? {
        let text = text(in: memory, at: constantsOffset, upTo: stateBytes - constantsOffset)
        return try? JSONDecoder().decode(Constants.self, from: Data(text.utf8))
    }

    private static func text(in memory: Int32, at offset: Int, upTo count: Int) -> String {
        var bytes = [UInt8](repeating: 0, count: count)
        guard pread(memory, &bytes, count, off_t(offset)) > 0 else { return "" }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}
