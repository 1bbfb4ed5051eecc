//! A planted violation for each rule, beside the same thing done right, and the repository itself.

use super::source::SourceFile;
use super::{check, read_files};

/// What the rules say about one file in a repository that is otherwise in order.
fn findings(path: &str, text: &str) -> Vec<String> {
    let architecture =
        file("ARCHITECTURE.md", "## Laws in force\n| law | says |\n|---|---|\n| I7 | reading writes nothing |\n");
    let cited = file("crates/control/src/resolution/laws.rs", "//! I7\n#[test]\nfn reading_writes_nothing() {}\n");
    let planted = file(path, text);
    let mut files = vec![planted];
    files.extend([architecture, cited].into_iter().filter(|other| other.path != path));
    check(&files).iter().map(ToString::to_string).collect()
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

/// A source file below a good header of four lines, so that its first line is line five.
fn source(body: &str) -> String {
    format!("//! One.\n//!\n//! Two.\n//! Three.\n{body}")
}

fn assert_finds(path: &str, text: &str, line: usize, wrong: &str) {
    let found = findings(path, text);
    let start = format!("{path}:{line}: {wrong}: ");
    assert!(found.len() == 1 && found[0].starts_with(&start), "expected `{start}`, found {found:#?}");
}

fn assert_tidy(path: &str, text: &str) {
    assert_eq!(findings(path, text), Vec::<String>::new());
}

#[test]
fn the_repository_is_tidy() {
    let files = read_files(&crate::cargo::root()).unwrap();
    let found: Vec<String> = check(&files).iter().map(ToString::to_string).collect();
    assert!(files.iter().any(|file| file.path == "crates/xtask/src/tidy/tests.rs"), "the walk found no files");
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

const LINTS: &str = "[lints]\nworkspace = true\n";

#[test]
fn an_arrow_that_is_not_drawn_is_found() {
    let wire = "crates/wire/Cargo.toml";
    assert_tidy(wire, &format!("{LINTS}[dependencies]\ndomain.workspace = true\nserde.workspace = true\n"));
    let wrong = "`wire` may not use `store`";
    assert_finds(wire, &format!("{LINTS}[dependencies]\nstore.workspace = true\n"), 4, wrong);
    assert_finds(wire, &format!("{LINTS}[dev-dependencies]\nstore = {{ path = \"../store\" }}\n"), 4, wrong);
    assert_finds(wire, &format!("{LINTS}[dependencies.store]\npath = \"../store\"\n"), 3, wrong);
    assert_finds(wire, &format!("{LINTS}[dependencies]\nkept = {{ package = \"tenure-store\" }}\n"), 4, wrong);
    assert_finds(wire, &format!("{LINTS}[target.'cfg(unix)'.dependencies]\ntenure-store.workspace = true\n"), 4, wrong);
    assert_finds(
        "crates/tenure/Cargo.toml",
        &format!("{LINTS}[dependencies]\nsim = \"1\"\n"),
        4,
        "`tenure` may not use `sim`",
    );
    assert_finds(
        "crates/xtask/Cargo.toml",
        &format!("{LINTS}[dependencies]\ndomain = \"1\"\n"),
        4,
        "`xtask` may not use `domain`",
    );
}

#[test]
fn a_crate_without_arrows_is_found() {
    assert_finds("crates/extra/Cargo.toml", LINTS, 1, "the crate `extra` has no arrows");
}

#[test]
fn a_crate_without_the_lints_of_the_workspace_is_found() {
    let wrong = "the lints of the workspace are not inherited";
    assert_finds("crates/domain/Cargo.toml", "[package]\nworkspace = true\n", 1, wrong);
    assert_finds("crates/domain/Cargo.toml", "[lints]\nrust.unsafe_code = \"allow\"\n", 1, wrong);
}

#[test]
fn the_sql_driver_outside_the_store_is_found() {
    let manifest = format!("{LINTS}[dependencies]\nsqlx.workspace = true\n");
    assert_tidy("crates/store/Cargo.toml", &manifest);
    assert_finds("crates/control/Cargo.toml", &manifest, 4, "`control` uses the SQL driver");
    let body = source("use sqlx::Row;\n");
    assert_tidy("crates/store/src/row.rs", &body);
    assert_tidy("crates/bench/src/row.rs", &body);
    assert_finds("crates/control/src/row.rs", &body, 5, "`sqlx` outside `store`");
    assert_tidy(
        "crates/control/src/row.rs",
        &source("// No sqlx here.\nfn not_sqlx_ish(name: &str) { say(\"sqlx\") }\n"),
    );
}

#[test]
fn a_missing_or_meagre_header_is_found() {
    let path = "crates/domain/src/time.rs";
    assert_finds(path, "use a::b;\n", 1, "no header");
    assert_finds(path, "\n//! Late.\n//! Late.\n//! Late.\n", 1, "no header");
    assert_finds(path, "//! One.\nuse a::b;\n", 1, "a header of 1 lines");
    assert_finds(path, &"//! And on.\n".repeat(13), 1, "a header of 13 lines");
    assert_tidy(path, &source(""));
    assert_tidy("crates/domain/src/tests.rs", "//! One is enough here.\n");
    assert_tidy("crates/domain/src/orchestration/laws/balance.rs", "//! And here.\n");
    assert_tidy("crates/domain/build.rs", "fn main() {}\n");
}

#[test]
fn a_long_file_is_found_and_tests_do_not_count() {
    let path = "crates/domain/src/time.rs";
    let full = source(&"use a;\n".repeat(496));
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    use a;\n".repeat(600));
    assert_tidy(path, &full);
    assert_tidy(path, &format!("{full}{tests}"));
    assert_finds(path, &format!("{full}use a;\n"), 501, "501 lines of 500, tests not counted");
    assert_finds(path, &format!("{full}{tests}use a;\n"), 501, "501 lines of 500, tests not counted");
    assert_tidy("crates/domain/src/laws.rs", &format!("{full}use a;\n"));
}

#[test]
fn a_long_function_is_found_and_tests_do_not_count() {
    let path = "crates/domain/src/time.rs";
    let function =
        |lines: usize| format!("pub fn long(a: [u8; 4]) -> Fn(u8) {{\n{}}}\n", "    a();\n".repeat(lines - 2));
    assert_tidy(path, &source(&format!("{}{}", function(70), function(70))));
    assert_finds(path, &source(&function(71)), 5, "`long` has 71 lines of 70");
    assert_finds(
        path,
        &source(&format!("trait A {{ fn short(); }}\n{}", function(71))),
        6,
        "`long` has 71 lines of 70",
    );
    assert_tidy(path, &source(&format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(71))));
    assert_tidy("crates/domain/tests/it/main.rs", &source(&function(71)));
    // A brace in a string, a comment or a character closes nothing.
    let tricky = format!("fn a() {{\n    b(\"}}\", '}}', r#\"}}\"}}\"#); // }}\n{}}}\n", "    c();\n".repeat(70));
    assert_finds(path, &source(&tricky), 5, "`a` has 73 lines of 70");
}

#[test]
fn a_clock_read_outside_a_clock_is_found() {
    for read in [
        "SystemTime::now()",
        "std::time::Instant::now()",
        "Timestamp::now()",
        "Zoned::now()",
        "tokio::time::Instant::now()",
    ] {
        let body = source(&format!("fn a() {{ {read}; }}\n"));
        let found = findings("crates/control/src/tasks/driver.rs", &body);
        assert!(found.len() == 1 && found[0].contains("outside a clock.rs"), "{read}: {found:#?}");
        assert_tidy("crates/control/src/clock.rs", &body);
        assert_tidy("crates/bench/src/fill.rs", &body);
        assert_tidy("crates/control/src/tasks/tests.rs", &body);
    }
    let in_test = source("#[cfg(test)]\nmod tests {\n    fn a() { Instant::now() }\n}\nfn b() {}\n");
    assert_tidy("crates/control/src/tasks/driver.rs", &in_test);
    let behind_a_test = source("#[cfg(test)]\nmod tests {}\nfn b() { Instant::now() }\n");
    assert_finds("crates/control/src/tasks/driver.rs", &behind_a_test, 7, "`Instant::now` outside a clock.rs");
    assert_tidy("crates/control/src/tasks/driver.rs", &source("// Instant::now is read elsewhere.\n"));
}

#[test]
fn a_hash_map_in_the_domain_is_found() {
    let body = source("use std::collections::HashMap;\n");
    assert_finds("crates/domain/src/view.rs", &body, 5, "`HashMap` in `domain`");
    assert_finds("crates/domain/src/view.rs", &body.replace("Map", "Set"), 5, "`HashSet` in `domain`");
    assert_tidy("crates/control/src/view.rs", &body);
}

#[test]
fn a_name_that_says_nothing_is_found() {
    for (path, name) in
        [("utils.rs", "utils"), ("common/mod.rs", "common"), ("misc.rs", "misc"), ("helpers.rs", "helpers")]
    {
        let path = format!("crates/control/src/{path}");
        assert_finds(&path, &source(""), 1, &format!("`{name}` says nothing about what is in it"));
    }
    assert_tidy("crates/control/src/common_ground.rs", &source(""));
}

#[test]
fn what_is_not_finished_is_found() {
    let path = "crates/control/src/plan.rs";
    assert_finds(path, &source("fn a() { todo!() }\n"), 5, "`todo!`");
    assert_finds(path, &source("fn a() { unimplemented!() }\n"), 5, "`unimplemented!`");
    assert_finds(path, &source("#[test]\n#[ignore = \"slow\"]\nfn a() {}\n"), 6, "`#[ignore`");
    assert_finds(path, &source("// FIXME: wrong\n"), 5, "`FIXME`");
    assert_finds(path, &source("/* TODO: right */\n"), 5, "`TODO` without an issue");
    assert_tidy(path, &source("// TODO(#12): right\nfn a() { b(\"todo! FIXME\", r\"#[ignore\") }\n"));
}

#[test]
fn a_path_of_some_machine_is_found() {
    for folder in [concat!("/", "work/"), concat!("/", "root/")] {
        let wrong = format!("a path below `{folder}` of some machine");
        assert_finds("docs/guide.md", &format!("one\n$ cd {folder}main\n"), 2, &wrong);
        assert_finds("Cargo.lock", &format!("source = \"file://{folder}main\"\n"), 1, &wrong);
        assert_tidy("docs/guide.md", &format!("see net{folder}a and ..{folder}b\n"));
    }
}

#[test]
fn a_law_without_a_test_is_found() {
    let path = "ARCHITECTURE.md";
    let table =
        "# A\n## Laws in force\n\n| law | says |\n|---|---|\n| I7 | a |\n| **I8** | b |\n## Later\n| I9 | c |\n";
    assert_finds(path, table, 7, "no test cites the law I8");
    assert_finds(path, "# A\n| I7 | a |\n", 1, "no law stands in a table under `## Laws in force`");
    let nothing: Vec<String> = check(&[]).iter().map(ToString::to_string).collect();
    assert!(nothing.len() == 1 && nothing[0].starts_with("ARCHITECTURE.md:1: the file is missing: "), "{nothing:#?}");
}

#[test]
fn only_a_test_cites_a_law() {
    let laws = "## Laws in force\n| I1 | a |\n";
    let is_cited_by = |path: &str, text: &str| check(&[file("ARCHITECTURE.md", laws), file(path, text)]).is_empty();
    let path = "crates/domain/src/a.rs";
    assert!(is_cited_by("crates/domain/src/laws.rs", "//! Tests I1.\n#[test]\nfn a() {}\n"));
    assert!(is_cited_by("crates/tenure/tests/it/main.rs", "//! Tests I1.\n#[tokio::test]\nasync fn a() {}\n"));
    assert!(is_cited_by(path, &source("#[cfg(test)]\nmod tests {\n    // I1\n    #[test]\n    fn a() {}\n}\n")));
    assert!(!is_cited_by(path, &source("// Keeps I1.\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn a() {}\n}\n")));
    assert!(!is_cited_by("crates/domain/src/laws.rs", "//! Tests I1.\n"), "a file without a test cites nothing");
    assert!(!is_cited_by("crates/domain/src/laws.rs", "//! Tests I10.\n#[test]\nfn a() {}\n"), "I10 is not I1");
}
