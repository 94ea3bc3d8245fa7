/// The extended attributes of an entry, in the form in which catalogs keep them. Source: format 3, xattr.
public struct ExtendedAttributes: Sendable, Hashable {
    /// One attribute.
    public struct Attribute: Sendable, Hashable {
        /// The name, as `user.key`; not empty, without NUL.
        public let name: [UInt8]
        public let value: [UInt8]

        public init(name: [UInt8], value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// The attributes, sorted by name, each name once.
    public let attributes: [Attribute]

    /// None.
    public init() { attributes = [] }

    /// Parses a stored blob; `nil` when it does not parse, which readers take for no attributes at all.
    ///
    /// Of a name that occurs twice the last value counts, and what follows the last attribute is passed over, as in the
    /// reference.
    public init?(blob: [UInt8]) {
        guard blob.count >= 2, blob[0] == 1 else { return nil }
        var values: [[UInt8]: [UInt8]] = [:]
        var rest = blob[2...]
        for _ in 0..<blob[1] {
            guard let nameLength = rest.popFirst(), let valueLength = rest.popFirst(),
                rest.count >= Int(nameLength) + Int(valueLength), nameLength > 0
            else { return nil }
            let name = Array(rest.prefix(Int(nameLength)))
            guard !name.contains(0) else { return nil }
            rest = rest.dropFirst(Int(nameLength))
            values[name] = Array(rest.prefix(Int(valueLength)))
            rest = rest.dropFirst(Int(valueLength))
        }
        attributes = values.sorted { $0.key.lexicographicallyPrecedes($1.key) }
            .map { Attribute(name: $0.key, value: $0.value) }
    }

    /// The value of an attribute; `nil` when it is not there.
    public subscript(name: String) -> [UInt8]? { attributes.first { $0.name.elementsEqual(name.utf8) }?.value }
}
