import Glibc

/// Runs a program to its end; throws with its output when it fails.
package func runToEnd(_ program: String, _ arguments: [String], log: String) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    var child: pid_t = 0
    var attributes = try SpawnAttributes()
    let error = withCStrings([program] + arguments) {
        posix_spawn(&child, program, &actions, &attributes.value, $0, environ)
    }
    guard error == 0 else { throw LocalServerError("\(program) cannot be started: errno \(error)") }
    var status: Int32 = 0
    while waitpid(child, &status, 0) == -1, errno == EINTR {}
    guard status == 0 else {
        let output = String(decoding: readFile(log) ?? [], as: UTF8.self)
        throw LocalServerError("\(program) failed with status \(status): \(output)")
    }
}

func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
}

/// No signal blocked: threads of Swift's pool block most, and a shell that never hears of its child waits for ever.
struct SpawnAttributes: ~Copyable {
    var value = posix_spawnattr_t()

    init() throws {
        var none = sigset_t()
        sigemptyset(&none)
        guard posix_spawnattr_init(&value) == 0, posix_spawnattr_setsigmask(&value, &none) == 0,
            posix_spawnattr_setflags(&value, Int16(POSIX_SPAWN_SETSIGMASK)) == 0
        else { throw LocalServerError("no memory to start a process") }
    }

    deinit {
        var value = value
        posix_spawnattr_destroy(&value)
    }
}
