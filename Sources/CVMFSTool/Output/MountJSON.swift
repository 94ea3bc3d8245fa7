import FUSEMount
import FoundationEssentials

/// What a mount says of itself, as it says it.
enum MountJSON {
    static func value<Value: Encodable>(of value: Value) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(value))
    }
}
