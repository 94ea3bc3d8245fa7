import FixtureTrees
import Foundation
import LocalServers
import Testing

/// Containers of an ordinary user, and what the program prints of them, with an image that is published by the program.
@Suite("cvmfs run", .enabled(if: geteuid() == 0, "needs root, to become another user"))
struct RunToolTests {
    private static let name = "images.example.org"
    private static let user: UInt32 = 65533

    /// Publishes an image with a shell of this machine.
    private static func published(in folder: borrowing TemporaryFolder) throws -> [String] {
        let (root, log) = (folder.path + "/image", folder.path + "/log")
        try runToEnd(
            "/bin/sh",
            [
                "-ec",
                """
                mkdir -p "$1"
                for program in /bin/sh /bin/cat /usr/bin/id; do
                    for file in $program $(ldd $program | grep -o '/[^ :]*'); do
                        mkdir -p "$1$(dirname $file)"
                        cp -Lf $file "$1$file"
                    done
                done
                mkdir "$1/etc" "$1/proc" "$1/dev" "$1/sys"
                echo '65533:x:65533:65533::/:/bin/sh' >"$1/etc/passwd"
                """, "sh", root,
            ], log: log)
        let storage = folder.path + "/storage/" + name
        try FileManager.default.createDirectory(atPath: folder.path + "/storage", withIntermediateDirectories: false)
        let places = ["--storage", storage, "--keys", folder.path + "/keys"]
        #expect(try Tool.run(["init", name] + places).status == 0)
        #expect(try Tool.run(["publish", name] + places + ["--from", root, "--at", "/shell"]).status == 0)
        try runToEnd("/bin/chmod", ["-R", "a+rX", folder.path], log: log)
        return ["file://" + storage, "/shell", "--key", folder.path + "/keys/\(name).pub"]
    }

