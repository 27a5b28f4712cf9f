//! Where a lake lies. Only a local folder works so far; anything else is refused in one sentence before it is touched.

use std::path::PathBuf;

use url::Url;

use crate::error::LakeError;

/// Reads a path or a `file://` URL.
pub(crate) fn folder_of(url: &str) -> Result<PathBuf, LakeError> {
    let path = match url.split_once("://") {
        None => PathBuf::from(url),
        Some(("file", _)) => {
            let parsed = Url::parse(url).ok().and_then(|parsed| parsed.to_file_path().ok());
            parsed.ok_or_else(|| LakeError::NotAFolder(url.to_owned()))?
        }
        Some((scheme, _)) => return Err(LakeError::Scheme { url: url.to_owned(), scheme: scheme.to_owned() }),
    };
    if path.as_os_str().is_empty() {
        return Err(LakeError::NotAFolder(url.to_owned()));
    }
    std::path::absolute(&path).map_err(|source| LakeError::Folder { doing: "find the place of the lake", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_scheme_is_refused_in_one_sentence() {
        let error = folder_of("s3://bucket/lake").unwrap_err().to_string();
        assert_eq!(
            error,
            "open lake \"s3://bucket/lake\": only a local folder works so far, the scheme \"s3\" does not"
        );
    }

    #[test]
    fn a_path_and_its_url_are_the_same_place() {
        assert_eq!(folder_of("/data/lake").unwrap(), folder_of("file:///data/lake").unwrap());
    }
}
