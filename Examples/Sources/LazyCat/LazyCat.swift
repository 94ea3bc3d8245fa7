// Prints one file out of a repository, and tells on standard error what that took: which objects were fetched, why,
// and how little of the file that is when only a part of it is wanted.
//
//     lazy-cat http://host/cvmfs/demo.example.org KEYS CACHE /usr/bin/env [OFFSET COUNT]

import CVMFS
import Foundation

@main
struct LazyCat {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 5 || arguments.count == 7 else {
            complain("usage: lazy-cat URL KEYS CACHE PATH [OFFSET COUNT]")
            exit(64)
        }
        do {
            let events = try await printFile(
                url: arguments[1], keys: arguments[2], cache: arguments[3], path: arguments[4],
                part: arguments.count == 7 ? (Int64(arguments[5]) ?? 0, Int(arguments[6]) ?? 0) : nil)
            // The repository is gone, so its events end after those that have been waiting here.
            for await event in events { complain("fetched \(event.reason): \(event.bytes) bytes from \(event.source)") }
        } catch {
            // Every error says in one line what failed, where, and what to do about it.
            complain("lazy-cat: \(error)")
            exit(1)
        }
    }

    static func printFile(
        url: String, keys: String, cache: String, path: String, part: (offset: Int64, count: Int)?
    ) async throws -> AsyncStream<FetchEvent> {
        let name = String(url.split(separator: "/").last ?? "")
        let repository = try await Repository.open(
            name, from: [url], trusting: .masterKeys(in: FilePath(keys)), cache: DiskStore(at: FilePath(cache)))
        // What opening took is in the totals; from here on each fetch is an event.
        let events = repository.events()

        // An image resolves symlinks as a process inside it would see them.
        let image = try await repository.snapshot().image()
        let file = try await image.snapshot.file(image.entry(at: ImagePath(path)))
        if let part {
            try FileDescriptor.standardOutput.writeAll(await file.read(part.count, at: part.offset))
        } else {
            for try await piece in file.contents() { try FileDescriptor.standardOutput.writeAll(piece) }
        }
        let totals = repository.totals
        complain("\(totals.objects) objects, \(totals.bytes) bytes; the file has \(file.size), \(file.availability)")
        return events
    }

    static func complain(_ text: String) { FileHandle.standardError.write(Data("\(text)\n".utf8)) }
}
