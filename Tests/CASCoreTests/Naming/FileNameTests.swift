import CASCore
import Testing

@Suite("Names of files")
struct FileNameTests {
    @Test(
        "ordinary names are valid",
        arguments: ["a", ".a", "..a", "...", " ", "new\nline", "Größe", String(repeating: "x", count: 255)])
    func valid(name: String) {
        #expect(FileName(name).isValid)
        #expect(FileName(name).description == name)
    }

    @Test(
        "what no directory can hold is not",
        arguments: ["", ".", "..", "/", "a/b", "../a", "a\u{0}", String(repeating: "x", count: 256)])
    func invalid(name: String) { #expect(!FileName(name).isValid) }

    @Test("bytes that are not UTF-8 are a name too")
    func bytes() {
        let name = FileName(bytes: [0x6C, 0xE9])
        #expect(name.isValid)
        #expect(name.bytes == [0x6C, 0xE9])
        #expect(name < FileName(bytes: [0x6C, 0xEA]))
        #expect(FileName("l") < name)
    }
}
