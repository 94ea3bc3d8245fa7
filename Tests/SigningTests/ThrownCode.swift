import Signing
import Testing

/// The code of the `SigningError` that is thrown; `nil` when nothing is. Anything else that is thrown is an issue.
func code<Value>(_ body: @autoclosure () throws -> Value) -> SigningError.Code? {
    do {
        _ = try body()
        return nil
    } catch let error as SigningError {
        return error.code
    } catch {
        Issue.record(error)
        return nil
    }
}
