/// A name for a file that nobody else has: 64 random bits.
enum FreeName {
    static func make() -> String { String(UInt64.random(in: 0 ... .max), radix: 36) }
}
