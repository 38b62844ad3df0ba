//! The house rules that a reader would otherwise have to remember.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms each room may name. Arrows point down.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["*"]),
    ("config", &["*"]),
    ("daemon", &["*"]),
    ("control", &["*"]),
    ("keeper", &["*"]),
    ("health", &["*"]),
    (
        "web",
        &[
            "beacon", "clock", "count", "details", "fold", "guard", "journal", "metrics", "page", "salt",
            "sites", "snippet", "visitor", "words",
        ],
    ),
    ("beacon", &["details", "words"]),
    ("sites", &["words"]),
    ("visitor", &["beacon", "details", "sites", "words"]),
    ("guard", &["beacon", "visitor", "sites", "words"]),
    ("snippet", &["sites", "words"]),
    ("page", &["words"]),
    ("legacy", &["beacon", "rows", "words"]),
    ("dashboards", &[]),
    ("count", &["rows", "sites", "words"]),
    ("fleet", &["clock", "metrics", "rows", "salt", "store", "words"]),
    ("fold", &["count", "details", "journal", "rows", "store", "words"]),
    (
        "import",
        &[
            "beacon", "clock", "details", "fold", "guard", "rows", "salt", "sites", "store", "visitor",
            "words",
        ],
    ),
    ("rows", &["details", "words"]),
    ("journal", &["details", "words"]),
    ("store", &["details", "rows", "words"]),
    ("salt", &["words"]),
    ("words", &["details"]),
    ("details", &[]),
    ("clock", &["words"]),
    ("metrics", &["words"]),
    ("lib", &[]),
];

/// A call that one file alone may make, and which.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("SystemTime::now", &["clock.rs"]),
    ("getrandom::", &["salt.rs"]),
    ("println!", &["cli/"]),
    ("std::env::var", &["cli/"]),
    ("process::exit", &["daemon.rs"]),
];

const LINES_OF_FILE_MAX: usize = 600;
const LINES_OF_FUNCTION_MAX: usize = 70;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Source files with their names below `src` and their lines before `#[cfg(test)]`.
fn sources() -> BTreeMap<String, Vec<String>> {
    let source = root().join("src");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        (name, code.map(str::to_owned).collect())
    };
    let is_test = |path: &PathBuf| path.ends_with("tests.rs") || path.ends_with("store/model.rs");
    files_below(&source, "rs").into_iter().filter(|path| !is_test(path)).map(read).collect()
}

fn room(name: &str) -> &str {
    name.split(['/', '.']).next().unwrap_or(name)
}

fn check(complaints: &[String]) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_room_names_only_rooms_that_it_may_know() {
    let mut complaints = Vec::new();
    for (name, lines) in sources() {
        let allowed = MAY_KNOW.iter().find(|(known, _)| *known == room(&name));
        let Some((own, allowed)) = allowed else {
            complaints.push(format!("{name}: the room has no line in MAY_KNOW"));
            continue;
        };
        for (n, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for named in line
                .split("crate::")
                .skip(1)
                .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(""))
            {
                if !named.is_empty() && named != *own && !allowed.contains(&"*") && !allowed.contains(&named)
                {
                    complaints.push(format!("src/{name}:{}: {own} may not know {named}", n + 1));
                }
            }
        }
    }
    check(&complaints);
}

#[test]
fn every_file_begins_with_what_it_is_for_and_stays_readable() {
    let mut complaints = Vec::new();
    for (name, lines) in sources() {
        if !lines.first().is_some_and(|line| line.starts_with("//! ")) {
            complaints.push(format!("src/{name}: begins without saying what it is for"));
        }
        if lines.len() > LINES_OF_FILE_MAX {
            complaints.push(format!("src/{name}: {} lines, {LINES_OF_FILE_MAX} at most", lines.len()));
        }
    }
    check(&complaints);
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut complaints = Vec::new();
    for (name, lines) in sources() {
        for (n, line) in lines.iter().enumerate() {
            let code = line.trim_start();
            let indent = line.len() - code.len();
            let words: Vec<&str> = code.split(' ').take(4).collect();
            let begins = words.contains(&"fn") && !code.starts_with("//") && !line.ends_with(';');
            if !begins {
                continue;
            }
            let end = lines[n..].iter().position(|line| *line == format!("{}}}", " ".repeat(indent)));
            if let Some(length) = end.filter(|length| *length > LINES_OF_FUNCTION_MAX) {
                complaints.push(format!("src/{name}:{}: a function of {length} lines", n + 1));
            }
        }
    }
    check(&complaints);
}

#[test]
fn time_chance_and_the_terminal_have_one_room_each() {
    let mut complaints = Vec::new();
    for (name, lines) in sources() {
        for (n, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for (call, homes) in ONLY_IN {
                if line.contains(call) && !homes.iter().any(|home| name.starts_with(home)) {
                    complaints.push(format!("src/{name}:{}: {call} belongs into {homes:?}", n + 1));
                }
            }
        }
    }
    check(&complaints);
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TODO", "FIXME", "XXX", "unimplemented!", "todo!("];
    let mut complaints = Vec::new();
    for (name, lines) in sources() {
        for (n, line) in lines.iter().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("src/{name}:{}: {word}", n + 1));
            }
        }
    }
    check(&complaints);
}

#[test]
fn every_test_file_is_listed() {
    let main = fs::read_to_string(root().join("tests/main.rs")).unwrap();
    let mut complaints = Vec::new();
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_file = path.extension().is_some_and(|extension| extension == "rs") && name != "main";
        if is_file && !main.contains(&format!("mod {name};")) {
            complaints.push(format!("tests/{name}.rs is not listed in tests/main.rs"));
        }
    }
    check(&complaints);
}
