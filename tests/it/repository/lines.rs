//! The command lines of the docs, and commands that stand in for what is elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::daemon::DEADLINE;
use crate::support::source::folder;

/// The blocks of shell of a text.
pub(super) fn blocks_of(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(str::to_owned).collect()
}

/// The page's blocks of shell that have this text.
pub(super) fn blocks(page: &str, having: &str) -> Vec<String> {
    let text = fs::read_to_string(folder(page)).unwrap();
    let found: Vec<_> =
        blocks_of(&text).into_iter().filter(|block| block.contains(having)).collect();
    assert!(!found.is_empty(), "{page} has no block with {having:?}");
    found
}

/// Stands in for kubectl: what is asked of the pod is done here.
const KUBECTL: &str = "\
#!/bin/sh
case $* in
'-n openstack exec deployment/glance-revert -- /usr/local/bin/glance-revert '*) ;;
*) echo \"kubectl $*: no pod would do that\" >&2; exit 1 ;;
esac
shift 6
exec glance-revert \"$@\"
";

/// Where lines are run: a folder, and the commands that they find.
pub(super) struct Stage {
    commands: TempDir,
    place: PathBuf,
    /// What stands in the docs, and what is meant here.
    said: Vec<(String, String)>,
}

impl Stage {
    /// In this folder, where Glance's files are found without being named as on its hosts: these.
    pub(super) fn new(place: &Path, config: &[PathBuf]) -> Self {
        let commands = TempDir::new().unwrap();
        let files = config.iter().map(|file| format!(" --config-file {}", file.display()));
        let files = files.collect::<String>();
        // A lock that is held until Ctrl-C, is held until somebody has read that it is.
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
        // Left to itself curl is content with any status.
        let curl = "#!/bin/sh\nPATH=/usr/bin:/bin exec curl --fail-with-body \"$@\"\n";
        for (name, text) in [("glance-revert", &*binary), ("curl", curl), ("kubectl", KUBECTL)] {
            let file = commands.path().join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { commands, place: place.to_owned(), said: Vec::new() }
    }

    /// Has this mean that.
    pub(super) fn say(mut self, said: &str, meant: &str) -> Self {
        self.said.push((said.to_owned(), meant.to_owned()));
        self
    }

    /// Runs a block; each line must succeed. What it has printed.
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
