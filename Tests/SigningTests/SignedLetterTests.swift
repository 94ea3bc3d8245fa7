import CASCore
import Signing
import Testing

@Suite("Signed letter")
struct SignedLetterTests {
    @Test("is read as it was written", arguments: SignedLetter.Kind.allCases, HashAlgorithm.allCases)
    func roundTrip(kind: SignedLetter.Kind, algorithm: HashAlgorithm) throws {
        for text in ["\n", "a\n", "a\n\nb\n", "--x\n", "-\n--\t\n", "a\n-- \n"] {
            let letter = try SignedLetter(
                signing: Array(text.utf8), as: kind, algorithm: algorithm, with: TestKeys.master)
            #expect(try SignedLetter(parsing: letter.serialized, as: kind) == letter)
            #expect(letter.payload == Array(text.utf8))
            #expect(letter.hash.algorithm == algorithm)
            #expect(letter.signature.count == 128)
        }
    }

    @Test("ends its text at the first line of two dashes, wherever else they are")
    func firstSeparator() throws {
        let text = Array("--\na\n".utf8)
        let hash = ContentHash(hashing: text.span.bytes, with: .sha1)
        let signature = Array("sig\n--\nnature".utf8)
        let letter = try SignedLetter(parsing: text + Array("--\n\(hash)\n".utf8) + signature, as: .manifest)
        #expect(letter.payload == text)
        #expect(letter.signature == signature)
    }

    @Test("has a hash in its only spelling")
    func spelling() {
        let text = Array("abc\n".utf8)
        let hash = ContentHash(hashing: text.span.bytes, with: .sha1)
        let file = { (spelling: String) in text + Array("--\n\(spelling)\n".utf8) }
        #expect(code(try SignedLetter(parsing: file("\(hash)"), as: .manifest)) == nil)
        #expect(code(try SignedLetter(parsing: file("\(hash)".uppercased()), as: .manifest)) == .manifestHashMismatch)
        #expect(code(try SignedLetter(parsing: file("\(hash)-rmd160"), as: .whitelist)) == .whitelistHashMismatch)
        for wrong in [
            "\(hash) ", " \(hash)", "\(hash)\r", "\(hash)C", "", "\(hash)-sha1", "\(hash.hexadecimal.dropLast())",
        ] {
            #expect(code(try SignedLetter(parsing: file(wrong), as: .manifest)) == .manifestMalformed)
            #expect(code(try SignedLetter(parsing: file(wrong), as: .whitelist)) == .whitelistMalformed)
        }
    }

    @Test(
        "is not found in what is none",
        arguments: [
            "", "\n", "--\n", "--", "a", "a\n", "a\n--", "a\n--\n", "a\n--\nb", "\n\n--", "a--\nb\n", "a\r\n--\r\n",
        ])
    func none(text: String) {
        #expect(code(try SignedLetter(parsing: Array(text.utf8), as: .manifest)) == .manifestMalformed)
        #expect(code(try SignedLetter(parsing: Array(text.utf8), as: .whitelist)) == .whitelistMalformed)
    }

    @Test(
        "is not made of a text that would end early, or has no end",
        arguments: ["", "a", "--\n", "a\n--\n", "a\n--\nb\n"])
    func unsignable(text: String) {
        let make = { () throws -> SignedLetter in
            try SignedLetter(signing: Array(text.utf8), as: .manifest, algorithm: .sha1, with: TestKeys.master)
        }
        #expect(code(try make()) == .cannotSign)
    }

    @Test("is read up to its bound and refused above it", arguments: SignedLetter.Kind.allCases)
    func bound(kind: SignedLetter.Kind) {
        let limit = kind == .manifest ? TrustLimits.manifestBytes : TrustLimits.whitelistBytes
        // Nothing but newlines, or all dashes: what a slow search would take long for.
        for filler: UInt8 in [0x0A, 0x2D, 0x00] {
            let largest = [UInt8](repeating: filler, count: limit)
            #expect(
                code(try SignedLetter(parsing: largest, as: kind))
                    == (kind == .manifest ? .manifestMalformed : .whitelistMalformed))
            #expect(code(try SignedLetter(parsing: largest + [filler], as: kind)) == .tooLarge)
        }
    }
}
