//! The layer rules of ARCHITECTURE.md, checked on the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Longest source file, tests aside.
const LONGEST: usize = 400;

/// What must not be named outside certain places: the words, the places (prefixes of paths from the
/// top of the repository), and where the rule holds.
struct Rule {
    words: &'static [&'static str],
    only_in: &'static [&'static str],
    within: &'static str,
    why: &'static str,
}

/// What input and output need.
const IO: &[&str] = &[
    "std::fs",
    "fs::",
    "std::net::Tcp",
    "std::process",
    "io::",
    "tokio",
    "rustix",
    "libc",
];

const RULES: &[Rule] = &[
    Rule {
        words: &["aya::", "aya_log", "aya_obj"],
        only_in: &["portex-user/src/kernel/"],
        within: "portex-user/src/",
        why: "only kernel/ talks to BPF",
    },
    Rule {
        words: &["clap::", "use clap"],
        only_in: &["portex-user/src/cli/"],
        within: "portex-user/src/",
        why: "only cli/ knows the command line",
    },
    Rule {
        words: &["ratatui", "crossterm"],
        only_in: &["portex-user/src/views/top/"],
        within: "portex-user/src/",
        why: "only the live view knows the terminal",
    },
    Rule {
        words: IO,
        only_in: &[],
        within: "portex-user/src/decode/",
        why: "decode does no I/O",
    },
    Rule {
        words: &["kernel::"],
        only_in: &[],
        within: "portex-user/src/views/",
        why: "views do not reach into the kernel side",
    },
    Rule {
        words: &[
            "Instant",
            "SystemTime",
            "inventory::",
            "kernel::",
            "views::",
            "source::",
        ],
        only_in: &[],
        within: "portex-user/src/attribution/",
        why: "the model is told the time, and knows neither where its input comes from nor who reads it",
    },
    Rule {
        words: IO,
        only_in: &[],
        within: "portex-user/src/attribution/",
        why: "the model does no I/O",
    },
    Rule {
        words: &[
            "Instant",
            "SystemTime",
            "inventory::",
            "kernel::",
            "observe::",
            "views::",
        ],
        only_in: &[],
        within: "portex-user/src/doctor/",
        why: "rules judge by the case that they are given, and know neither where it comes from nor who reads it",
    },
    Rule {
        words: IO,
        only_in: &[],
        within: "portex-user/src/doctor/",
        why: "rules do no I/O",
    },
    Rule {
        words: &["attribution::", "views::"],
        only_in: &[],
        within: "portex-user/src/inventory/",
        why: "the inventory does not know the model",
    },
    Rule {
        words: &["attribution::", "views::", "kernel::"],
        only_in: &[],
        within: "portex-user/src/lookup/",
        why: "lookups answer whoever asks, and know neither the model nor the views",
    },
    Rule {
        words: &["dns_lookup"],
        only_in: &["portex-user/src/lookup/"],
        within: "portex-user/src/",
        why: "only lookup/ asks a resolver",
    },
    Rule {
        words: &["attribution::", "inventory::", "kernel::", "views::"],
        only_in: &[],
        within: "portex-user/src/symbols/",
        why: "names of code depend on what was captured and on files, nothing else",
    },
    Rule {
        words: &[
            "blazesym",
            "framehop",
            "cpp_demangle",
            "rustc_demangle",
            "flate2",
        ],
        only_in: &["portex-user/src/symbols/"],
        within: "portex-user/src/",
        why: "only symbols/ reads programs of others",
    },
    Rule {
        words: &["inventory::", "observe::", "lookup::", "attribution::State"],
        only_in: &[],
        within: "portex-user/src/views/",
        why: "views read events and snapshots only",
    },
    Rule {
        words: &["inventory::", "kernel::", "views::"],
        only_in: &[],
        within: "portex-user/src/recording/",
        why: "a recording has inputs, wherever they come from and go to",
    },
    Rule {
        words: &["bpf_probe_read"],
        only_in: &[
            "portex-ebpf/src/read.rs",
            "portex-ebpf/src/read/time_wait.rs",
        ],
        within: "portex-ebpf/src/",
        why: "raw kernel memory is read in one module",
    },
];

fn top() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("a workspace").to_owned()
}

/// Every Rust file below a directory, with its path from the top.
fn sources(directory: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("target") {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top()).expect("below the top");
            let text = fs::read_to_string(&path).expect("UTF-8");
            found.push((name.to_string_lossy().into_owned(), text));
        }
    }
    found
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.starts_with("portex-user/") && name.contains("/tests/")
}

/// Without comments, and without what is compiled for tests only: those may look anywhere.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .map(|line| line.split("//").next().unwrap_or_default())
}

fn breaches(rule: &Rule, sources: &[(String, String)]) -> Vec<String> {
    sources
        .iter()
        .filter(|(name, _)| name.starts_with(rule.within) && !is_test(name))
        .filter(|(name, _)| !rule.only_in.iter().any(|place| name.starts_with(place)))
        .flat_map(|(name, text)| {
            code(text)
                .filter(|line| rule.words.iter().any(|word| line.contains(word)))
                .map(move |line| format!("{name}: {}: {}", rule.why, line.trim()))
        })
        .collect()
}

#[test]
fn layers_are_kept() {
    let sources = sources(&top());
    let found: Vec<String> = RULES
        .iter()
        .flat_map(|rule| breaches(rule, &sources))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_rule_looks_at_something_and_can_fail() {
    let sources = sources(&top());
    for rule in RULES {
        let looked_at = sources
            .iter()
            .filter(|(name, _)| name.starts_with(rule.within));
        assert!(looked_at.count() > 0, "nothing in {}", rule.within);
        let breach = format!("use x; {}", rule.words[0]);
        let planted = [(format!("{}planted.rs", rule.within), breach)];
        assert_eq!(breaches(rule, &planted).len(), 1, "{}", rule.why);
    }
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = sources(&top())
        .into_iter()
        .filter(|(name, _)| !is_test(name))
        .map(|(name, text)| {
            (
                name,
                text.lines()
                    .take_while(|l| l.trim() != "#[cfg(test)]")
                    .count(),
            )
        })
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(name, lines)| format!("{name}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "split:\n{}", long.join("\n"));
}
