import Glibc

/// Reads a file in a thread, not the process's first, to which all signals go; prints the content's digest or the error.
final class SignalledReading: Sendable {
    private let path: String

    init(path: String) { self.path = path }

    func run() {
        // Those that only tell something have handlers as language runtimes and shells have them.
        for number in [SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGUSR1] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { _ in }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
        signal(SIGUSR2, SIG_IGN)
        var all = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, nil)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                var none = sigset_t()
                sigemptyset(&none)
                pthread_sigmask(SIG_SETMASK, &none, nil)
                Unmanaged<SignalledReading>.fromOpaque(context!).takeRetainedValue().read()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_join(thread, nil)
    }

    private func read() {
        let file = open(path, O_RDONLY)
        guard file >= 0, let digest = digest(of: file) else { return print("failed \(errno)") }
        print(digest)
    }
}
