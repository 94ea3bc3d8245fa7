import Testing

/// Expects the same bytes; says where they differ. (`#expect` would search long arrays for the shortest edit between
/// them, which takes minutes.)
func expectSame(
    _ found: [UInt8]?, _ expected: [UInt8], _ comment: @autoclosure () -> Comment = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard found != expected else { return }
    guard let found else {
        Issue.record("no bytes instead of \(expected.count): \(comment())", sourceLocation: sourceLocation)
        return
    }
    let first = zip(found, expected).enumerated().first { $0.element.0 != $0.element.1 }
    let place = first.map { "they differ from byte \($0.offset) on" } ?? "one is the beginning of the other"
    Issue.record(
        "\(found.count) bytes instead of \(expected.count), \(place): \(comment())", sourceLocation: sourceLocation)
}
