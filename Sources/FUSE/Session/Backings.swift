internal import CFUSE
public import SystemPackage

/// The kernel's number of a file that it reads by itself. It belongs to the mount, and holds in another process too.
public struct BackingID: RawRepresentable, Hashable, Sendable, Codable {
    /// Above 0.
    public let rawValue: Int32

    public init(rawValue: Int32) { self.rawValue = rawValue }
}

/// A file that the kernel reads by itself, for as long as this value is there or a file is open on it.
public final class BackingFile: Sendable {
    public let id: BackingID
    private let channel: Channel

    init(id: BackingID, channel: Channel) {
        self.id = id
        self.channel = channel
    }

    deinit { channel.closeBacking(id) }
}

extension Session {
    /// Registers a file for an `OpenReply`. Only root may.
    public func backing(_ file: FileDescriptor) throws(FUSEError) -> BackingFile {
        let channel = try firstChannel()
        return BackingFile(id: try channel.openBacking(file), channel: channel)
    }

    /// Lets go of a file that ``OpenReply/register(_:)`` gave a number, in this process or in one before it. Files that
    /// are open on it go on.
    public func closeBacking(_ id: BackingID) throws(FUSEError) { try firstChannel().closeBacking(id) }
}

extension OpenReply {
    /// Registers a file that must be kept registered also when this process dies. Only root may, and whoever has the
    /// number has to close it: see ``Session/closeBacking(_:)``; the kernel does when the mount ends.
    ///
    /// As long as a node is open, it can be opened with the same number only.
    public func register(_ file: FileDescriptor) throws(FUSEError) -> BackingID {
        try key.channel.openBacking(file)
    }
}

extension Channel {
    func openBacking(_ file: FileDescriptor) throws(FUSEError) -> BackingID {
        guard shared.agreement.features.contains(.passthrough) else {
            throw FUSEError(.unsupported, "passthrough was not agreed on with this kernel")
        }
        let number = cfuse_open_backing(device, file.rawValue)
        guard number > 0 else {
            throw FUSEError.systemCall("the file cannot be passed through", number, .unsupported)
        }
        return BackingID(rawValue: number)
    }

    func closeBacking(_ id: BackingID) { _ = cfuse_close_backing(device, id.rawValue) }
}
