/// The algorithms that name objects. Source: format 1.
///
/// The raw value is the reference's index; catalogs keep `rawValue - 1` in an entry's flags.
public enum HashAlgorithm: UInt8, Sendable, Hashable, CaseIterable {
    case sha1 = 1
    case ripemd160 = 2
    /// SHAKE-128, its first 160 bits.
    case shake128 = 3

    /// Length of a digest in bytes; the same for all three.
    public static let digestLength = 20

    /// What follows the hexadecimal digits in text and in object names: `""`, `"-rmd160"` or `"-shake128"`.
    public var suffix: String {
        switch self {
        case .sha1: ""
        case .ripemd160: "-rmd160"
        case .shake128: "-shake128"
        }
    }

    /// The algorithm's name in configuration and on the command line: `sha1`, `rmd160`, `shake128`.
    public var name: String {
        switch self {
        case .sha1: "sha1"
        case .ripemd160: "rmd160"
        case .shake128: "shake128"
        }
    }
}
