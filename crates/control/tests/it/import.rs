//! Imports: what lands, what is named, and what stays when a stream breaks off.

use std::io::Write;

use futures::StreamExt;
use reqwest::{Body, Method};
use serde_json::json;

use crate::fixture::{FLEET, Server, send};
use crate::on_both_engines;

on_both_engines! {
    bad_lines_are_named_and_the_rest_lands
    a_row_may_come_twice
    a_packed_stream_is_taken
    a_stream_that_breaks_off_keeps_what_came
    without_a_leader_the_answer_says_how_many_are_pending
}

fn row(n: usize) -> String {
    format!("{{\"id\":\"svc-{n:06}\",\"product\":\"basic\"}}\n")
}

async fn bad_lines_are_named_and_the_rest_lands(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let mut rows = String::new();
    for n in 0..25_000 {
        match n {
            99 => rows.push_str("not json\n"),
            199 => rows.push_str("{\"id\":\"UPPER\",\"product\":\"basic\"}\n"),
            299 => rows.push_str("{\"id\":\"x\",\"product\":\"basci\"}\n"),
            399 => rows.push_str("{\"id\":\"x\",\"product\":\"basic\",\"jurisdiction\":\"eu\"}\n"),
            20_099 => rows.push_str("{\"id\":\"x\",\"product\":\"basic\",\"wieght\":2}\n"),
            n => rows.push_str(&row(n)),
        }
    }
    let answer = server.import("?wait=true", rows.clone()).await.expect(200);
    assert_eq!((&answer["accepted"], &answer["created"]), (&json!(24_995), &json!(24_995)), "{answer}");
    assert_eq!(answer["pending"], 0);
    let named: Vec<(u64, &str)> = answer["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["line"].as_u64().unwrap(), it["code"].as_str().unwrap()))
        .collect();
    let expected = [
        (100, "syntax"),
        (200, "invalid-id"),
        (300, "missing-reference"),
        (400, "unknown-jurisdiction"),
        (20_100, "unknown-field"),
    ];
    assert_eq!(named, expected);
    assert!(answer["refused"][2]["detail"].as_str().unwrap().contains("did you mean \"basic\""), "{answer}");
    let again = server.import("", rows).await.expect(200);
    assert_eq!((&again["unchanged"], &again["created"], &again["updated"]), (&json!(24_995), &json!(0), &json!(0)));
    let found = server.get("/v1/doctor").await.expect(200);
    assert_eq!(found["ok"], true, "{found:#}");
    let owned = server.get("/v1/instances/svc-024999/ownership").await.expect(200);
    assert_eq!(owned["generation"], 1);
}

async fn a_row_may_come_twice(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let rows = "{\"id\":\"a\",\"product\":\"basic\",\"weight\":2}\n{\"id\":\"b\",\"product\":\"basic\"}\n\
                {\"id\":\"a\",\"product\":\"basic\",\"weight\":3}\n";
    let answer = server.import("?wait=true", rows).await.expect(200);
    assert_eq!((&answer["accepted"], &answer["created"], &answer["updated"]), (&json!(3), &json!(2), &json!(1)));
    assert_eq!(server.get("/v1/instances/a").await.expect(200)["weight"], 3, "the later line stands");
}

async fn a_packed_stream_is_taken(server: Server) {
    server.apply("", FLEET).await.expect(200);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..12_000).for_each(|n| packer.write_all(row(n).as_bytes()).unwrap());
    let packed = packer.finish().unwrap();
    let import = |body: Vec<u8>| {
        let request = server.request(Method::POST, "/v1/instances/import").header("content-encoding", "gzip");
        send(request.body(body))
    };
    assert_eq!(import(packed.clone()).await.expect(200)["accepted"], 12_000);
    let cut = import(packed[..packed.len() / 2].to_vec()).await.problem(400, "bad-request");
    assert!(cut["accepted"].as_u64().is_some(), "{cut}");
}

async fn a_stream_that_breaks_off_keeps_what_came(server: Server) {
    server.apply("", FLEET).await.expect(200);
    // The announced length is never reached: the connection is closed in the middle of a line.
    let (rows, half) = ((0..15_000).map(row).collect::<String>(), "{\"id\":\"svc-half\",\"pro");
    let text = format!(
        "POST /v1/instances/import HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 99999999\r\n\r\n",
        server.admin
    );
    let mut stream = std::net::TcpStream::connect(server.running.address()).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.write_all(rows.as_bytes()).unwrap();
    stream.write_all(half.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    // A server that hears of the end may answer or hang up; what it has kept is what counts.
    let _ = tokio::task::spawn_blocking(move || std::io::Read::read_to_string(&mut stream, &mut answer)).await;
    let mut kept = 0;
    for _ in 0..100 {
        kept = server.running.parts().view.len();
        if kept >= 10_000 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(kept == 10_000 || kept == 15_000, "whole chunks stay: {kept}");
    server.get("/v1/instances/svc-half").await.problem(404, "not-found");
    // The same file again brings the rest.
    let answer = server.import("?wait=true", rows).await.expect(200);
    assert_eq!((answer["accepted"].as_u64(), answer["pending"].as_u64()), (Some(15_000), Some(0)), "{answer}");
}

async fn without_a_leader_the_answer_says_how_many_are_pending(server: Server) {
    server.apply("", FLEET).await.expect(200);
    server.post("/v1/tasks/allocate/pause", json!({})).await.expect(200);
    let rows = futures::stream::iter((0..5).map(|n| Ok::<_, std::io::Error>(row(n))));
    let answer = server.import("?wait=true", Body::wrap_stream(rows.boxed())).await.expect(202);
    assert_eq!((&answer["accepted"], &answer["pending"]), (&json!(5), &json!(5)), "{answer}");
    let put = server.put("/v1/instances/svc-x", json!({"product": "basic"})).await.expect(202);
    assert_eq!((&put["group"], &put["reason"]), (&json!(null), &json!("pending")), "{put}");
    server.post("/v1/tasks/allocate/resume", json!({})).await.expect(200);
    let put = server.put("/v1/instances/svc-x", json!({"product": "basic"})).await.expect(200);
    assert!(put["group"].is_string(), "{put}");
}
