internal import COpenSSL

/// One `-----BEGIN label-----` block of a PEM text.
struct PEMBlock {
    let label: String
    let der: [UInt8]
    /// Whether its content is encrypted by a header of its own (`Proc-Type`), the old way.
    let isEncrypted: Bool

    /// All blocks of a text, up to a damaged one; text between them is skipped.
    ///
    /// Blocks are taken apart before anything looks at them as keys, since OpenSSL's readers of keys ask the terminal
    /// for a password when an encrypted one is slipped to them.
    ///
    /// - Returns: the blocks, and whether a damaged one ended them.
    static func blocks(in text: [UInt8]) -> (blocks: [PEMBlock], isDamaged: Bool) {
        let source = MemoryBIO(reading: text)
        var blocks: [PEMBlock] = []
        defer { takeOpenSSLError() }
        while true {
            var name: UnsafeMutablePointer<CChar>?
            var header: UnsafeMutablePointer<CChar>?
            var data: UnsafeMutablePointer<UInt8>?
            var count = 0
            guard source.withBIO({ PEM_read_bio($0, &name, &header, &data, &count) }) == 1 else {
                return (blocks, ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
            }
            defer {
                CRYPTO_free(name, #file, #line)
                CRYPTO_free(header, #file, #line)
                // It may have been a private key.
                CRYPTO_clear_free(data, max(0, count), #file, #line)
            }
            guard let name, let header, let data, count >= 0 else { return (blocks, true) }
            blocks.append(
                PEMBlock(
                    label: String(cString: name), der: Array(UnsafeBufferPointer(start: data, count: count)),
                    isEncrypted: header.pointee != 0))
        }
    }

    /// A block as text.
    static func text(label: String, der: [UInt8]) -> [UInt8] {
        let sink = MemoryBIO()
        let written = sink.withBIO { PEM_write_bio($0, label, "", der, der.count) }
        precondition(written > 0, "no memory for a PEM text")
        return sink.contents
    }
}
