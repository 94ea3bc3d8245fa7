internal import CASCore
internal import Catalog

/// Paths that a program is known to touch, in the order of its need.
public struct AccessProfile: Sendable, Hashable {
    public var paths: [ImagePath]

    public init(_ paths: [ImagePath]) { self.paths = paths }
}

/// What a prefetch did.
public struct PrefetchReport: Sendable {
    /// Files whose content is complete in the cache now.
    public var complete = 0
    /// Directories, symlinks and such: nothing to fetch.
    public var withoutContent = 0
    /// Files that could not be fetched, and why.
    public var failures: [(path: ImagePath, error: any Error)] = []
}

extension Image {
    /// Fetches the content of files ahead of need, several at a time, while whatever is demanded overtakes it.
    ///
    /// Does not throw: what cannot be fetched is in the report. Ends early when the task is cancelled.
    /// - Parameters:
    ///   - profile: what to fetch, first things first.
    ///   - progress: called after each file with the number done.
    @discardableResult
    public func prefetch(
        _ profile: AccessProfile, progress: @Sendable (Int) -> Void = { _ in }
    ) async -> PrefetchReport {
        var report = PrefetchReport()
        await withTaskGroup(of: (ImagePath, Result<Bool, any Error>).self) { group in
            var pending = profile.paths.makeIterator()
            var done = 0
            func startNext() {
                guard !Task.isCancelled, let path = pending.next() else { return }
                group.addTask(priority: .low) {
                    do { return (path, .success(try await fetchAhead(path))) } catch { return (path, .failure(error)) }
                }
            }
            for _ in 0..<CompositionLimits.parallelFetches { startNext() }
            while let (path, result) = await group.next() {
                done += 1
                switch result {
                case .success(true): report.complete += 1
                case .success(false): report.withoutContent += 1
                case .failure(let error): report.failures.append((path, error))
                }
                progress(done)
                startNext()
            }
        }
        return report
    }

    private func fetchAhead(_ path: ImagePath) async throws -> Bool {
        let entry = try await entry(at: path)
        guard entry.kind == .file else { return false }
        try await snapshot.file(entry).load(priority: .prefetch)
        return true
    }
}
