//! Sets the build information: `GLANCE_REVERT_COMMIT` (empty if unknown), and
//! `GLANCE_REVERT_VERSION`, the version including it.

use std::path::Path;
use std::process::Command;

/// Set by image builds and packagers, whose sources have no repository.
const GIVEN: &str = "GLANCE_REVERT_COMMIT";

fn main() {
    println!("cargo:rerun-if-env-changed={GIVEN}");
    let given = variable(GIVEN).filter(|commit| !commit.is_empty());
    let commit = given.or_else(of_the_repository).unwrap_or_default();
    let version = variable("CARGO_PKG_VERSION").unwrap_or_default();
    let version = if commit.is_empty() { version } else { format!("{version} ({commit})") };
    println!("cargo:rustc-env={GIVEN}={commit}");
    println!("cargo:rustc-env=GLANCE_REVERT_VERSION={version}");
}

/// The commit of a release build, with `-dirty` if files differ from it. A debug build has none,
/// because it would be recompiled for each commit.
fn of_the_repository() -> Option<String> {
    if variable("PROFILE")? != "release" {
        return None;
    }
    let package = variable("CARGO_MANIFEST_DIR")?;
    // A tarball unpacked inside another repository does not belong to that repository.
    let top = git(&package, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&package).canonicalize().ok()? {
        return None;
    }
    let log = git(&package, &["rev-parse", "--git-path", "logs/HEAD"])?;
    for path in [log.as_str(), "src", "build.rs", "Cargo.toml", "Cargo.lock"] {
        let path = Path::new(&package).join(path);
        // Cargo treats a missing path as one that always changes.
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
    git(&package, &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
}

fn git(folder: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[expect(clippy::disallowed_methods, reason = "a build script hears from cargo in no other way")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
