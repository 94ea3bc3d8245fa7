import CASCore
import FixtureTrees
import Foundation
import Signing
import Testing

/// Random damage; each run has another seed, which it prints.
@Suite("Random damage")
struct FuzzTests {
    @Test("to what a server sends is refused, or changes nothing", arguments: RepositoryFiles.small)
    func server(files: RepositoryFiles) throws {
        let right = try files.verify()
        let whitelist = try #require(files.whitelist)
        var generator = SeededGenerator(for: #function)
        for round in 0..<1500 {
            var damaged = files
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: damaged.manifest = damage(files.manifest, &generator)
            case 1: damaged.whitelist = damage(whitelist, &generator)
            default: damaged.certificate = damage(files.certificate, &generator)
            }
            let outcome = Result { try damaged.verify() }
            if case .success(let trusted) = outcome {
                #expect(trusted == right, "seed \(generator.seed), round \(round)")
            }
        }
    }

    @Test("to a manifest that is signed all the same gives an error, or a manifest that can be written again")
    func signedManifest() throws {
        let text = try Manifest(unverified: RepositoryFiles.small[0].manifest).serialized()
        var generator = SeededGenerator(for: #function)
        var accepted = 0
        for round in 0..<20_000 {
            let damaged = damage(text, &generator)
            let outcome = Result { try Manifest(text: damaged) }
            switch outcome {
            case .success(let manifest):
                accepted += 1
                // What a first line of two dashes hides is not read; all else is kept.
                let again = Result { try Manifest(text: manifest.serialized()) }
                #expect((try? again.get()) == manifest, "seed \(generator.seed), round \(round)")
            case .failure(let error):
                #expect((error as? SigningError)?.code == .manifestMalformed, "seed \(generator.seed), round \(round)")
            }
        }
        // Damage is often to hashes' digits, which stay hashes: both outcomes must have been seen.
        #expect(accepted > 100 && accepted < 19_900, "\(accepted), seed \(generator.seed)")
    }

    @Test("to a whitelist's text gives an error, or a whitelist that can be written again")
    func whitelistText() throws {
        let text = try Whitelist(
            issued: RepositoryFiles.testNow, expires: UnixTime(RepositoryFiles.testNow.seconds + 7200), name: "demo",
            entries: [
                .init(TestKeys.certificate.fingerprint(.shake128), comment: "of 2026"),
                .init(TestKeys.otherCertificate.fingerprint(.sha1)),
            ]
        ).serialized()
        var generator = SeededGenerator(for: #function)
        var accepted = 0
        for round in 0..<20_000 {
            let outcome = Result { try Whitelist(unverified: damage(text, &generator)) }
            switch outcome {
            case .success(let whitelist):
                accepted += 1
                let again = Result { try Whitelist(unverified: whitelist.serialized()) }
                let isSame =
                    (try? again.get()).map {
                        $0.expires == whitelist.expires && $0.name == whitelist.name && $0.entries == whitelist.entries
                            && $0.needsPKCS7 == whitelist.needsPKCS7 && $0.needsCAChain == whitelist.needsCAChain
                    } ?? false
                #expect(isSame, "seed \(generator.seed), round \(round)")
            case .failure(let error):
                #expect((error as? SigningError)?.code == .whitelistMalformed, "seed \(generator.seed), round \(round)")
            }
        }
        #expect(accepted > 100 && accepted < 19_900, "\(accepted), seed \(generator.seed)")
    }

    @Test("to the DER of certificates and keys gives an error, or something that works")
    func der() throws {
        let certificate = TestKeys.certificate
        let key = try MasterKey.all(inPEM: TestKeys.master.masterKey.pem)[0]
        let keyText = key.pem
        let letter = try SignedLetter(parsing: RepositoryFiles.signed().manifest, as: .manifest)
        var generator = SeededGenerator(for: #function)
        for _ in 0..<3000 {
            let damaged = pem("CERTIFICATE", damage(certificate.der, &generator))
            if let read = try? Certificate(pem: damaged) {
                // All of it can be used: whatever key it has verifies, or does not.
                _ = read.fingerprint(.sha1)
                _ = read.subject.count
                _ = try? TrustChain(pinning: read.fingerprint(.sha1)).verify(
                    manifest: letter.serialized, whitelist: nil, certificate: damaged, name: "demo.example.org",
                    at: RepositoryFiles.testNow)
            }
            let der = damage(base64Decoded(keyText), &generator)
            if let read = try? MasterKey(pem: pem("PUBLIC KEY", der)) {
                var files = try RepositoryFiles.signed()
                files.chain = TrustChain(masterKeys: [read])
                if (try? files.verify()) != nil { #expect(read == key, "seed \(generator.seed)") }
            }
        }
    }

    @Test("to breadcrumbs and blacklists gives nothing, or something that can be used")
    func own() throws {
        var generator = SeededGenerator(for: #function)
        let crumb = Array("\(RepositoryFiles.hash("root"))T1795500000R7\n".utf8)
        let list = Array("\(TestKeys.certificate.fingerprint(.sha1)) # mine\n<demo.example.org 7\n".utf8)
        for _ in 0..<20_000 {
            if let read = Breadcrumb(parsing: damage(crumb, &generator)) {
                #expect(Breadcrumb(parsing: read.serialized) == read, "seed \(generator.seed)")
            }
            let blacklist = try Blacklist(parsing: damage(list, &generator))
            _ = blacklist.refuses(TestKeys.otherCertificate)
            _ = blacklist.refuses(revision: 7, of: "demo.example.org")
        }
    }

    @Test("that is all there is, is refused")
    func noise() {
        var generator = SeededGenerator(for: #function)
        for _ in 0..<3000 {
            let noise = (0..<Int.random(in: 0..<300, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            #expect(code(try Manifest(unverified: noise)) == .manifestMalformed, "seed \(generator.seed)")
            #expect(code(try Whitelist(unverified: noise)) == .whitelistMalformed, "seed \(generator.seed)")
            #expect(code(try Certificate(pem: noise)) == .certificateMalformed, "seed \(generator.seed)")
            #expect(code(try MasterKey(pem: noise)) == .keyMalformed, "seed \(generator.seed)")
            #expect(Breadcrumb(parsing: noise) == nil, "seed \(generator.seed)")
        }
    }

    /// One to four changes: a bit, a byte, a cut, a repetition, an insertion, a line moved.
    private func damage(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            guard !bytes.isEmpty else { return [] }
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            let end = Swift.min(bytes.count, index + Int.random(in: 1...40, using: &generator))
            switch Int.random(in: 0..<7, using: &generator) {
            case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 1: bytes[index] = UInt8.random(in: 0...255, using: &generator)
            case 2: bytes.removeSubrange(index..<end)
            case 3: bytes.insert(contentsOf: bytes[index..<end], at: index)
            case 4: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: index)
            case 5:
                // What these formats are made of does more than noise.
                let tokens = [
                    "\n", "--\n", "\n--\n", "-", "0", "9999999999999999999", ":", "#", " ", "Vpkcs7\n", "Z", "E",
                ]
                bytes.insert(contentsOf: Array((tokens.randomElement(using: &generator) ?? "").utf8), at: index)
            default:
                var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
                lines.swapAt(
                    Int.random(in: 0..<lines.count, using: &generator),
                    Int.random(in: 0..<lines.count, using: &generator))
                bytes = Array(lines.joined(separator: [0x0A]))
            }
        }
        return bytes
    }

    private func pem(_ label: String, _ der: [UInt8]) -> [UInt8] {
        Array("-----BEGIN \(label)-----\n\(Data(der).base64EncodedString())\n-----END \(label)-----\n".utf8)
    }

    private func base64Decoded(_ pem: [UInt8]) -> [UInt8] {
        let lines = String(decoding: pem, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("-") }
        return Array(Data(base64Encoded: lines.joined()) ?? Data())
    }
}
