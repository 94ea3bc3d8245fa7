extension ExtendedAttributes {
    /// The longest name or value, and the greatest number of attributes, that the format can hold.
    package static let most = 255

    /// The stored form of some attributes, sorted by name, and the names of those that it cannot hold; `nil` when
    /// nothing is left to be stored. Source: format 3, xattr.
    package static func blob(of attributes: [Attribute]) -> (stored: [UInt8]?, unfit: [[UInt8]]) {
        guard !attributes.isEmpty else { return (nil, []) }
        var unfit: [[UInt8]] = []
        var fitting: [Attribute] = []
        for attribute in attributes.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
            if attribute.name.isEmpty || attribute.name.count > most || attribute.value.count > most
                || attribute.name.contains(0) || attribute.name == fitting.last?.name || fitting.count == most
            {
                unfit.append(attribute.name)
            } else {
                fitting.append(attribute)
            }
        }
        guard !fitting.isEmpty else { return (nil, unfit) }
        var blob: [UInt8] = [1, UInt8(fitting.count)]
        for attribute in fitting {
            blob.append(UInt8(attribute.name.count))
            blob.append(UInt8(attribute.value.count))
            blob += attribute.name
            blob += attribute.value
        }
        return (blob, unfit)
    }
}
