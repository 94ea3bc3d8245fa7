internal import FoundationEssentials

/// The documents of images, as far as they matter here. Source: OCI image specification 1.1; docker image save.
enum ImageDocuments {
    struct Platform: Decodable {
        let os: String?
        let architecture: String?
        let variant: String?

        var platform: ImagePlatform? {
            guard let os, let architecture else { return nil }
            return ImagePlatform(os: os, architecture: architecture, variant: variant)
        }
    }

    struct Descriptor: Decodable {
        let mediaType: String?
        let digest: String
        let size: Int64
        let annotations: [String: String]?
        let platform: Platform?

        var reference: String? { annotations?["org.opencontainers.image.ref.name"] }

        /// containerd, and with it docker save, puts the mere tag into `ref.name` and the whole name here.
        var name: String? { annotations?["io.containerd.image.name"] ?? reference }

        func isNamed(_ name: String) -> Bool { self.name == name || reference == name }

        var isIndex: Bool {
            mediaType == "application/vnd.oci.image.index.v1+json"
                || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
        }

        /// Attestations and the like stand in an index for no platform.
        var isNoImage: Bool {
            platform?.os == "unknown" || annotations?["vnd.docker.reference.type"] != nil
        }
    }

    struct Index: Decodable {
        let schemaVersion: Int
        let manifests: [Descriptor]
    }

    struct Manifest: Decodable {
        let schemaVersion: Int
        let config: Descriptor
        let layers: [Descriptor]
    }

    struct Configuration: Decodable {
        struct RootFS: Decodable {
            let diffIDs: [String]

            enum CodingKeys: String, CodingKey { case diffIDs = "diff_ids" }
        }

        let os: String?
        let architecture: String?
        let variant: String?
        let rootfs: RootFS

        var platform: ImagePlatform? {
            Platform(os: os, architecture: architecture, variant: variant).platform
        }
    }

    /// One image of `manifest.json` in an archive of docker save.
    struct SavedImage: Decodable {
        let configuration: String
        let tags: [String]?
        let layers: [String]

        enum CodingKeys: String, CodingKey {
            case configuration = "Config"
            case tags = "RepoTags"
            case layers = "Layers"
        }
    }

    /// The manifest of an AppC image, of which most concerns only those who run it.
    struct AppCManifest: Decodable {
        struct Dependency: Decodable {}

        let acKind: String
        let name: String
        let dependencies: [Dependency]?
        let pathWhitelist: [String]?
    }

    /// - Parameter what: what the document is, for the error.
    static func decode<Document: Decodable>(
        _ type: Document.Type, from bytes: [UInt8], what: String
    ) throws(PublishingError) -> Document {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw PublishingError(.source, "\(what) is no such document", cause: error)
        }
    }
}
