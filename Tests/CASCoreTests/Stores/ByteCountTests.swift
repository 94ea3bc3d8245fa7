import CASCore
import Testing

@Suite("ByteCount")
struct ByteCountTests {
    @Test(
        "text is read with every unit",
        arguments: [
            ("0", 0), ("4096", 4096), ("17B", 17), ("1k", 1024), ("1KiB", 1024), ("1kB", 1000), ("3M", 3 << 20),
            ("3MiB", 3 << 20), ("3mb", 3_000_000), ("4GiB", 4 << 30), ("4 GiB", 4 << 30), ("2GB", 2_000_000_000),
            ("1TiB", 1 << 40), ("1TB", 1_000_000_000_000), ("unlimited", Int64.max), ("8388607TiB", 8_388_607 << 40),
        ] as [(String, Int64)])
    func reads(text: String, bytes: Int64) { #expect(ByteCount(text)?.bytes == bytes) }

    @Test(
        "anything else is refused",
        arguments: [
            "", " ", "B", "GiB", "-1", "+1", "1.5GiB", "4GiBs", "4 G iB", "4PiB", "0x10", "8388608TiB",
            "99999999999999999999", "٤",
        ])
    func refuses(text: String) { #expect(ByteCount(text) == nil) }

    @Test("every amount survives its text")
    func roundTrip() {
        for bytes in [0, 1, 1023, 1024, 1025, 1536, 1 << 20, 5 << 30, 3 << 40, .max - 1, .max] as [Int64] {
            let amount = ByteCount.bytes(bytes)
            #expect(ByteCount(amount.description) == amount)
        }
        #expect(ByteCount.gibibytes(4).description == "4GiB")
        #expect(ByteCount.bytes(1537).description == "1537B")
    }

    @Test("amounts have bounds instead of overflowing")
    func bounds() {
        #expect(ByteCount.tebibytes(.max) == .unlimited)
        #expect(ByteCount.gibibytes(.min) == .zero)
        #expect(ByteCount.bytes(-1) == .zero)
        #expect(ByteCount.mebibytes(1) < .gibibytes(1))
    }
}
