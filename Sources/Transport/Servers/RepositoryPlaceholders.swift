/// `@fqrn@` and `@org@` in the URLs of a configuration. Source: format 6.5.
public enum RepositoryPlaceholders {
    /// The text with `@fqrn@` replaced by the repository's name, and `@org@` by its first label.
    public static func replaced(in text: String, repository: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "@")) else { return text }
        let organisation = repository.prefix { $0 != "." }
        return text.replacing("@fqrn@", with: repository).replacing("@org@", with: organisation)
    }

    /// Whether the text holds a placeholder.
    public static func occur(in text: String) -> Bool { text.contains("@fqrn@") || text.contains("@org@") }
}
