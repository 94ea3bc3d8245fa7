/// Makes tar archives byte by byte, also such as no program would make.
struct HandMadeTar {
    private(set) var bytes: [UInt8] = []

    /// - Parameters:
    ///   - size: what the header says; `nil` for that of the content.
    mutating func add(
        _ path: String, type: Character = "0", content: [UInt8] = [], size: Int? = nil, target: String = "",
        mode: Int = 0o644, sizeField: [UInt8]? = nil
    ) {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: some Sequence<UInt8>, at offset: Int) {
            for (index, byte) in text.enumerated() { block[offset + index] = byte }
        }
        func octal(_ value: Int, _ digits: Int) -> [UInt8] {
            let text = String(value, radix: 8)
            return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
        }
        put(Array(path.utf8).prefix(100), at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(sizeField ?? octal(size ?? content.count, 11), at: 124)
        put(octal(1_700_000_000, 11), at: 136)
        block[156] = type.asciiValue ?? 0
        put(Array(target.utf8).prefix(100), at: 157)
        put("ustar\0".utf8, at: 257)
        put("00".utf8, at: 263)
        put(Array(repeating: 0x20, count: 8), at: 148)
        put(octal(block.reduce(0) { $0 + Int($1) }, 6), at: 148)
        block[154] = 0
        bytes += block + content
        bytes += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
    }

    /// An extended header for the next entry.
    mutating func addPax(_ records: [(String, String)], type: Character = "x") {
        var content: [UInt8] = []
        for (key, value) in records {
            let body = " \(key)=\(value)\n".utf8.count
            var length = body + 1
            while String(length).utf8.count + body != length { length = String(length).utf8.count + body }
            content += Array("\(length) \(key)=\(value)\n".utf8)
        }
        add("PaxHeaders/x", type: type, content: content)
    }

    /// The two blocks of zeros at the end.
    mutating func end() { bytes += [UInt8](repeating: 0, count: 1024) }

    var ended: [UInt8] {
        var copy = self
        copy.end()
        return copy.bytes
    }
}
