//! Compares our parsers of configuration files and database URLs with the real oslo.config and
//! SQLAlchemy, of the Python that `GLANCE_REVERT_TEST_PYTHON` names.

use std::path::Path;
use std::process::Command;

use glance_revert::config::Environment;
use glance_revert::config::oslo::{Settings, types};
use glance_revert::config::sections::database::url::DatabaseUrl;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use crate::support::chance::Chance;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/config/ask_oslo.py");

/// Files, environment, and the options to read: group, name, type.
struct Case {
    files: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
    options: Vec<(&'static str, String, &'static str)>,
}

/// Former names of the option `renamed`.
const OLD_NAMES: &[&str] = &["old", "old-er"];

/// Lines for randomly generated files.
const LINES: &[&str] = &[
    "[DEFAULT]",
    "[default]",
    "[a]",
    "[A]",
    "[a]\nx = 8\n  9\n\n[A]\ny = $x",
    "x = 1",
    "x=2",
    "x: 3",
    "x = a:b",
    "x : a=b",
    "x =",
    "x = \"q\"",
    "x = 'q\"",
    "x = \"",
    "x = \"a\" b \"c\"",
    "x = ''",
    "x = 4\n  more",
    "x = 4\n\tmore\n  # kept\n",
    "z = one,\n    two",
    "",
    "   ",
    "# c",
    "; c",
    "#",
    "x = 5 # kept",
    "x = 6 ; kept",
    "y = $x",
    "y = ${x}y",
    "y = $a.x",
    "y = ${a.y}",
    "y = $nope",
    "y = $DEFAULT.x",
    "y = $b.x",
    "y = $$x \\$x $1 ${ $",
    "y = $x.",
    "x = $y",
    "z = one",
    "z = $x",
    "z = 'two'",
    "X = 7",
    "old = 8",
    "old-er = 9",
    "renamed = 10",
    "[c]",
    "[ a ]",
    "[a]b]",
];

/// Lines that make a file invalid in most places.
const DEFECTS: &[&str] =
    &["[]", "[a", "[a] # c", "x", "= 1", ": 1", "  x = 4", "# c\n  more", "\u{a0}odd", "\n\tmore"];

/// Values that are parsed as each type.
const VALUES: &[&str] = &[
    "",
    "true",
    "YES",
    "off",
    "0",
    "1",
    "2",
    "-3",
    "+4",
    "007",
    "1_000",
    "1__0",
    "0x10",
    "1.5",
    ".5",
    "1e3",
    "5.",
    "a,b",
    "a, b,",
    "a,,b",
    ",",
    "a,,",
    "a:b",
    "a:b,c:d",
    "a:b,c",
    "a:b,,c:d",
    "a:b,",
    "a:b,a:c",
    ":b",
    "a:",
    "a : b , c : d",
    "a:b:c",
    "\n  a:b,\n  c:d",
];

const URLS: &[&str] = &[
    "mysql+pymysql://glance:pw@10.0.0.1:3306/glance?charset=utf8",
    "mysql://glance:pw@db/glance",
    "mysql+mysqldb://u@h/d",
    "mariadb+mariadbconnector://u:p@h/d",
    "postgresql+psycopg2://u:p@h:5432/d",
    "postgresql://u:p@/d?host=/run/postgresql&port=5433",
    "postgresql://u:p@/d?host=a&host=b",
    "sqlite:////var/lib/glance/glance.sqlite",
    "sqlite:///relative.db",
    "sqlite://",
    "mysql://u:p/w#x?y:z@h/d",
    "mysql://u:p+w%40%2B%zz%e4@h/d",
    "mysql://u%3Ax:p@h/d",
    "mysql://u:p@w@h/d",
    "mysql://a@b@h/d",
    "mysql://a@b:3306/d",
    "mysql://a@b:3306/d?x=y@z",
    "mysql://:p@h/d",
    "mysql://u:@h/d",
    "mysql://@h/d",
    "mysql://u:p@/d?unix_socket=/run/mysqld.sock",
    "mysql://u:p@[::1]:33/d",
    "mysql://u:p@[fe80::1]/d",
    "mysql://u:p@[::1/d",
    "mysql://u:p@[::1]x/d",
    "mysql://h:/d",
    "mysql://h:port/d",
    "mysql://h: 33 /d",
    "mysql://h/d?a=1&a=2&b=&c&d=x+y%20z&=e",
    "mysql://h/a%20b/c?d=e?f",
    "mysql://h",
    "mysql://h?a=b",
    "glance",
    "://h/d",
];

/// Mostly well-formed, so that files do not always fail at the first line.
fn generated(chance: &mut Chance) -> String {
    let mut text = String::from(if chance.below(20) == 0 { "" } else { "[DEFAULT]\n" });
    for _ in 0..=chance.below(9) {
        let lines = if chance.below(20) == 0 { DEFECTS } else { LINES };
        text.push_str(lines[chance.below(lines.len())]);
        text.push_str(if chance.below(10) == 0 { "\r\n" } else { "\n" });
    }
    text
}

fn plain_options() -> Vec<(&'static str, String, &'static str)> {
    let of_group = |group| {
        let options = [("x", "str"), ("y", "str"), ("z", "multi"), ("renamed", "renamed")];
        options.map(|(n, k)| (group, n.to_owned(), k))
    };
    ["DEFAULT", "a"].into_iter().flat_map(of_group).collect()
}

