internal import FoundationEssentials

/// JSON that somebody else wrote: bounded in size and depth before the decoder sees it.
enum BoundedJSON {
    /// - Parameter what: what the document is, for the error.
    static func decode<Document: Decodable>(
        _ type: Document.Type, from bytes: [UInt8], what: @autoclosure () -> String
    ) throws(ProvisionerError) -> Document {
        guard bytes.count <= ProvisionerLimits.configurationBytes else {
            throw ProvisionerError(
                .configuration,
                "\(what()) has \(bytes.count) bytes, above the limit of \(ProvisionerLimits.configurationBytes)")
        }
        guard depth(of: bytes) <= ProvisionerLimits.configurationDepth else {
            throw ProvisionerError(
                .configuration,
                "\(what()) has more than \(ProvisionerLimits.configurationDepth) levels of values in one another")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw ProvisionerError(.configuration, "\(what()) is malformed: \(reason(error))", cause: error)
        } catch {
            throw ProvisionerError(.configuration, "\(what()) is no JSON", cause: error)
        }
    }

    /// The most brackets that are open at a time, outside strings.
    static func depth(of bytes: [UInt8]) -> Int {
        var (depth, deepest) = (0, 0)
        var (isText, isEscaped) = (false, false)
        for byte in bytes {
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                deepest = max(deepest, depth)
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        return deepest
    }

    private static func reason(_ error: DecodingError) -> String {
        func place(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? "at its top" : "at \(path)"
        }
        return switch error {
        case .typeMismatch(_, let context): "a value of the wrong type \(place(context))"
        case .valueNotFound(_, let context): "a value is missing \(place(context))"
        case .keyNotFound(let key, let context): "\(key.stringValue) is missing \(place(context))"
        case .dataCorrupted(let context): "it is no JSON \(place(context))"
        @unknown default: "it is not what it should be"
        }
    }
}
