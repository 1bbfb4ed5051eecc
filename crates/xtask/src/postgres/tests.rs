//! Examples for what PostgreSQL and the system tell us as text.

use super::binaries::newest_first;
use super::server::{find_account, is_ready};

#[test]
fn the_newest_version_is_taken_by_number_and_not_by_letter() {
    let names = ["9.6", "15", "16", "common"].map(str::to_owned);
    assert_eq!(newest_first(names.into_iter(), ""), ["16", "15", "9.6"]);
    let names = ["pgsql-9.6", "bin", "pgsql-17"].map(str::to_owned);
    assert_eq!(newest_first(names.into_iter(), "pgsql-"), ["pgsql-17", "pgsql-9.6"]);
}

#[test]
fn an_account_is_found_by_its_whole_name() {
    let accounts = "root:x:0:0:root:/root:/bin/bash\npostgres2:x:7:7::/:\npostgres:x:101:104:PostgreSQL:/var:/bin/sh\n";
    assert_eq!(find_account(accounts, "postgres"), Some((101, 104)));
    assert_eq!(find_account(accounts, "nobody"), None);
}

#[test]
fn a_server_is_ready_when_its_own_file_says_so() {
    let before = "71\n/data\n1700000000\n5433\n/socket\n127.0.0.1\n  1234 5\nstarting\n";
    assert!(!is_ready(before));
    assert!(is_ready(&before.replace("starting", "ready   ")));
    assert!(!is_ready(""));
}
