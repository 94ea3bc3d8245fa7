internal import CASCore

/// Resolves a path inside a root as `openat2` does with RESOLVE_IN_ROOT: symlinks are followed, absolute ones start
/// again at the root, and `..` in the root stays there.
///
/// A value without I/O: whoever drives it looks entries up and tells it what they are.
struct PathResolution {
    /// As the kernel has it (MAXSYMLINKS).
    static let maximumSymlinks = 40
    /// Components still to walk; a chain of symlinks can make it grow.
    static let maximumComponents = 4096

    enum Step: Equatable {
        /// Look this path up (it is inside the root, but relative to it) and call `found`.
        case lookUp(RepositoryPath)
        /// Done: this is where the path leads.
        case resolved(RepositoryPath)
        case failed(Failure)
    }

    enum Failure: Error, Equatable {
        case notADirectory(RepositoryPath)
        case tooManySymlinks(RepositoryPath)
        case tooLong
    }

    enum Found {
        case directory
        case symlink(target: [UInt8])
        case other
    }

    private var current = RepositoryPath.root
    // Last component first, so that the next one is at the end.
    private var pending: [[UInt8]]
    private var symlinks = 0
    private let followsLast: Bool
    /// A trailing slash demands a directory, and follows a symlink to it.
    private var mustBeDirectory: Bool

    /// - Parameters:
    ///   - path: any bytes; relative paths start at the root.
    ///   - followsLast: whether a symlink at the path's end is followed.
    init(_ path: [UInt8], followsLast: Bool) {
        pending = Self.components(path)
        mustBeDirectory = Self.demandsDirectory(path)
        self.followsLast = followsLast
    }

    /// What to do next.
    mutating func next() -> Step {
        while let component = pending.last {
            if component == [UInt8(ascii: ".")] {
                pending.removeLast()
            } else if component == [UInt8(ascii: "."), UInt8(ascii: ".")] {
                pending.removeLast()
                current = current.parent ?? .root
            } else {
                return .lookUp(current.appending(FileName(bytes: component)))
            }
        }
        return .resolved(current)
    }

    /// Tells what the path of the last `lookUp` is.
    mutating func found(_ found: Found) -> Failure? {
        guard let component = pending.popLast() else { return nil }
        let path = current.appending(FileName(bytes: component))
        let isLast = pending.isEmpty
        switch found {
        case .directory:
            current = path
        case .other:
            if !isLast || mustBeDirectory { return .notADirectory(path) }
            current = path
        case .symlink(let target):
            if isLast && !followsLast && !mustBeDirectory {
                current = path
                return nil
            }
            symlinks += 1
            if symlinks > Self.maximumSymlinks || target.isEmpty { return .tooManySymlinks(path) }
            if target.first == UInt8(ascii: "/") { current = .root }
            if isLast && Self.demandsDirectory(target) { mustBeDirectory = true }
            pending.append(contentsOf: Self.components(target))
            if pending.count > Self.maximumComponents { return .tooLong }
        }
        return nil
    }

    private static func components(_ path: [UInt8]) -> [[UInt8]] {
        path.split(separator: UInt8(ascii: "/")).reversed().map(Array.init)
    }

    private static func demandsDirectory(_ path: [UInt8]) -> Bool {
        guard let last = path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).last else {
            return false
        }
        return last.isEmpty || last.elementsEqual([UInt8(ascii: ".")])
            || last.elementsEqual([UInt8(ascii: "."), UInt8(ascii: ".")])
    }
}
