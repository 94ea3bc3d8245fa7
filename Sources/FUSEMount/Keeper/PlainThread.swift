internal import CPlatform
internal import SystemPackage

/// A thread of its own for what waits as long as a mount lives.
struct PlainThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private let name: String
    private let work: Work

    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        work = Work(body)
    }

    func start() throws(MountError) {
        let context = Unmanaged.passRetained(work)
        let error = cplatform_start_thread(
            name,
            { context in
                guard let context else { return }
                Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body()
            }, context.toOpaque())
        guard error == 0 else {
            context.release()
            throw MountError(.systemCall, "no thread can be started: \(Errno(rawValue: error))")
        }
    }
}
