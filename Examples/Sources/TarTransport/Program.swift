// Reads a repository out of a tar file, and proves that the transport which does so is a good one.
//
//     tar-transport check
//     tar-transport FILE.tar NAME KEYS CACHE PATH

import CVMFS
import Foundation

@main
struct Program {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            if arguments == ["check"] {
                try await Conformance.check()
                print("the transport keeps every promise")
            } else if arguments.count == 5 {
                let bytes = try await read(
                    arguments[4], of: arguments[1], in: FilePath(arguments[0]), keys: FilePath(arguments[2]),
                    cache: FilePath(arguments[3]))
                try FileDescriptor.standardOutput.writeAll(bytes)
            } else {
                complain("usage: tar-transport check | FILE.tar NAME KEYS CACHE PATH")
                exit(64)
            }
        } catch {
            complain("tar-transport: \(error)")
            exit(1)
        }
    }

    static func read(
        _ path: String, of name: String, in tar: FilePath, keys: FilePath, cache: FilePath
    ) async throws -> [UInt8] {
        let repository = try await Repository.open(
            name, through: TarTransport(at: tar), trusting: .masterKeys(in: keys), cache: DiskStore(at: cache))
        return try await repository.snapshot().file(RepositoryPath(path)).readAll()
    }

    static func complain(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}
