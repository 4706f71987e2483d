//! Runs commands of the docs, with stand-ins for programs that are not available.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::daemon::DEADLINE;
use crate::support::source::folder;

/// The shell blocks of a text.
pub(super) fn blocks_of(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(str::to_owned).collect()
}

/// The page's shell blocks that contain this text.
pub(super) fn blocks(page: &str, having: &str) -> Vec<String> {
    let text = fs::read_to_string(folder(page)).unwrap();
    let found: Vec<_> =
        blocks_of(&text).into_iter().filter(|block| block.contains(having)).collect();
    assert!(!found.is_empty(), "{page} has no block with {having:?}");
    found
}

/// A stand-in for kubectl that runs the pod's command here.
const KUBECTL: &str = "\
#!/bin/sh
case $* in
'-n openstack exec deployment/glance-revert -- /usr/local/bin/glance-revert '*) ;;
*) echo \"kubectl $*: no pod would do that\" >&2; exit 1 ;;
esac
shift 6
exec glance-revert \"$@\"
";

/// Where commands run: a folder, and the programs on their path.
pub(super) struct Stage {
    commands: TempDir,
    place: PathBuf,
    /// Texts of the docs, and their replacements.
    said: Vec<(String, String)>,
}

impl Stage {
    /// A stage in this folder. `config` are Glance's files, which on real hosts are found by
    /// default.
    pub(super) fn new(place: &Path, config: &[PathBuf]) -> Self {
        let commands = TempDir::new().unwrap();
        let files = config.iter().map(|file| format!(" --config-file {}", file.display()));
        let files = files.collect::<String>();
        // `--hold-lock` runs until Ctrl-C, so it is interrupted after its first output.
        let binary = format!(
            "#!/bin/sh\n\
             run() {{ exec {0} \"$@\"; }}\n\
             case $* in\n\
             demo*) exit ;;\n\
             *--config-file*|*--address*) run \"$@\" ;;\n\
             *--hold-lock*) said=$(mktemp)\n\
             {0} \"$@\"{files} >$said & while ! [ -s $said ]; do sleep 0.1; done\n\
             cat $said; rm $said; kill -s INT $!; wait $! ;;\n\
             *) run \"$@\"{files} ;;\n\
             esac\n",
            env!("CARGO_BIN_EXE_glance-revert"),
        );
        // Without this option curl succeeds whatever the status is.
        let curl = "#!/bin/sh\nPATH=/usr/bin:/bin exec curl --fail-with-body \"$@\"\n";
        for (name, text) in [("glance-revert", &*binary), ("curl", curl), ("kubectl", KUBECTL)] {
            let file = commands.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { commands, place: place.to_owned(), said: Vec::new() }
    }

    /// Replaces a text of the docs.
    pub(super) fn say(mut self, said: &str, meant: &str) -> Self {
        self.said.push((said.to_owned(), meant.to_owned()));
        self
    }

    /// Runs a block, of which each line must succeed; returns its output.
    pub(super) async fn run(&self, block: &str) -> String {
        let replaced = |text: String, (said, meant): &(String, String)| text.replace(said, meant);
        let script = self.said.iter().fold(block.to_owned(), replaced);
        let shell = Command::new("/bin/sh")
            .args(["-e", "-u", "-c", &script])
            .env("PATH", format!("{}:/usr/bin:/bin", self.commands.path().display()))
            .current_dir(&self.place)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let done = tokio::time::timeout(DEADLINE, shell).await.unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (output, errors) = (text(&done.stdout), text(&done.stderr));
        assert!(done.status.success(), "{script}\n{output}\n{errors}");
        output
    }
}
