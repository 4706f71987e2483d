//! The URI grammar of the file store, and the lexical half of its confinement.
//!
//! `glance_store` takes netloc + path of Python's `urlparse`, decodes nothing and drops what
//! follows `?` or `#`. This store refuses such doubtful forms: Glance never writes them, and a user
//! who can write a location must not choose which file is destroyed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::image::ImageId;
use crate::domain::store::{Objects, StoreUri};
use crate::store::as_python_reads;

const PREFIXES: [&str; 2] = ["file://", "filesystem://"];

/// A configured data directory, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DataDir {
    path: Arc<Path>,
    parts: Vec<String>,
}

/// The file of a location, split at the point from which the kernel checks the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Its data directory.
    pub(super) datadir: Arc<Path>,
    /// The folder inside the data directory, relative; empty for the directory itself.
    pub(super) folder: PathBuf,
    /// The file's name.
    pub(super) name: String,
}

impl Target {
    /// The whole path, for messages.
    pub(super) fn path(&self) -> PathBuf {
        self.datadir.join(&self.folder).join(&self.name)
    }
}

impl DataDir {
    /// Takes a directory as configured; the error ends a sentence that begins with its path.
    pub(super) fn parse(path: &Path) -> Result<Self, &'static str> {
        let text = path.to_str().ok_or("is not UTF-8")?;
        if !text.starts_with('/') {
            return Err("is not an absolute path");
        }
        let parts: Vec<String> = components(text).map(ToOwned::to_owned).collect();
        if parts.is_empty() {
            return Err("is the root of the file system, which confines nothing");
        }
        if parts.iter().any(|part| part == "..") {
            return Err("has a '..' in it; write the path without it");
        }
        let path = Path::new("/").join(parts.join("/"));
        Ok(Self { path: path.into(), parts })
    }

    /// The directory without empty and `.` components.
    pub(super) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// The components of `path` below this directory; `None` if it is elsewhere.
    fn below<'p>(&self, path: &'p str) -> Option<Vec<&'p str>> {
        let mut rest = components(path);
        let inside = self.parts.iter().all(|part| rest.next() == Some(part.as_str()));
        (inside && path.starts_with('/')).then(|| rest.collect())
    }
}

/// Length of the longest data directory that the URI begins with. It says to which store the
/// location belongs, not that the location is acceptable.
pub(super) fn claimed(datadirs: &[DataDir], uri: &StoreUri) -> Option<usize> {
    part(datadirs, uri).map(|datadir| datadir.as_os_str().len())
}

/// The data directory that the location belongs to.
pub(super) fn part<'d>(datadirs: &'d [DataDir], uri: &StoreUri) -> Option<&'d Path> {
    deepest(datadirs, raw_path(uri)?).map(|(datadir, _)| &*datadir.path)
}

/// The file that `glance_store` opens. Inside a data directory a path is identified by its
/// components. With a `..`, or outside the data directories, links may lead to any file with the
/// same name.
pub(super) fn opened(datadirs: &[DataDir], uri: &StoreUri) -> Objects {
    let Some(rest) = PREFIXES.iter().find_map(|prefix| uri.as_str().strip_prefix(prefix)) else {
        return Objects::default();
    };
    let path = as_python_reads(rest);
    // as `str.strip` does
    let path = path.trim_matches(|c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c));
    let Some(name) = components(path).last() else { return Objects::default() };
    let is_plain = !path.split('/').any(|part| part == "..");
    let inside = deepest(datadirs, path).filter(|_| is_plain);
    let whole = inside.map(|(datadir, below)| datadir.path.join(below.join("/")));
    Objects {
        names: whole.iter().map(|whole| format!("file:{}", whole.display())).collect(),
        rough: Some(format!("file:*/{name}")),
    }
}

