/// Why a server for a test could not be started or asked.
package struct LocalServerError: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
