// Proves who published a repository, from files alone, and prints what is proven.
//
//     verify-manifest FOLDER KEY
//
// FOLDER is a repository as a server keeps it (`.cvmfspublished` is in it), and its name that of the repository. Nothing
// here opens a connection or a database: `Signing` links neither curl nor SQLite.

import CASCore
import Foundation
import Signing

@main
struct VerifyManifest {
    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count == 3 else {
            complain("usage: verify-manifest FOLDER KEY")
            exit(64)
        }
        do {
            try verify(folder: URL(filePath: arguments[1]), keyFile: URL(filePath: arguments[2]))
        } catch let error as SigningError {
            // The code tells each way apart in which the chain can be wrong.
            complain("not trusted (\(error.code)): \(error)")
            exit(1)
        } catch {
            complain("verify-manifest: \(error)")
            exit(1)
        }
    }

    static func verify(folder: URL, keyFile: URL) throws {
        func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: folder.appending(path: path))) }

        // The manifest says which certificate has signed it. That is not believed yet, only fetched.
        let manifest = try bytes(".cvmfspublished")
        let named = try Manifest(unverified: manifest)
        guard let object = named.certificateObject else { throw CocoaError(.fileReadCorruptFile) }
        let stored = try bytes(named.serverPath(of: object))
        let certificate = try object.unpack(stored.span.bytes, size: .atMost(Int64(TrustLimits.certificateBytes)))

        let keys = try MasterKey.all(inPEM: [UInt8](Data(contentsOf: keyFile)))
        let now = UnixTime(Int64(Date.now.timeIntervalSince1970))
        let trusted = try TrustChain(masterKeys: keys).verify(
            manifest: manifest, whitelist: bytes(".cvmfswhitelist"), certificate: certificate,
            name: folder.lastPathComponent, at: now)

        print("repository    \(trusted.name)")
        print("revision      \(trusted.manifest.revision)")
        print("root catalog  \(trusted.manifest.rootCatalog)")
        print("signed        \(trusted.manifest.published?.description ?? "at an unknown time")")
        print("signed by     \(trusted.certificate.subject)")
        print("fingerprint   \(trusted.approval.fingerprint)")
        print("approved till \(trusted.whitelist?.expires.description ?? "for ever")")
    }

    static func complain(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}
