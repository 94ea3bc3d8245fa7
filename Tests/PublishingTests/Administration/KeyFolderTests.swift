import LocalServers
import Publishing
import Signing
import SystemPackage
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("The folder with the keys")
struct KeyFolderTests {
    private func keys(_ folder: borrowing TemporaryFolder) throws -> KeyFolder {
        try KeyFolder(
            at: FilePath("\(folder.path)/keys"), repository: "a.example.org",
            storage: FilePath("\(folder.path)/storage"))
    }

    private func mode(_ path: FilePath) -> UInt32 {
        var status = stat()
        _ = path.withPlatformString { stat($0, &status) }
        return status.st_mode & 0o7777
    }

    @Test("all four are made, private ones for the owner alone, and fit together")
    func complete() throws {
        let folder = try TemporaryFolder("keys")
        let keys = try keys(folder)
        try keys.complete(at: UnixTime(1_700_000_000), bits: 1024)
        let master = try keys.privateMasterKey().masterKey
        #expect(try keys.masterKeys() == [master])
        let signer = try keys.signer()
        #expect(signer.certificate.subject == "CN=a.example.org CernVM-FS Release Managers")
        #expect(signer.certificate.notBefore == UnixTime(1_700_000_000))
        #expect(mode(keys.file(.privateKey)) == 0o600)
        #expect(mode(keys.file(.privateMasterKey)) == 0o600)
        #expect(mode(keys.file(.certificate)) == 0o644)
        #expect(keys.warnings().isEmpty)

        // Again: nothing changes.
        let before = KeyFolder.Part.allCases.map { readFile(keys.file($0).string) }
        try keys.complete(at: UnixTime(0), bits: 1024)
        #expect(KeyFolder.Part.allCases.map { readFile(keys.file($0).string) } == before)
    }

    @Test("what can be derived is made, what cannot is an error, and nothing is overwritten")
    func partial() throws {
        let folder = try TemporaryFolder("keys")
        let keys = try keys(folder)
        try keys.complete(at: UnixTime(0), bits: 1024)
        let key = readFile(keys.file(.privateKey).string)
        unlink(keys.file(.certificate).string)
        unlink(keys.file(.masterKey).string)
        try keys.complete(at: UnixTime(0), bits: 1024)
        #expect(readFile(keys.file(.privateKey).string) == key)
        _ = try keys.signer()

        unlink(keys.file(.privateKey).string)
        #expect(throws: PublishingError.self) { try keys.complete(at: UnixTime(0), bits: 1024) }
        #expect(readFile(keys.file(.privateKey).string) == nil)

        try writeFile(RSAPrivateKey(generatingBits: 1024).pem, to: keys.file(.privateKey).string)
        #expect(throws: PublishingError.self) { try keys.signer() }
        #expect(throws: PublishingError.self) { try keys.complete(at: UnixTime(0), bits: 1024) }
    }

    @Test("keys that others can read are warned of")
    func modes() throws {
        let folder = try TemporaryFolder("keys")
        let keys = try keys(folder)
        try keys.complete(at: UnixTime(0), bits: 1024)
        chmod(keys.file(.privateKey).string, 0o640)
        #expect(keys.warnings().count == 1)
        #expect(keys.warnings().first?.contains("a.example.org.key") == true)
    }

    @Test("keys in the folder that is served are refused, by whatever path")
    func placement() throws {
        let folder = try TemporaryFolder("keys")
        mkdir("\(folder.path)/storage", 0o755)
        symlink("storage", "\(folder.path)/link")
        for path in ["storage", "storage/keys", "link", "link/deep/er", "storage/../storage/x"] {
            #expect(throws: PublishingError.self) {
                try KeyFolder(
                    at: FilePath("\(folder.path)/\(path)"), repository: "a.b",
                    storage: FilePath("\(folder.path)/storage"))
            }
        }
        _ = try KeyFolder(
            at: FilePath("\(folder.path)/storage-keys"), repository: "a.b", storage: FilePath("\(folder.path)/storage"))
    }
}