fn cases() -> Vec<Case> {
    let mut chance = Chance(1);
    let mut cases: Vec<Case> = (0..600)
        .map(|_| {
            let files = (0..=chance.below(3)).map(|_| generated(&mut chance)).collect();
            Case { files, environment: vec![], options: plain_options() }
        })
        .collect();
    for environment in [
        vec![("OS_DEFAULT__X", "env")],
        vec![("OS_A__Y", " \"$x\" "), ("OS_DEFAULT__X", "")],
        vec![("OS_DEFAULT__OLD", "env")],
        vec![("OS_DEFAULT__RENAMED", "env"), ("OS_A__OLD-ER", "env")],
    ] {
        let files = vec!["[DEFAULT]\nx = file\ny = $x\nold = file\n[a]\nx = near\n".to_owned()];
        cases.push(Case { files, environment, options: plain_options() });
    }
    let bom = "\u{feff}[DEFAULT]\nx = 1\n".to_owned();
    cases.push(Case { files: vec![bom], environment: vec![], options: plain_options() });
    cases.push(typed());
    cases
}

/// A file with every value for every type.
fn typed() -> Case {
    let mut text = String::from("[DEFAULT]\n");
    let mut options = Vec::new();
    for kind in ["str", "bool", "int", "float", "list", "dict"] {
        for (index, value) in VALUES.iter().enumerate() {
            let name = format!("{kind}{index}");
            text.extend([&name, " = ", value, "\n"]);
            // Ours are durations, which deliberately refuse a sign and `1_000`.
            if kind != "float" || !value.contains(['-', '_']) {
                options.push(("DEFAULT", name, kind));
            }
        }
    }
    Case { files: vec![text], environment: vec![], options }
}

fn ours(case: &Case) -> Value {
    let mut settings = Settings::new(case.environment.iter().copied().collect::<Environment>());
    for text in &case.files {
        if let Err(errors) = settings.add_file(Path::new("case.conf"), text) {
            return json!({ "error": format!("{errors:?}") });
        }
    }
    for (group, name, _) in &case.options {
        settings.set_default(group, name, "");
    }
    let read = |(group, name, kind): &(&str, String, &str)| match read(&settings, group, name, kind)
    {
        Ok(value) => json!({ "value": value }),
        Err(error) => json!({ "error": error }),
    };
    json!({ "value": case.options.iter().map(read).collect::<Vec<_>>() })
}

fn read(settings: &Settings, group: &str, name: &str, kind: &str) -> Result<Value, String> {
    if kind == "multi" {
        let all = settings.get_all(group, name);
        let all: Result<Vec<String>, _> = all.into_iter().map(|found| found.value).collect();
        let all = all.map_err(|error| error.to_string())?;
        return Ok(if all.is_empty() { Value::Null } else { json!(all) });
    }
    let old: &[&str] = if kind == "renamed" { OLD_NAMES } else { &[] };
    let Some(found) = settings.get_renamed(group, name, old) else { return Ok(Value::Null) };
    let text = found.value.map_err(|error| error.to_string())?;
    let empty = types::strip(&text).is_empty();
    Ok(match kind {
        "bool" => json!(types::boolean(&text)?),
        "int" | "float" if empty => Value::Null,
        "int" => json!(types::integer(&text)?),
        "float" => json!(types::seconds(&text)?.as_secs_f64()),
        "list" => json!(types::list(&text)),
        "dict" => {
            let pairs = types::dictionary(&text)?;
            Value::Object(pairs.into_iter().map(|(key, value)| (key, json!(value))).collect())
        }
        _ => json!(text),
    })
}

fn our_split(text: &str) -> Value {
    let url = match DatabaseUrl::parse(text) {
        Ok(url) => url,
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let password = url.password.as_ref().map(|password| password.expose_secret().to_owned());
    let mut query = Map::new();
    for name in ["a", "b", "c", "d", "", "x", "charset", "host", "port", "unix_socket"] {
        let values: Vec<&str> = url.parameters(name).collect();
        if !values.is_empty() {
            query.insert(name.to_owned(), json!(values));
        }
    }
    json!({ "value": [url.scheme, url.user, password, url.host, url.port, url.database, query] })
}

fn theirs(cases: &[Case]) -> Value {
    let asked: Vec<Value> = cases
        .iter()
        .map(|case| {
            let environment: Map<String, Value> = case
                .environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            json!({ "files": case.files, "environment": environment, "options": case.options })
        })
        .collect();
    let python = std::env::var_os("GLANCE_REVERT_TEST_PYTHON")
        .ok_or("set GLANCE_REVERT_TEST_PYTHON to a Python with oslo.config and SQLAlchemy")
        .unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!({ "cases": asked, "urls": URLS }).to_string()).unwrap();
    let output = Command::new(python).arg(PROGRAM).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Whether both returned the same value, or both refused.
fn agree(ours: &Value, theirs: &Value) -> bool {
    match (ours.get("value"), theirs.get("value")) {
        (Some(Value::Array(ours)), Some(Value::Array(theirs)))
            if ours.iter().any(|value| value.get("value").or(value.get("error")).is_some()) =>
        {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(o, t)| agree(o, t))
        }
        (ours, theirs) => ours == theirs,
    }
}

#[test]
#[ignore = "needs the Python environment of make test"]
fn files_and_urls_are_read_as_by_oslo_config_and_sqlalchemy() {
    let cases = cases();
    let theirs = theirs(&cases);
    let readable = cases.iter().filter(|case| ours(case).get("value").is_some()).count();
    assert!(readable * 3 > cases.len(), "only {readable} of {} files say anything", cases.len());
    let mut differences = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let (ours, theirs) = (ours(case), &theirs["cases"][index]);
        if !agree(&ours, theirs) {
            differences.push(format!("{:?}\n ours   {ours}\n theirs {theirs}", case.files));
        }
    }
    for (index, url) in URLS.iter().enumerate() {
        let (ours, theirs) = (our_split(url), &theirs["urls"][index]);
        if !agree(&ours, theirs) {
            differences.push(format!("{url}\n ours   {ours}\n theirs {theirs}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
