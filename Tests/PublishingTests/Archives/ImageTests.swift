import CASCore
import FixtureTrees
import Foundation
import Glibc
import LocalServers
import SystemPackage
import Testing

@testable import Publishing

/// Images made by umoci and skopeo, without a network.
@Suite("Container images")
final class ContainerImageTests {
    let storage: ArchiveStorage
    let folder: TemporaryFolder

    init() throws {
        storage = try ArchiveStorage()
        folder = try TemporaryFolder("image")
    }

    private static var isRoot: Bool { getuid() == 0 }

    /// An image of four layers: whiteouts, an opaque directory, hard links across layers, replaced types, odd names.
    private static let script = #"""
        umoci init --layout image; umoci new --image image:v1
        mkdir -p l1/etc l1/usr/lib l1/usr/bin l1/var/cache/deep l1/opt/replaced l1/home l1/upgraded
        echo one > l1/etc/hosts; echo gone > l1/etc/gone; echo lib > l1/usr/lib/lib.so.1; ln -s lib.so.1 l1/usr/lib/lib.so
        ln -s usr/lib l1/lib; echo tool > l1/usr/bin/tool; ln l1/usr/bin/tool l1/usr/bin/tool-too; chmod 4755 l1/usr/bin/tool
        echo a > l1/var/cache/a; echo b > l1/var/cache/deep/b; echo r > l1/opt/replaced/r; echo f > l1/opt/file
        touch "l1/home/$(printf 'e\xcc\x81')" "l1/home/$(printf '\xff')"; mkfifo l1/var/pipe
        head -c 9000000 /dev/zero | tr '\0' q > l1/opt/large; echo old > l1/upgraded/old
        setfattr -n user.note -v text l1/etc/hosts
        [ $(id -u) != 0 ] || { mknod l1/var/null c 1 3; chown -R 1000:1001 l1/home
            setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= l1/usr/bin/tool; }
        touch -d '2020-02-02 02:02:02.123456789 UTC' l1/etc l1/etc/hosts l1
        tar -C l1 --format=posix --xattrs --xattrs-include='*' -cf l1.tar .
        # Whiteouts beside new entries of the same directories, an opaque directory, types replaced by others.
        mkdir -p l2/etc l2/var/cache l2/opt l2/upgraded/new; : > l2/etc/.wh.gone; echo two > l2/etc/hosts
        : > l2/var/cache/.wh..wh..opq; echo c > l2/var/cache/c; echo now-a-file > l2/opt/replaced; mkdir l2/opt/file
        echo x > l2/opt/file/x; : > l2/.wh.home; : > l2/upgraded/.wh.old; echo n > l2/upgraded/new/n
        tar -C l2 --format=posix -cf l2.tar .
        # Hard links to files of lower layers, through a symlink too; a tar archive without parents.
        mkdir l3; (cd l3; mkdir -p usr/bin lib; echo x > usr/bin/tool; ln usr/bin/tool usr/bin/third; echo y > lib/added
            tar --format=gnu -cf ../l3.tar usr/bin/tool usr/bin/third lib/added; tar --delete -f ../l3.tar usr/bin/tool)
        mkdir l4; echo last > l4/last; tar -C l4 -cf l4.tar last
        for number in 1 2 3 4; do umoci raw add-layer --image image:v1 l$number.tar > /dev/null; done
        """#

    private func stage(
        _ path: String, _ selection: ImageSelection = ImageSelection()
    ) async throws -> [[UInt8]: FileFacts] {
        let detected = try SourceDetection.detect(at: FilePath("\(folder.path)/\(path)"))
        guard case .image(let files) = detected else {
            throw PublishingError(.invalidArgument, "\(path) was taken for a \(detected.name)")
        }
        let image = try ImageLayout(files: files).image(selection)
        let tree = try await image.stage(
            contents: .stored(storage.pipeline), scratchFolder: storage.folder.path, bounds: ArchiveBounds())
        return try storage.facts(tree)
    }

    /// What umoci unpacks. It gives directories that no entry describes the time of now, and so the tests leave them out.
    private func unpacked(_ image: String) throws -> [[UInt8]: FileFacts] {
        try shell(
            "rm -rf bundle; umoci unpack \(Self.isRoot ? "" : "--rootless") --image \(image) bundle > /dev/null",
            in: folder.path)
        return try FolderFacts.of("\(folder.path)/bundle/rootfs")
    }

    @Test("an image of several layers becomes the tree that umoci unpacks")
    func layers() async throws {
        guard Self.isRoot else {
            print("umoci keeps owners and devices for root only: not compared")
            return
        }
        try shell(Self.script, in: folder.path)
        let expected = try unpacked("image:v1")
        let got = try await stage("image")
        expectEqual(got, expected)
        #expect(got[Array("/usr/bin/third".utf8)]?.links.count == 2)
        #expect(got[Array("/etc/gone".utf8)] == nil)
    }

    @Test("a layout as a tar archive, docker save and every compression of layers give the same tree")
    func forms() async throws {
        try shell(Self.script, in: folder.path)
        let expected = try await stage("image")
        try shell(
            """
            tar -C image -cf layout.tar . ; gzip < layout.tar > layout.tar.gz
            skopeo --tmpdir . copy -q oci:image:v1 docker-archive:saved.tar:name:v1
            mkdir saved; tar -C saved -xf saved.tar; xz -1 < saved.tar > saved.tar.xz
            skopeo --tmpdir . copy -q --dest-compress-format zstd --dest-compress oci:image:v1 oci:zstd:v1
            skopeo --tmpdir . copy -q oci:image:v1 oci-archive:archive.tar:v1
            """, in: folder.path)
        for form in ["layout.tar", "layout.tar.gz", "saved.tar", "saved", "saved.tar.xz", "zstd", "archive.tar"] {
            let got = try await stage(form)
            #expect(got == expected, "\(form)")
        }
        let files = try #require(try image("zstd"))
        #expect(files.layers.allSatisfy { $0.mediaType.hasSuffix("+zstd") })
    }

    private func image(_ path: String, _ selection: ImageSelection = ImageSelection()) throws -> ContainerImage? {
        let detected = try SourceDetection.detect(at: FilePath("\(folder.path)/\(path)"))
        guard case .image(let files) = detected else { return nil }
        return try ImageLayout(files: files).image(selection)
    }

    /// A layout written by hand: manifests by name and platform, each with one layer of one file of that name.
    ///
    /// - Parameter names: the images' whole names, as containerd notes them.
    private func writeLayout(
        _ images: [(reference: String?, platform: String?)], names: [String] = [], nested: Bool = false
    ) throws {
        var descriptors: [[String: Any]] = []
        for (number, (reference, platform)) in images.enumerated() {
            var tar = HandMadeTar()
            if names.indices.contains(number) { tar.add(names[number]) }
            tar.add([reference, platform?.replacing("/", with: "-")].compactMap { $0 }.joined(separator: "."))
            let layer = try blob(tar.ended)
            let parts = platform?.split(separator: "/").map(String.init) ?? []
            var configuration: [String: Any] = ["rootfs": ["type": "layers", "diff_ids": [layer.description]]]
            if parts.count > 1 { (configuration["os"], configuration["architecture"]) = (parts[0], parts[1]) }
            let config = try json(configuration)
            let manifest = try json([
                "schemaVersion": 2,
                "config": descriptor(config, "application/vnd.oci.image.config.v1+json"),
                "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
            ])
            var entry = descriptor(manifest, "application/vnd.oci.image.manifest.v1+json")
            var annotations: [String: String] = [:]
            if let reference { annotations["org.opencontainers.image.ref.name"] = reference }
            if names.indices.contains(number) { annotations["io.containerd.image.name"] = names[number] }
            if !annotations.isEmpty { entry["annotations"] = annotations }
            if parts.count > 1 {
                var value = ["os": parts[0], "architecture": parts[1]]
                if parts.count > 2 { value["variant"] = parts[2] }
                entry["platform"] = value
            }
            descriptors.append(entry)
        }
        if nested {
            let index = try json(["schemaVersion": 2, "manifests": descriptors])
            descriptors = [descriptor(index, "application/vnd.oci.image.index.v1+json")]
        }
        let index = try JSONSerialization.data(withJSONObject: ["schemaVersion": 2, "manifests": descriptors])
        try folder.write(index, to: "image/index.json")
        try folder.write(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8), to: "image/oci-layout")
    }

    private func blob(_ bytes: [UInt8]) throws -> SHA256Digest {
        let digest = SHA256Digest.of(bytes)
        try folder.write(bytes, to: "image/blobs/sha256/\(digest.hexadecimal)")
        return digest
    }

    private func json(_ object: [String: Any]) throws -> SHA256Digest {
        try blob(Array(JSONSerialization.data(withJSONObject: object, options: .sortedKeys)))
    }

    private func descriptor(_ digest: SHA256Digest, _ type: String) -> [String: Any] {
        let size = readFile("\(folder.path)/image/blobs/sha256/\(digest.hexadecimal)")?.count ?? 0
        return ["mediaType": type, "digest": digest.description, "size": size]
    }

    private func file(in facts: [[UInt8]: FileFacts]) -> String {
        facts.keys.filter { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
    }

    @Test("of several images the named one is taken, of several platforms this machine's or the one asked for")
    func selection() async throws {
        try writeLayout([("a", nil), ("b", nil)])
        #expect(file(in: try await stage("image", ImageSelection(reference: "b"))) == "/b")
        #expect(throws: PublishingError.self) { try image("image") }
        #expect(throws: PublishingError.self) { try image("image", ImageSelection(reference: "c")) }

        // As containerd has them: two images with the same tag.
        try writeLayout([("latest", nil), ("latest", nil)], names: ["one:latest", "two:latest"])
        #expect(try await stage("image", ImageSelection(reference: "two:latest"))[Array("/two:latest".utf8)] != nil)
        for reference in [nil, "latest"] {
            let error = #expect(throws: PublishingError.self) {
                try image("image", ImageSelection(reference: reference))
            }
            #expect(error?.code == .invalidArgument)
        }

        let host = ImagePlatform.host.description
        try writeLayout(
            [(nil, host), (nil, "linux/other"), (nil, "linux/arm/v6"), (nil, "linux/arm/v7")], nested: true)
        #expect(file(in: try await stage("image")) == "/" + host.replacing("/", with: "-"))
        let other = ImageSelection(platform: ImagePlatform("linux/other"))
        #expect(file(in: try await stage("image", other)) == "/linux-other")
        let arm = ImageSelection(platform: ImagePlatform("linux/arm/v7"))
        #expect(file(in: try await stage("image", arm)) == "/linux-arm-v7")
        #expect(throws: PublishingError.self) {
            try image("image", ImageSelection(platform: ImagePlatform("linux/arm")))
        }
        #expect(throws: PublishingError.self) {
            try image("image", ImageSelection(platform: ImagePlatform("plan9/mips")))
        }

        // The only one is taken whatever it is for, unless another platform is asked for.
        try writeLayout([(nil, "linux/other")])
        #expect(file(in: try await stage("image")) == "/linux-other")
        try writeLayout([])
        #expect(throws: PublishingError.self) { try image("image") }
    }

    @Test("every part of an image that is damaged, missing or of another kind is refused")
    func damage() async throws {
        try writeLayout([("a", nil)])
        let blobs = "\(folder.path)/image/blobs/sha256"
        let names = try FileManager.default.contentsOfDirectory(atPath: blobs)
        #expect(names.count == 3)
        for name in names {
            let whole = try #require(readFile("\(blobs)/\(name)"))
            var changed = whole
            changed[changed.count / 2] ^= 1
            for bytes in [changed, Array(whole.dropLast()), whole + [0], []] {
                try writeFile(bytes, to: "\(blobs)/\(name)")
                await #expect(throws: PublishingError.self) { try await stage("image") }
            }
            unlink("\(blobs)/\(name)")
            await #expect(throws: PublishingError.self) { try await stage("image") }
            try writeFile(whole, to: "\(blobs)/\(name)")
        }
        #expect(try await stage("image").count == 2)

        func refused(_ purpose: String, _ change: (inout [String: Any]) -> Void) async throws {
            try writeLayout([("a", nil)])
            let index = try #require(readFile("\(folder.path)/image/index.json"))
            let parsed = try ImageDocuments.decode(ImageDocuments.Index.self, from: index, what: "")
            let digest = try #require(SHA256Digest(parsed.manifests[0].digest))
            let bytes = try #require(readFile("\(blobs)/\(digest.hexadecimal)"))
            var manifest = try #require(JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
            change(&manifest)
            let entry = descriptor(try json(manifest), "application/vnd.oci.image.manifest.v1+json")
            let changed = try JSONSerialization.data(withJSONObject: ["schemaVersion": 2, "manifests": [entry]])
            try folder.write(changed, to: "image/index.json")
            await #expect(throws: PublishingError.self, "\(purpose)") { try await stage("image") }
        }
        func layer(_ change: @escaping (inout [String: Any]) -> Void) -> (inout [String: Any]) -> Void {
            { manifest in
                var layers = manifest["layers"] as? [[String: Any]] ?? []
                change(&layers[0])
                manifest["layers"] = layers
            }
        }
        try await refused(
            "foreign layer", layer { $0["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" })
        try await refused("no layer at all", layer { $0["mediaType"] = "text/plain" })
        try await refused("other digest", layer { $0["digest"] = "sha512:00" })
        try await refused("path as a digest", layer { $0["digest"] = "sha256:../../../../etc/passwd" })
        try await refused("size too small", layer { $0["size"] = 512 })
        try await refused("more layers than the configuration has") { $0["layers"] = [] }
        try await refused("no layers") { $0["layers"] = nil }
        try writeLayout([("a", nil)])
        try folder.write(Array("{}".utf8), to: "image/index.json")
        await #expect(throws: PublishingError.self) { try await stage("image") }
    }

    @Test("a layer that does not unpack to what the configuration says is refused")
    func otherContent() async throws {
        var (good, bad) = (HandMadeTar(), HandMadeTar())
        good.add("good")
        bad.add("evil")
        let digest = SHA256Digest.of(good.ended)
        let config = Array(#"{"rootfs":{"type":"layers","diff_ids":["\#(digest)"]}}"#.utf8)
        try folder.write(config, to: "saved/c.json")
        try folder.write(
            Array(#"[{"Config":"c.json","RepoTags":null,"Layers":["layer.tar"]}]"#.utf8), to: "saved/manifest.json")
        try folder.write(good.ended, to: "saved/layer.tar")
        #expect(file(in: try await stage("saved")) == "/good")
        try folder.write(bad.ended, to: "saved/layer.tar")
        await #expect(throws: PublishingError.self) { try await stage("saved") }
        for name in ["../layer.tar", "/etc/passwd", "", "a/../../b"] {
            try folder.write(
                Array(#"[{"Config":"c.json","Layers":["\#(name)"]}]"#.utf8), to: "saved/manifest.json")
            await #expect(throws: PublishingError.self, "\(name)") { try await stage("saved") }
        }
    }

    @Test("what is at a path is told by what is in it")
    func detection() throws {
        try shell(
            """
            mkdir -p plain/etc appc/rootfs/bin other; echo x > plain/etc/x; echo '{"a": 1}' > other/manifest.json
            echo '{}' > appc/manifest; tar -C plain -cf plain.tar .; tar -C appc -cf appc.aci manifest rootfs
            tar -C other -czf other.tar.gz manifest.json; mkfifo pipe
            """, in: folder.path)
        func name(_ path: String) throws -> String {
            try SourceDetection.detect(at: FilePath("\(folder.path)/\(path)")).name
        }
        #expect(try name("plain") == "directory")
        #expect(try name("other") == "directory")
        #expect(try name("plain.tar") == "tar archive")
        #expect(try name("appc.aci") == "AppC image")
        #expect(try name("pipe") == "tar archive")
        #expect(throws: PublishingError.self) { try name("nothing") }
        #expect(throws: PublishingError.self) { try name("plain/etc/x") }
    }

    @Test("an AppC image is the tree below rootfs, hard links too")
    func appc() async throws {
        try shell(
            """
            mkdir -p appc/rootfs/bin; cd appc; echo tool > rootfs/bin/tool; ln rootfs/bin/tool rootfs/bin/too
            echo '{"acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.org/app"}' > manifest
            tar --format=posix -cJf ../image.aci manifest rootfs; tar -cf ../bare.aci rootfs
            echo '{"acKind": "ImageManifest", "name": "a", "dependencies": [{"imageName": "b"}]}' > manifest
            tar -cf ../dependent.aci rootfs manifest; touch more; tar -cf ../more.aci more manifest rootfs
            """, in: folder.path)
        func stage(_ name: String) async throws -> [[UInt8]: FileFacts] {
            let reader = try TarReader(try FileStream(at: FilePath("\(folder.path)/\(name)")))
            let image = try await AppCImage.stage(
                reader, contents: .stored(storage.pipeline), scratchFolder: storage.folder.path)
            return try storage.facts(image.tree)
        }
        expectEqual(try await stage("image.aci"), try FolderFacts.of("\(folder.path)/appc/rootfs"))
        for name in ["bare.aci", "dependent.aci", "more.aci"] {
            await #expect(throws: PublishingError.self, "\(name)") { try await stage(name) }
        }
    }

    @Test("an image with bytes changed at random is the same or refused, and nothing worse")
    func fuzz() async throws {
        try writeLayout([("a", ImagePlatform.host.description), ("a", "linux/other")])
        let expected = try await stage("image")
        try shell("tar -C image -cf image.tar .", in: folder.path)
        let whole = try #require(readFile("\(folder.path)/image.tar"))
        var random = SeededGenerator(for: "fuzzed image")
        for _ in 0..<150 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            try folder.write(bytes, to: "image.tar")
            if let got = try? await stage("image.tar") {
                // What no digest covers is the index, which may name another image, or none.
                #expect(got == expected || got.count == expected.count)
            }
        }
    }
}
