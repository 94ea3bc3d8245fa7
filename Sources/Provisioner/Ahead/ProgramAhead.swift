internal import CVMFS
internal import Synchronization

/// Fetches what a program needs to start while its container is being made: the program, its loader and its libraries,
/// several at a time.
///
/// The kernel and the loader ask for them one after the other, each a round trip; who reads what they will read knows
/// the names before. Nothing is fetched that a start does not touch, unless the program looks elsewhere for a library.
/// A failure shows when the program comes there itself.
struct ProgramAhead: Sendable {
    private let image: Image
    /// `PATH` of the program.
    private let folders: [[UInt8]]
    private let seen = SeenPaths()

    init(_ image: Image, environment: [String]) {
        self.image = image
        let path = environment.last { $0.hasPrefix("PATH=") }.map { $0.dropFirst(5) } ?? "/usr/bin:/bin"
        folders = path.utf8.split(separator: UInt8(ascii: ":")).map(Array.init)
    }

    /// Fetches all that is found for a program. Ends early when the task is cancelled.
    func fetch(_ program: ContainerProgram) async {
        guard let word = program.words.first else { return }
        let folder = Array(program.folder.utf8)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await loadCatalogs() }
            group.addTask { await start(word, from: folder, depth: 0) }
        }
    }

    /// The kernel's own bound for scripts whose interpreters are scripts.
    private static let depth = 5

    private func start(_ program: [UInt8], from folder: [UInt8], depth: Int) async {
        guard depth < Self.depth, let head = await head(ofProgram: program, from: folder) else { return }
        await withTaskGroup(of: Void.self) { group in
            if let interpreter = head.interpreter.first {
                group.addTask { await start(interpreter, from: folder, depth: depth + 1) }
                // The GNU loader's list of libraries, which it reads first.
                if head.isELF { group.addTask { _ = await fetch(file: Array("/etc/ld.so.cache".utf8)) } }
                // `#!/usr/bin/env python3`
                if interpreter.split(separator: UInt8(ascii: "/")).last?.elementsEqual("env".utf8) == true,
                    let word = head.interpreter.dropFirst().first
                {
                    group.addTask { await start(word, from: folder, depth: depth + 1) }
                }
            }
            group.addTask { await fetch(libraries: head) }
        }
    }

    private func head(ofProgram program: [UInt8], from folder: [UInt8]) async -> ProgramHead? {
        let slash = UInt8(ascii: "/")
        if program.contains(slash) {
            return await fetch(file: program.first == slash ? program : folder + [slash] + program)
        }
        for place in folders {
            let path = place + [slash] + program
            if (try? await image.entry(at: ImagePath(bytes: path)))?.kind == .file { return await fetch(file: path) }
        }
        return nil
    }

    private func fetch(libraries head: ProgramHead) async {
        let places = Self.libraryFolders(head.architecture)
        await withTaskGroup(of: Void.self) { group in
            for library in head.libraries {
                group.addTask {
                    guard let path = await find(library, in: places), let head = await fetch(file: path) else { return }
                    await fetch(libraries: head)
                }
            }
        }
    }

    private func find(_ library: [UInt8], in places: [String]) async -> [UInt8]? {
        if library.contains(UInt8(ascii: "/")) { return library }
        for place in places {
            let path = Array("\(place)/".utf8) + library
            if (try? await image.entry(at: ImagePath(bytes: path))) != nil { return path }
        }
        return nil
    }

    /// The catalogs that programs and libraries lie in, before it is known which.
    private func loadCatalogs() async {
        await withTaskGroup(of: Void.self) { group in
            for place in Self.libraryFolders(Self.architecture) {
                group.addTask { _ = try? await image.entry(at: ImagePath("\(place)/.")) }
            }
        }
    }

    private static func libraryFolders(_ architecture: String?) -> [String] {
        (architecture.map { ["/lib/\($0)", "/usr/lib/\($0)"] } ?? []) + ["/lib64", "/lib", "/usr/lib64", "/usr/lib"]
    }

    #if arch(x86_64)
        private static let architecture: String? = "x86_64-linux-gnu"
    #elseif arch(arm64)
        private static let architecture: String? = "aarch64-linux-gnu"
    #else
        private static let architecture: String? = nil
    #endif

    /// Fetches a file unless that has been done, and says what it will make others read. Of a file in chunks only the
    /// parts that say so are fetched, which are read anyway.
    private func fetch(file path: [UInt8]) async -> ProgramHead? {
        guard let entry = try? await image.entry(at: ImagePath(bytes: path)), entry.kind == .file,
            seen.add(entry.path), let file = try? await image.snapshot.file(entry)
        else { return nil }
        return try? await ProgramHead.of { try await file.read($0, at: $1) }
    }
}

/// Files that were looked at, each once; bounded.
private final class SeenPaths: Sendable {
    private static let limit = 512
    private let paths = Mutex<Set<RepositoryPath>>([])

    func add(_ path: RepositoryPath) -> Bool {
        paths.withLock { $0.count < Self.limit && $0.insert(path).inserted }
    }
}
