//! A disk that is full: a clear error, answers from memory, nothing acknowledged lost, and no repair by hand.
//!
//! The disk is a small one in a mount namespace of the server's own. Where the machine forbids namespaces the test
//! says so and proves nothing.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::caller::{Acknowledged, Caller, runtime, verify};
use crate::fleet;
use crate::ground::{Ground, PROGRAM, Server, eventually, says};

/// The disk; the fleet needs a tenth of it.
const DISK_KIB: u32 = 12 * 1024;

/// What fills a part of it and can be deleted: room to get well again.
const BALLAST_KIB: u32 = 4 * 1024;

/// Rows of one import, until no more fit.
const ROWS: usize = 2_000;

/// Far more imports than the disk takes.
const IMPORTS_MAX: usize = 50;

#[test]
fn a_full_disk_is_named_and_nothing_acknowledged_is_lost() {
    if !may_mount() {
        eprintln!("SKIPPED: this machine lets nobody make a mount namespace");
        return;
    }
    let ground = Ground::new();
    std::fs::create_dir(ground.path("disk")).unwrap();
    let server = serve_on_a_small_disk(&ground);
    fleet::put(&ground, &server, 50);
    let before = server.ok(&["resolve", "svc-7", "-o", "json"]);
    let caller = Caller::new(&server.url, &server.token("data"));
    let runtime = runtime();
    let mut acknowledged = Acknowledged::default();
    let refusal = (0..IMPORTS_MAX).find_map(|portion| {
        let name = format!("row-{portion}");
        match runtime.block_on(caller.import_at_once(fleet::rows(&name, ROWS, "basic"))).unwrap() {
            // 202: the rows are kept, and the disk was full only for the allocator.
            (200 | 202, _) => {
                acknowledged.imported.extend((0..ROWS).map(|at| format!("{name}-{at}")));
                None
            }
            refused => Some(refused),
        }
    });
    let (status, problem) = refusal.expect("the disk fills");
    assert!(!acknowledged.imported.is_empty());
    assert_eq!(status, 507, "{problem}");
    says(&problem.to_string(), &["disk-full"]);
    assert_eq!(server.ok(&["resolve", "svc-7", "-o", "json"]), before, "resolution needs no disk");

    std::fs::remove_file(inside(&server).join("ballast")).unwrap();
    let owned = eventually(Duration::from_secs(30), || match runtime.block_on(caller.put("after")) {
        Ok(answer @ (200 | 201, _)) if answer.1["group"].is_string() => Ok(answer),
        other => Err(format!("{other:?}")),
    });
    acknowledged.note("after".to_owned(), &owned);
    verify(&server, &caller, &acknowledged);
}

fn may_mount() -> bool {
    let mut unshare = Command::new("unshare");
    unshare.args(["-rm", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}

/// A server whose database lies on a disk that only it sees.
fn serve_on_a_small_disk(ground: &Ground) -> Server {
    let script = format!(
        "mount -t tmpfs -o size={DISK_KIB}k small disk && dd if=/dev/zero of=disk/ballast bs=1024 count={BALLAST_KIB} 2>&1 \
         && exec {PROGRAM} serve --listen 127.0.0.1:0 --data data --database sqlite:disk/tenure.db"
    );
    let home = ground.home.path();
    Server::start_as(home, "data", "unshare", &["-rm", "sh", "-c", &script])
        .unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
}

/// The disk as the server sees it.
fn inside(server: &Server) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", server.process(), server.home().join("disk").display()))
}
