internal import CASCore

/// Table `properties` of a file: keys and values, as text.
struct Properties: Sendable {
    private let label: String
    let values: [String: [UInt8]]

    init(readFrom connection: Connection) throws(CatalogError) {
        let label = connection.label
        var values: [String: [UInt8]] = [:]
        try connection.forEachRow(of: "SELECT key, value FROM properties") { row throws(CatalogError) in
            guard values.count < CatalogLimits.properties else {
                throw CatalogError(.tooLarge, "\(label) has more than \(CatalogLimits.properties) properties")
            }
            // The column's type is text, to which SQLite converts the numbers that writers give it.
            if let key = row.text(0), let value = row.text(1) ?? row.integer(1).map({ Array(String($0).utf8) }) {
                values[String(decoding: key, as: UTF8.self)] = value
            }
            return true
        }
        self.label = label
        self.values = values
    }

    func text(_ key: String) -> String? { values[key].map { String(decoding: $0, as: UTF8.self) } }

    /// A property that is a whole number; `nil` when absent.
    func integer(_ key: String) throws(CatalogError) -> Int64? {
        guard let text = text(key) else { return nil }
        // As SQLite does, what follows the digits (".0") is passed over.
        let sign = text.hasPrefix("-") ? "-" : ""
        guard let value = Int64(sign + text.dropFirst(sign.count).prefix { ("0"..."9").contains($0) }) else {
            throw malformed(key)
        }
        return value
    }

    /// A property that is a whole number from 0; `nil` when absent.
    func unsigned(_ key: String) throws(CatalogError) -> UInt64? {
        guard let value = try integer(key) else { return nil }
        guard value >= 0 else { throw malformed(key) }
        return UInt64(value)
    }

    /// A property that is a decimal number; `nil` when absent.
    func decimal(_ key: String) throws(CatalogError) -> Double? {
        guard let text = text(key) else { return nil }
        guard let value = Double(text), value.isFinite else { throw malformed(key) }
        return value
    }

    /// A property that is a hash; `nil` when absent, empty, or all zeros, which writers put for "none".
    func hash(_ key: String) throws(CatalogError) -> ContentHash? {
        guard let text = text(key), text.contains(where: { $0 != "0" }) else { return nil }
        if text.prefix(while: { $0 != "-" }).allSatisfy({ $0 == "0" }) { return nil }
        guard let hash = ContentHash(text) else { throw malformed(key) }
        return hash
    }

    func malformed(_ key: String) -> CatalogError {
        CatalogError(
            .malformedProperty, "\(label): property \(key) makes no sense: \"\(text(key) ?? "")\"")
    }
}
