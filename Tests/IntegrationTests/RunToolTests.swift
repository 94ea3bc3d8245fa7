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
}
