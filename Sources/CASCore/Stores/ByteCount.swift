/// An amount of bytes: the limit of a store, the size of what it holds.
///
/// Amounts are never negative, and what would be too large for 63 bits is `unlimited`.
public struct ByteCount: Sendable, Hashable {
    public let bytes: Int64

    private init(clamping bytes: Int64) { self.bytes = max(0, bytes) }

    /// As many as there may be.
    public static let unlimited = ByteCount(clamping: .max)
    public static let zero = ByteCount(clamping: 0)

    public static func bytes(_ count: Int64) -> ByteCount { ByteCount(clamping: count) }
    public static func kibibytes(_ count: Int64) -> ByteCount { count.times(1 << 10) }
    public static func mebibytes(_ count: Int64) -> ByteCount { count.times(1 << 20) }
    public static func gibibytes(_ count: Int64) -> ByteCount { count.times(1 << 30) }
    public static func tebibytes(_ count: Int64) -> ByteCount { count.times(1 << 40) }
}

extension ByteCount: Comparable {
    public static func < (left: Self, right: Self) -> Bool { left.bytes < right.bytes }
}

extension ByteCount: LosslessStringConvertible {
    private static let binaryUnits: [(name: String, factor: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
    ]

    /// Reads a whole number and a unit: `4GiB`, `512 MiB`, `100kB`, `4096`, `unlimited`.
    ///
    /// Of either case: nothing or `B` for bytes; `K`, `M`, `G`, `T`, alone or as `KiB` and so on, for powers of 1024;
    /// `KB` and so on for powers of 1000. Gives `nil` for anything else, and for what does not fit into 63 bits.
    public init?(_ description: String) {
        if description == "unlimited" {
            self = .unlimited
            return
        }
        let digits = description.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits) else { return nil }
        let unit = description.dropFirst(digits.count).drop { $0 == " " }.lowercased()
        guard let factor = Self.factor(unit) else { return nil }
        let (bytes, overflows) = count.multipliedReportingOverflow(by: factor)
        if overflows { return nil }
        self.init(clamping: bytes)
    }

    /// The amount in the largest unit that holds it without a fraction: `4GiB`, `1537B`.
    public var description: String {
        if self == .unlimited { return "unlimited" }
        for unit in Self.binaryUnits where bytes > 0 && bytes % unit.factor == 0 {
            return "\(bytes / unit.factor)\(unit.name)"
        }
        return "\(bytes)B"
    }

    private static func factor(_ unit: String) -> Int64? {
        if unit.isEmpty || unit == "b" { return 1 }
        for (position, prefix) in ["k", "m", "g", "t"].enumerated() {
            if unit == prefix || unit == prefix + "ib" { return 1 << (10 * Int64(position + 1)) }
            if unit == prefix + "b" { return (0...position).reduce(1) { factor, _ in factor * 1000 } }
        }
        return nil
    }
}

extension Int64 {
    fileprivate func times(_ factor: Int64) -> ByteCount {
        let (bytes, overflows) = multipliedReportingOverflow(by: factor)
        return overflows ? (self < 0 ? .zero : .unlimited) : .bytes(bytes)
    }
}
