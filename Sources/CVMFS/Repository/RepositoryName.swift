/// A repository's name (fqrn): labels joined by dots, `images.example.org`.
package struct RepositoryName: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    /// Letters, digits, `-`, `_` and dots; at most 255 bytes; nothing that could leave a folder.
    package init(_ text: String) throws {
        let isAllowed = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isAllowed, !text.isEmpty, text.utf8.count <= 255, text.utf8.first != UInt8(ascii: ".") else {
            throw CVMFSError(
                .invalidArgument,
                "\"\(text)\" is no repository name: letters, digits, '-', '_' and dots, as in images.example.org")
        }
        self.text = text
    }

    /// What follows the first label: the domain that keys and configuration go by.
    package var domain: String { text.split(separator: ".", maxSplits: 1).dropFirst().first.map(String.init) ?? "" }

    package var description: String { text }
}
