/// A symlink's target whose variables are filled in when it is read. Source: format 3, symlink variables.
///
/// `$(NAME)` stands for the variable's value, `$(NAME:-default)` too, with a default for when it is not set. A `$` that
/// no `(` follows, and a `$(` without a later `)`, stand for themselves. Values are not expanded again.
public struct SymlinkTemplate: Sendable, Hashable {
    /// The target as it is stored.
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Whether there is anything to fill in.
    public var hasVariables: Bool { nextVariable(from: 0) != nil }

    /// The target with the values of the variables.
    ///
    /// - Parameter value: what a variable is set to, maybe to nothing; `nil` when it is not set.
    public func expanded(_ value: (_ name: [UInt8]) throws -> [UInt8]?) rethrows -> [UInt8] {
        var result: [UInt8] = []
        var position = 0
        while let variable = nextVariable(from: position) {
            result += bytes[position..<variable.start]
            result += try value(Array(variable.name)) ?? Array(variable.defaultValue)
            position = variable.end
        }
        return result + bytes[position...]
    }

    /// The target with values from a dictionary, for names and values that are text.
    public func expanded(_ environment: [String: String]) -> [UInt8] {
        expanded { environment[String(decoding: $0, as: UTF8.self)].map { Array($0.utf8) } }
    }

    private struct Variable {
        /// Where its `$` is.
        let start: Int
        /// Behind its `)`.
        let end: Int
        let name: ArraySlice<UInt8>
        let defaultValue: ArraySlice<UInt8>
    }

    private func nextVariable(from position: Int) -> Variable? {
        var start = position
        while let dollar = bytes[start...].firstIndex(of: UInt8(ascii: "$")) {
            start = dollar + 1
            guard start < bytes.count, bytes[start] == UInt8(ascii: "(") else { continue }
            guard let close = bytes[start...].firstIndex(of: UInt8(ascii: ")")) else { return nil }
            let content = bytes[(start + 1)..<close]
            let separator = content.indices.dropLast().first {
                content[$0] == UInt8(ascii: ":") && content[$0 + 1] == UInt8(ascii: "-")
            }
            return Variable(
                start: dollar, end: close + 1, name: content[..<(separator ?? close)],
                defaultValue: separator.map { content[($0 + 2)...] } ?? [])
        }
        return nil
    }
}
