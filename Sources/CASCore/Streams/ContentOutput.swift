/// Where the plain content of an object goes while it is unpacked.
///
/// What is written is not verified until the decoder's `finish()` has succeeded, so nobody may see it before.
package protocol ContentOutput: AnyObject, Sendable {
    /// Forgets everything written so far.
    func restart() throws(CASError)

    /// Takes the next bytes of the plain content.
    func write(_ bytes: RawSpan) throws(CASError)
}
