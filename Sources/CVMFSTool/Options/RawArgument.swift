import CVMFS

/// Arguments whose bytes are not UTF-8, on their way through a parser that knows only text.
///
/// File names are bytes. A byte that is no part of UTF-8 is carried as a character of Unicode's last private plane, as
/// Python does it with others, and becomes the byte again where a path is made of it.
enum RawArgument {
    /// U+10FF00 and the byte.
    private static let carrier: UInt32 = 0x10FF00

    /// The process's arguments without the program's name.
    static var all: [String] {
        (1..<max(1, Int(CommandLine.argc))).compactMap { index in
            CommandLine.unsafeArgv[index].map { text(Array(UnsafeRawBufferPointer(start: $0, count: length(of: $0)))) }
        }
    }

    /// The bytes that an argument was made of.
    static func bytes(_ argument: String) -> [UInt8] {
        argument.unicodeScalars.flatMap { scalar -> [UInt8] in
            guard scalar.value >= carrier, scalar.value <= carrier + 0xFF else { return Array(String(scalar).utf8) }
            return [UInt8(scalar.value - carrier)]
        }
    }

    static func imagePath(_ argument: String) -> ImagePath { ImagePath(bytes: bytes(argument)) }

    /// A path on the local disk.
    static func filePath(_ argument: String) -> FilePath {
        (bytes(argument).map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { buffer in
            buffer.baseAddress.map { FilePath(platformString: $0) } ?? FilePath()
        }
    }

    static func text(_ bytes: [UInt8]) -> String {
        var text = String.UnicodeScalarView()
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var rest = bytes[...]
        while !rest.isEmpty {
            iterator = Array(rest).makeIterator()
            decoder = UTF8()
            if case .scalarValue(let scalar) = decoder.decode(&iterator) {
                text.append(scalar)
                rest = rest.dropFirst(String(scalar).utf8.count)
            } else if let byte = rest.popFirst(), let scalar = Unicode.Scalar(carrier + UInt32(byte)) {
                text.append(scalar)
            }
        }
        return String(text)
    }

    private static func length(of text: UnsafePointer<CChar>) -> Int {
        var length = 0
        while text[length] != 0 { length += 1 }
        return length
    }
}
