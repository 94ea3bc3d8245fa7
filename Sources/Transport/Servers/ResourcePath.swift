/// The paths of requests: percent-escaped, relative, and free of anything that would lead elsewhere.
public enum ResourcePath {
    /// Refuses a path that no server should be asked for.
    ///
    /// Nothing else may reach a URL: a space or a line break would change the request, `?` and `#` the resource, and
    /// `..` the repository.
    static func check(_ path: String) throws(TransportError) {
        var path = path
        let isGood = path.withUTF8 { bytes in
            guard !bytes.isEmpty, bytes.count <= TransportLimits.urlBytes else { return false }
            var dotsOnly = true
            var length = 0
            for byte in bytes {
                if byte == UInt8(ascii: "/") {
                    // An empty component, `.` or `..`.
                    if dotsOnly && length <= 2 { return false }
                    (dotsOnly, length) = (true, 0)
                    continue
                }
                guard isAllowed[Int(byte)] else { return false }
                if byte != UInt8(ascii: ".") { dotsOnly = false }
                length += 1
            }
            return !(dotsOnly && length <= 2)
        }
        if !isGood {
            throw TransportError(
                .invalidConfiguration,
                "the path \(path.debugDescription) cannot be asked for: it must be relative and percent-escaped")
        }
    }

    /// The components of a path that names a file, unescaped.
    static func components(of path: String) throws(TransportError) -> [[UInt8]] {
        try check(path)
        var components: [[UInt8]] = []
        for component in path.utf8.split(separator: UInt8(ascii: "/")) {
            guard let bytes = unescaped(component), !bytes.contains(0), !bytes.contains(UInt8(ascii: "/")),
                bytes != [UInt8(ascii: ".")], bytes != [UInt8(ascii: "."), UInt8(ascii: ".")]
            else {
                throw TransportError(
                    .invalidConfiguration, "the path \(path.debugDescription) does not name a file below a folder")
            }
            components.append(bytes)
        }
        return components
    }

    /// A path in bytes as a request has it: all but `A-Z a-z 0-9 / : . @ + - _ ~ [ ] ,` is %-escaped. Source: format 5.
    public static func escaped(_ path: some Sequence<UInt8>) -> String {
        var escaped: [UInt8] = []
        for byte in path {
            if isPlain[Int(byte)] {
                escaped.append(byte)
            } else {
                escaped.append(UInt8(ascii: "%"))
                escaped.append(hexDigit(byte >> 4))
                escaped.append(hexDigit(byte & 15))
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }

    private static let isPlain = table(of: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/:.@+-_~[],")

    /// Replaces `%41` and the like; `nil` when a percent sign is followed by anything but two hexadecimal digits.
    static func unescaped(_ text: some Collection<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var iterator = text.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(digit), let low = iterator.next().flatMap(digit) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// What a component of a URL's path may hold (RFC 3986: unreserved, escapes, sub-delimiters, `:` and `@`), and
    /// brackets, which the reference leaves as they are.
    private static let isAllowed = table(
        of: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+,;=:@[]")

    private static func table(of characters: String) -> [Bool] {
        var table = [Bool](repeating: false, count: 256)
        for byte in characters.utf8 { table[Int(byte)] = true }
        return table
    }
}