    @Test(
        "starts a program for root, tells what it took, and ends with the program's code",
        .enabled(if: access("/dev/fuse", R_OK | W_OK) == 0, "needs FUSE"))
    func root() throws {
        let folder = try TemporaryFolder("run")
        let image = try Self.published(in: folder)
        let options = image + ["--cache", folder.path + "/cache", "--json"]
        let run = try Tool.run(["run"] + options + ["--", "sh", "-c", "echo hello; exit 7"])
        #expect(run.status == 7)
        #expect(run.text == "hello\n")
        let summary = try JSONSerialization.jsonObject(with: Data(run.errors.utf8)) as? [String: Any]
        #expect(summary?["exitCode"] as? Int == 7)
        #expect(summary?["filesRead"] as? Int == 3)
        #expect((summary?["bytesFetched"] as? Int ?? 0) > 0)
        // Complete, it needs no server.
        #expect(try Tool.run(["pin"] + image + ["--cache", folder.path + "/cache"]).status == 0)
        let offline = try Tool.run(
            ["run", Self.name, "/shell", "--cache", folder.path + "/cache", "--", "sh", "-c", "echo still here"])
        #expect(offline.status == 0 && offline.text == "still here\n")
        #expect(offline.errors.contains("no server answers"))
        #expect(try Tool.run(["run"] + options + ["--", "/no/such"]).status == 1)
        // Words are bytes, whether they are UTF-8 or not.
        let log = folder.path + "/bytes"
        let script = #"""
            exec "$0" run "$@" --quiet -- sh -c 'printf %s "$1" >/said; cat /said' sh "$(printf 'a\377b')"
            """#
        try runToEnd(
            "/bin/sh", ["-c", script, Tool.program.path] + image + ["--cache", folder.path + "/cache"], log: log)
        #expect(readFile(log) == [0x61, 0xFF, 0x62])
    }

    @Test(
        "makes and removes a root, by the one command",
        .enabled(if: access("/dev/fuse", R_OK | W_OK) == 0, "needs FUSE"))
    func provisioning() throws {
        let folder = try TemporaryFolder("provision")
        let image = try Self.published(in: folder)
        let (target, state) = (folder.path + "/root", ["--state", folder.path + "/state"])
        let made = try Tool.run(["provision"] + image + [target, "--cache", folder.path + "/cache"] + state)
        #expect(made.status == 0, "\(made.errors)")
        #expect(readFile(target + "/etc/passwd") == Array("65533:x:65533:65533::/:/bin/sh\n".utf8))
        #expect(try Tool.run(["provision", "--remove", target] + state).status == 0)
        #expect(access(target, F_OK) != 0)
        #expect(try Tool.run(["provision", "--remove", target] + state).status == 1)
        // Wrong usage.
        for words in [["--remove"], [target], image, [target, "--remove", "--background"]] {
            #expect(try Tool.run(["provision"] + words).status == 64, "\(words)")
        }
    }

    @Test("starts a program for an ordinary user, who is root in it and nowhere else")
    func rootless() throws {
        let folder = try TemporaryFolder("run")
        let device = folder.path + "/fuse"
        let cache = folder.path + "/cache"
        // The device as systems have it that let users mount; skipped where that is not possible.
        let prepared =
            (try? runToEnd(
                "/bin/sh",
                [
                    "-ec",
                    """
                    mknod -m 666 "$1" c 10 229 && : <>"$1"
                    cp "$2" "$3/cvmfs" && chmod 755 "$3/cvmfs" && mkdir "$3/cache" && chown 65533 "$3/cache"
                    setpriv --reuid 65533 --regid 65533 --clear-groups unshare --user --map-root-user true
                    setpriv --reuid 65533 --regid 65533 --clear-groups "$3/cvmfs" --version
                    """, "sh", device, Tool.program.path, folder.path,
                ], log: folder.path + "/prepared")) != nil
        guard prepared else { return }
        let image = try Self.published(in: folder)
        try runToEnd("/bin/chown", ["-R", "65533", cache], log: "/dev/null")
        let log = folder.path + "/said"
        try runToEnd(
            "/usr/bin/setpriv",
            ["--reuid", "65533", "--regid", "65533", "--clear-groups", folder.path + "/cvmfs", "run"] + image + [
                "--cache", cache, "--fuse-device", device, "--quiet", "--", "sh", "-c",
                "id -u; echo changed >/etc/passwd && cat /etc/passwd",
            ], log: log)
        #expect(String(decoding: readFile(log) ?? [], as: UTF8.self) == "0\nchanged\n")
    }

    /// With a list of its own in place of /etc/subuid, in a mount namespace.
    private static func asDaemon(_ folder: String) -> String {
        """
        mount --bind '\(folder)/set-aside' /etc/subuid && mount --bind '\(folder)/set-aside' /etc/subgid
        exec setpriv --reuid 1 --regid 1 --clear-groups "$@"
        """
    }

    @Test("gives an ordinary user's containers the users that are set aside", .enabled(if: getpwuid(1) != nil))
    func subordinates() throws {
        let folder = try TemporaryFolder("run")
        let device = folder.path + "/fuse"
        try folder.write(Array("\(String(cString: getpwuid(1).pointee.pw_name)):200000:65536\n".utf8), to: "set-aside")
        let prepared =
            (try? runToEnd(
                "/bin/sh",
                [
                    "-ec",
                    """
                    mknod -m 666 "$1" c 10 229 && : <>"$1"
                    cp "$2" "$3/cvmfs" && chmod 755 "$3/cvmfs" && mkdir "$3/cache" && chown 1:1 "$3/cache"
                    chmod a+r "$3/set-aside"
                    unshare --mount sh -ec "$4" sh unshare --user --map-root-user --map-auto true
                    unshare --mount sh -ec "$4" sh "$3/cvmfs" --version
                    """, "sh", device, Tool.program.path, folder.path, Self.asDaemon(folder.path),
                ], log: folder.path + "/prepared")) != nil
        guard prepared else { return }
        let image = try Self.published(in: folder)
        try runToEnd("/bin/chown", ["-R", "1:1", folder.path + "/cache"], log: "/dev/null")
        let log = folder.path + "/said"
        try runToEnd(
            "/usr/bin/unshare",
            ["--mount", "sh", "-ec", Self.asDaemon(folder.path), "sh", folder.path + "/cvmfs", "run"] + image + [
                "--cache", folder.path + "/cache", "--fuse-device", device, "--quiet", "--user", "1234:2345", "--",
                "sh", "-c", "id -u; id -g; cat /proc/self/uid_map",
            ], log: log)
        let words = String(decoding: readFile(log) ?? [], as: UTF8.self).split(whereSeparator: \.isWhitespace)
        #expect(words == ["1234", "2345", "0", "1", "1", "1", "200000", "65536"])
    }
}
