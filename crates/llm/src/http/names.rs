//! Names that servers take back.

/// `name` as a server accepts it in a conversation: letters, digits, `_` and `-`, at most 64. A model may make up any name;
/// sent back as it is, one bad name would make every further request of that conversation a bad request.
pub(crate) fn callable(name: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().take(64).map(fit).collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_stay_and_bad_ones_become_good() {
        assert_eq!(callable("read_file-2"), "read_file-2");
        assert_eq!(callable("fs.read file"), "fs_read_file");
        assert_eq!(callable(""), "unnamed");
        assert_eq!(callable(&"é".repeat(99)).len(), 64);
    }
}