/// The file that a location names, if this store may touch it for this image.
pub(super) fn target(
    datadirs: &[DataDir],
    any_file_name: bool,
    image: &ImageId,
    uri: &StoreUri,
) -> Result<Target, &'static str> {
    let path = raw_path(uri).ok_or("it is not a file:// URI")?;
    if path.contains(['?', '#']) {
        return Err("its path has a '?' or '#', where Glance would cut it off");
    }
    if path.contains(|character: char| character.is_control()) {
        return Err("its path has a control character");
    }
    if !path.starts_with('/') {
        return Err("its path is not absolute");
    }
    if path.split('/').any(|part| part == "..") {
        return Err("its path has a '..'");
    }
    if path.ends_with('/') || path.ends_with("/.") {
        return Err("its path is a folder");
    }
    let (datadir, mut below) =
        deepest(datadirs, path).ok_or("it is outside the store's data directories")?;
    let name = below.pop().ok_or("it is the data directory itself")?;
    if !any_file_name && name != image.as_str() {
        return Err("the file is not named after the image ([revert] any_file_name allows that)");
    }
    let folder = below.iter().collect();
    Ok(Target { datadir: Arc::clone(&datadir.path), folder, name: name.to_owned() })
}

fn deepest<'d, 'p>(datadirs: &'d [DataDir], path: &'p str) -> Option<(&'d DataDir, Vec<&'p str>)> {
    datadirs
        .iter()
        .filter_map(|datadir| Some((datadir, datadir.below(path)?)))
        .max_by_key(|(datadir, _)| datadir.parts.len())
}

/// Glance checks the prefix case-sensitively and strips blanks around the path.
fn raw_path(uri: &StoreUri) -> Option<&str> {
    PREFIXES
        .iter()
        .find_map(|prefix| uri.as_str().strip_prefix(prefix))
        .map(|path| path.trim_matches(' '))
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0a1b2c3d-0000-4000-8000-000000000001";

    fn datadirs() -> Vec<DataDir> {
        ["/srv/images/", "/srv//images/./deep"]
            .map(|path| DataDir::parse(Path::new(path)).unwrap())
            .to_vec()
    }

    fn parse(text: &str, any_file_name: bool) -> Result<PathBuf, &'static str> {
        let uri = StoreUri::parse(text).unwrap();
        let image = ImageId::parse(ID).unwrap();
        target(&datadirs(), any_file_name, &image, &uri).map(|target| target.path())
    }

    #[test]
    fn the_path_is_taken_as_glance_takes_it() {
        for text in [
            format!("file:///srv/images/{ID}"),
            format!("filesystem:///srv/images/{ID}"),
            format!("file:////srv/./images//{ID}"),
            format!("file:///srv/images/{ID} "),
        ] {
            assert_eq!(parse(&text, false), Ok(Path::new("/srv/images").join(ID)), "{text}");
        }
        let literal = "file:///srv/images/a%20b;c";
        assert_eq!(parse(literal, true), Ok(PathBuf::from("/srv/images/a%20b;c")));
    }

    #[test]
    fn the_deepest_data_directory_has_the_file() {
        let uri = StoreUri::parse(&format!("file:///srv/images/deep/x/{ID}")).unwrap();
        let found = target(&datadirs(), false, &ImageId::parse(ID).unwrap(), &uri).unwrap();
        assert_eq!(&*found.datadir, Path::new("/srv/images/deep"));
        assert_eq!((found.folder.as_path(), found.name.as_str()), (Path::new("x"), ID));
        assert_eq!(claimed(&datadirs(), &uri), Some("/srv/images/deep".len()));
    }

    #[test]
    fn a_sibling_whose_name_begins_alike_is_not_claimed() {
        for text in ["file:///srv/images2/x", "file:///srv", "file://srv/images/x", "rbd://a/b"] {
            assert_eq!(claimed(&datadirs(), &StoreUri::parse(text).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_data_directory_that_confines_nothing_is_refused() {
        for path in ["/", "//.", "images", "", "/srv/../etc"] {
            assert!(DataDir::parse(Path::new(path)).is_err(), "{path}");
        }
    }
}
