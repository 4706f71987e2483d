//! Compares our parser of `glance-swift.conf` with that of the real `glance_store`, of the Python
//! that `GLANCE_REVERT_TEST_PYTHON` names.

use std::path::Path;
use std::process::Command;

use glance_revert::config::keystone_auth::Credentials;
use glance_revert::config::{Config, Environment, Sources, StoreKind, SwiftLogin};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::support::chance::Chance;
use crate::support::env;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/config/ask_swift.py");
const FILES: usize = 500;

/// The beginning of every file, which makes each section a complete account.
const BEGIN: &str = "[DEFAULT]\nauth_address = http://k/v3\nuser = p:u\nkey = d\n[ref1]\n";

/// Lines for randomly generated files.
const LINES: &[&str] = &[
    "[ref2]",
    "[Ref1]",
    "[ref 3]  ",
    "[a]b]",
    "[a] # c",
    "  [b]",
    "key = x",
    "KEY: x",
    "key : a=b",
    "key=a:b",
    "  key = indented",
    "\tkey = tab",
    "key = a # kept",
    "key = a ; kept",
    "# c",
    "  ; c",
    "",
    "   ",
    "  more",
    "    even more",
    "\tmore = x",
    "key = 'a b'",
    "key = \" a \"",
    "key = 'a\"",
    "key = ''x''",
    "key = \"a\" b \"c\"",
    "key = 50%%",
    "key = %(note)s!",
    "key = %(NOTE)s%(user)s",
    "key = 'a\n  b'",
    "note = n",
    "note = %(user)s%%",
    "note =",
    "note: 'n'",
    "n o t e = x",
    "key = \u{e9}\u{a0}",
];

/// Lines that make a file invalid in most places.
const DEFECTS: &[&str] = &[
    "[DEFAULT]",
    "[]",
    "[open",
    "word",
    "= x",
    "[ref1]",
    "key = p%w",
    "key = %(nope)s",
    "key = %(key)s",
    "key = %(note",
    "key = '",
    "key = 'open",
    "key =",
    "key",
];

fn generated(chance: &mut Chance) -> String {
    let mut text = String::from(BEGIN);
    for _ in 0..=chance.below(6) {
        let lines = if chance.below(12) == 0 { DEFECTS } else { LINES };
        text.push_str(lines[chance.below(lines.len())]);
        text.push_str(if chance.below(10) == 0 { "\r\n" } else { "\n" });
    }
    text
}

fn ours(folder: &Path, file: &Path) -> Value {
    let glance = folder.join("glance-api.conf");
    let text = format!(
        "[database]\nconnection = sqlite:////glance.sqlite\n[glance_store]\nstores = swift\n\
         swift_store_config_file = {}\n",
        file.display()
    );
    std::fs::write(&glance, text).unwrap();
    let environment = Environment::default();
    let sources = Sources { config_files: vec![glance], config_dirs: Vec::new(), environment };
    let config = match Config::load(&sources) {
        Ok(config) => config,
        Err(problems) => return json!({ "error": format!("{problems:?}") }),
    };
    let swift = match config.stores.into_iter().map(|store| store.kind).next() {
        Some(StoreKind::Swift(swift)) => swift,
        Some(StoreKind::Misconfigured { problems, .. }) => {
            return json!({ "error": format!("{problems:?}") });
        }
        other => panic!("no Swift store: {other:?}"),
    };
    let keys = swift.accounts.into_iter().map(|account| {
        let SwiftLogin::Keystone { credentials: Credentials::Password { password, .. }, .. } =
            account.login
        else {
            panic!("no password")
        };
        (account.reference, json!(password.expose_secret()))
    });
    Value::Object(keys.collect::<Map<_, _>>())
}

fn theirs(files: &[std::path::PathBuf]) -> Vec<Value> {
    let output = Command::new(env::python()).arg(PROGRAM).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether both returned the same keys, or both refused. A section without a key is refused only by
/// us, who need one.
fn agree(ours: &Value, theirs: &Value) -> bool {
    let refused = |read: &Value| read.get("error").is_some();
    let has_empty = theirs.as_object().unwrap().values().any(|key| key == "");
    if refused(ours) { refused(theirs) || has_empty } else { ours == theirs }
}

#[test]
#[ignore = "needs the Python environment of make test"]
fn account_files_are_read_as_by_glance_store() {
    let (mut chance, folder) = (Chance(1), tempfile::tempdir().unwrap());
    let files: Vec<_> = (0..FILES)
        .map(|number| {
            let path = folder.path().join(format!("{number}.conf"));
            std::fs::write(&path, generated(&mut chance)).unwrap();
            path
        })
        .collect();
    let (mut readable, mut differences) = (0, Vec::new());
    for (file, theirs) in files.iter().zip(theirs(&files)) {
        let ours = ours(folder.path(), file);
        readable += usize::from(ours.get("error").is_none());
        if !agree(&ours, &theirs) {
            let text = std::fs::read_to_string(file).unwrap();
            differences.push(format!("{text:?}\n ours   {ours}\n theirs {theirs}"));
        }
    }
    assert!(readable * 3 > FILES, "only {readable} of {FILES} files say anything");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
