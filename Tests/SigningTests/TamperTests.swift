import CASCore
import Signing
import Testing

@Suite("What was altered on the way")
struct TamperTests {
    /// Every single bit and all at once in one repository, the extremes in the others.
    private static func masks(for files: RepositoryFiles) -> [UInt8] {
        files.name == RepositoryFiles.small[0].name ? (0..<8).map { 1 << $0 } + [0xFF] : [0x01, 0x80, 0xFF]
    }

    @Test("is refused for every byte of the manifest", arguments: RepositoryFiles.small)
    func manifestBits(files: RepositoryFiles) throws {
        #expect(throws: Never.self) { try files.verify() }
        try Self.eachFlip(of: files.manifest, by: Self.masks(for: files)) { altered, place in
            let found = code(try files.with { $0.manifest = altered }.verify())
            #expect(found != nil, "\(files.name), \(place)")
        }
    }

    @Test("is refused for every byte of the whitelist", arguments: RepositoryFiles.small)
    func whitelistBits(files: RepositoryFiles) throws {
        try Self.eachFlip(of: try #require(files.whitelist), by: Self.masks(for: files)) { altered, place in
            let found = code(try files.with { $0.whitelist = altered }.verify())
            #expect(found != nil, "\(files.name), \(place)")
        }
    }

    @Test(
        "is refused for every byte of the certificate that means anything", arguments: RepositoryFiles.small.prefix(2))
    func certificateBits(files: RepositoryFiles) throws {
        let right = try files.verify()
        var harmless = 0
        Self.eachFlip(of: files.certificate, by: Self.masks(for: files)) { altered, place in
            let outcome = Result { try files.with { $0.certificate = altered }.verify() }
            guard case .success(let trusted) = outcome else { return }
            #expect(trusted == right, "\(files.name), \(place)")
            harmless += 1
        }
        // White space between the lines of Base64 is all that does not matter.
        #expect(harmless < 400, "\(harmless) altered bits were harmless")
    }

    @Test("is refused at every length that is too short", arguments: RepositoryFiles.small)
    func truncated(files: RepositoryFiles) throws {
        let right = try files.verify()
        for length in 0..<files.manifest.count {
            let found = code(try files.with { $0.manifest = Array(files.manifest[..<length]) }.verify())
            #expect(found != nil, "manifest of \(length) bytes")
        }
        let whitelist = try #require(files.whitelist)
        for length in 0..<whitelist.count {
            let found = code(try files.with { $0.whitelist = Array(whitelist[..<length]) }.verify())
            #expect(found != nil, "whitelist of \(length) bytes")
        }
        for length in 0..<files.certificate.count {
            let outcome = Result { try files.with { $0.certificate = Array(files.certificate[..<length]) }.verify() }
            // The last newline may be missing.
            guard case .success(let trusted) = outcome else { continue }
            #expect(trusted == right && length >= files.certificate.count - 1, "certificate of \(length) bytes")
        }
    }

    @Test("is refused when something is added behind or before", arguments: RepositoryFiles.small)
    func lengthened(files: RepositoryFiles) throws {
        let whitelist = try #require(files.whitelist)
        for extra: [UInt8] in [[0], [0x0A], Array("--\n".utf8), [UInt8](repeating: 0, count: 256)] {
            #expect(code(try files.with { $0.manifest += extra }.verify()) == .manifestSignatureWrong)
            #expect(code(try files.with { $0.whitelist = whitelist + extra }.verify()) == .whitelistSignatureWrong)
            #expect(code(try files.with { $0.manifest = extra + files.manifest }.verify()) != nil)
            #expect(code(try files.with { $0.whitelist = extra + whitelist }.verify()) != nil)
        }
    }

    @Test("is refused when an attacker knows to make the hash right", arguments: RepositoryFiles.small)
    func rehashed(files: RepositoryFiles) throws {
        let letter = try SignedLetter(parsing: files.manifest, as: .manifest)
        let whitelist = try SignedLetter(parsing: try #require(files.whitelist), as: .whitelist)
        for algorithm in HashAlgorithm.allCases {
            // The root catalog is another, and the text's hash says so.
            var text = letter.payload
            text[1] = text[1] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
            let forged = Self.unsigned(text, algorithm, signature: letter.signature)
            #expect(code(try files.with { $0.manifest = forged }.verify()) == .manifestSignatureWrong)

            // The whitelist lives longer.
            text = whitelist.payload
            text[16] = UInt8(ascii: "9")
            let renewed = Self.unsigned(text, algorithm, signature: whitelist.signature)
            #expect(code(try files.with { $0.whitelist = renewed }.verify()) == .whitelistSignatureWrong)

            // It asks for another kind of proof.
            var lines = whitelist.payload.split(separator: 0x0A).map(Array.init)
            lines.insert(Array("Vpkcs7".utf8), at: 3)
            let other = Self.unsigned(lines.flatMap { $0 + [0x0A] }, algorithm, signature: [])
            #expect(code(try files.with { $0.whitelist = other }.verify()) == .whitelistNeedsPKCS7)
        }
    }

    @Test("is refused when a signature of the other kind stands there")
    func otherScheme() throws {
        let files = try RepositoryFiles.signed()
        let manifest = try SignedLetter(
            signing: RepositoryFiles.testManifest.serialized(), as: .whitelist, algorithm: .sha1,
            with: TestKeys.publisher)
        #expect(code(try files.with { $0.manifest = manifest.serialized }.verify()) == .manifestSignatureWrong)
        let whitelist = try SignedLetter(
            signing: RepositoryFiles.testWhitelist().serialized(), as: .manifest, algorithm: .sha1,
            with: TestKeys.master)
        #expect(code(try files.with { $0.whitelist = whitelist.serialized }.verify()) == .whitelistSignatureWrong)
    }

    @Test("is refused when zeros before a signature are dropped, which changes no number")
    func shortenedSignature() throws {
        // One signature in 256 begins with a zero.
        var manifest = RepositoryFiles.testManifest
        var found: RepositoryFiles?
        while found == nil, manifest.revision < 20_000 {
            manifest.revision += 1
            let files = try RepositoryFiles.signed(manifest: manifest)
            if try SignedLetter(parsing: files.manifest, as: .manifest).signature[0] == 0 { found = files }
        }
        let files = try #require(found)
        #expect(throws: Never.self) { try files.verify() }
        let letter = try SignedLetter(parsing: files.manifest, as: .manifest)
        let cut = letter.serialized.dropLast(letter.signature.count) + letter.signature.dropFirst()
        #expect(code(try files.with { $0.manifest = Array(cut) }.verify()) == .manifestSignatureWrong)
    }

    /// A letter with a hash that fits and whatever signature.
    static func unsigned(_ text: [UInt8], _ algorithm: HashAlgorithm, signature: [UInt8]) -> [UInt8] {
        let hash = ContentHash(hashing: text.span.bytes, with: algorithm)
        return text + Array("--\n\(hash)\n".utf8) + signature
    }

    private static func eachFlip(of bytes: [UInt8], by masks: [UInt8], _ body: ([UInt8], String) throws -> Void)
        rethrows
    {
        for index in bytes.indices {
            for mask in masks {
                var altered = bytes
                altered[index] ^= mask
                try body(altered, "byte \(index) ^ \(mask)")
            }
        }
    }
}
