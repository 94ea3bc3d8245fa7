/// Bounds on what is read before, or in order that, it is trusted.
public enum TrustLimits {
    /// Bytes of a manifest: 64 KiB. Real ones have 500 to 700; the rest is room for fields of the future.
    public static let manifestBytes = 64 << 10

    /// Bytes of a whitelist: 256 KiB. A fingerprint's line has about 80, and no repository has a thousand signers.
    public static let whitelistBytes = 256 << 10

    /// Bytes of a certificate in PEM: 64 KiB. One with a 2048-bit key has 1100, with a long readable preface 6000.
    public static let certificateBytes = 64 << 10

    /// Bytes of a file of keys in PEM: 64 KiB, more than a hundred master keys.
    public static let keyBytes = 64 << 10

    /// Bytes of a blacklist: 1 MiB, ten thousand lines, which many repositories may share.
    public static let blacklistBytes = 1 << 20

    /// Bytes of a breadcrumb: 164, as the reference reads; 20 digits for each number leave nothing longer.
    public static let breadcrumbBytes = 164

    /// Bits of an RSA key: shorter ones are broken within reach of anybody, longer ones only burn the reader's time
    /// (and OpenSSL refuses them). The reference makes keys of 2048.
    public static let keyBits = 1024...16384
}
