internal import CFUSE

/// What the kernel offers in INIT.
struct Offer: Equatable {
    var major: UInt32
    var minor: UInt32
    var readAhead: UInt32
    var features: Features

    init(major: UInt32, minor: UInt32, readAhead: UInt32, features: Features) {
        self.major = major
        self.minor = minor
        self.readAhead = readAhead
        self.features = features
    }

    init(_ arguments: inout Arguments) throws(Malformation) {
        (major, minor) = try arguments.take((UInt32, UInt32).self)
        (readAhead, features) = (0, [])
        // A kernel of another major version may say more or less behind its version.
        guard major == Negotiation.major else { return }
        let (ahead, flags) = try arguments.take((UInt32, UInt32).self)
        readAhead = ahead
        features = Features(rawValue: UInt64(flags))
        if features.contains(.extended) {
            features.formUnion(Features(rawValue: UInt64(try arguments.take(UInt32.self)) << 32))
        }
    }
}

/// What a session wishes for.
public struct Wishes: Hashable, Sendable {
    /// What is used if the kernel has it. Leaving one out makes a session do without, as on an older kernel.
    public var features: Features
    /// Longest WRITE, in bytes.
    public var writeBytes: Int
    /// Longest READ, in bytes; beyond 128 KiB only with ``Features/maximumPages``.
    public var transferBytes: Int
    /// How much the kernel reads ahead at most, in bytes.
    public var readAheadBytes: Int
    /// Requests that nobody waits for (read-ahead) at a time.
    public var background: Int

    public init(
        features: Features = .usual, writeBytes: Int = 128 << 10, transferBytes: Int = 1 << 20,
        readAheadBytes: Int = 1 << 20, background: Int = 64
    ) {
        self.features = features
        self.writeBytes = writeBytes
        self.transferBytes = transferBytes
        self.readAheadBytes = readAheadBytes
        self.background = background
    }
}

/// What kernel and session agreed on. It belongs to the mount, and whoever takes the mount over needs it.
public struct Agreement: Hashable, Sendable, Codable {
    /// The minor version of protocol 7 that both speak.
    public let minor: UInt32
    /// What the kernel itself speaks.
    public let kernelMinor: UInt32
    public let features: Features
    public let writeBytes: Int
    public let transferBytes: Int
    public let readAheadBytes: Int
    public let background: Int

    /// Notifications are not negotiated; the version says which there are.
    public var hasPrune: Bool { kernelMinor >= 45 }
    public var hasResend: Bool { kernelMinor >= 40 }
}

/// The exchange that begins a mount, without its I/O.
struct Negotiation {
    static let major: UInt32 = 7
    /// What is spoken here.
    static let minor: UInt32 = 45
    /// The oldest that is: Linux 3.15. All fields of the answer are there since.
    static let oldestMinor: UInt32 = 23

    enum Step: Equatable {
        /// The kernel is newer by a major version: it is told ours, and asks again.
        case insistOnVersion
        case agree(Agreement)
        case refuse(reason: String)
    }

    let wishes: Wishes
    private(set) var hasInsisted = false

    init(wishes: Wishes) { self.wishes = wishes }

    mutating func receive(_ offer: Offer) -> Step {
        if offer.major > Self.major {
            guard !hasInsisted else { return .refuse(reason: "the kernel insists on protocol \(offer.major)") }
            hasInsisted = true
            return .insistOnVersion
        }
        guard offer.major == Self.major, offer.minor >= Self.oldestMinor else {
            return .refuse(
                reason: "the kernel speaks protocol \(offer.major).\(offer.minor), and at least "
                    + "\(Self.major).\(Self.oldestMinor) (Linux 3.15) is needed")
        }
        var features = wishes.features.intersection(offer.features)
        // Each of the second of these means nothing without its first.
        if !features.contains(.readDirectoryPlus) { features.remove(.readDirectoryPlusAuto) }
        if !offer.features.contains(.extended) { features.remove(Self.secondWord) }
        // A file is passed through by the answer to its OPEN.
        if features.contains(.passthrough) { features.remove(.noOpen) }
        let page = 4096
        var most = features.contains(.maximumPages) ? FUSELimits.transferBytes : 32 * page
        if features.contains(.overIOUring) { most = min(most, FUSELimits.ringTransferBytes) }
        let transfer = min(max(wishes.transferBytes, page), most)
        let write = features.contains(.bigWrites) ? min(max(wishes.writeBytes, page), transfer) : page
        return .agree(
            Agreement(
                minor: min(offer.minor, Self.minor), kernelMinor: offer.minor, features: features, writeBytes: write,
                transferBytes: transfer / page * page,
                readAheadBytes: min(max(wishes.readAheadBytes, 0), Int(offer.readAhead)),
                background: min(max(wishes.background, 1), Int(UInt16.max))))
    }

    private static let secondWord = Features(rawValue: ~0 << 32)
}

extension Agreement {
    var answer: cfuse_init_out {
        var answer = cfuse_init_out()
        answer.major = Negotiation.major
        answer.minor = minor
        answer.max_readahead = UInt32(readAheadBytes)
        var bits = features.rawValue
        if bits >> 32 != 0 { bits |= Features.extended.rawValue }
        answer.flags = UInt32(truncatingIfNeeded: bits)
        answer.flags2 = UInt32(truncatingIfNeeded: bits >> 32)
        answer.max_background = UInt16(background)
        answer.congestion_threshold = UInt16(max(background * 3 / 4, 1))
        answer.max_write = UInt32(writeBytes)
        answer.time_gran = 1
        answer.max_pages = UInt16(transferBytes / 4096)
        // Of file systems below a file that is passed through: none.
        answer.max_stack_depth = features.contains(.passthrough) ? 1 : 0
        return answer
    }
}
