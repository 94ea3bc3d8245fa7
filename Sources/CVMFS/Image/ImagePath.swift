internal import CASCore

/// A path as a program inside an image would write it: any bytes, with `..`, symlinks and trailing slashes to resolve.
public struct ImagePath: Sendable, Hashable, ExpressibleByStringLiteral {
    public let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    public init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

    public init(stringLiteral value: String) { self.init(value) }
}
