//! A token endpoint as companies run one: over HTTP, for a client id and its secret, it gives a token that a broker takes
//! which checks no signatures.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Without a signature: the header `{"alg":"none"}`, then `{"sub":"credwatch","iat":1700000000,"exp":4000000000}`.
pub const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjcmVkd2F0Y2giLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDAwMDAwMDAwMH0.";
/// `credwatch:correct-horse-battery`, the user and password of the broker.
const CREDENTIALS: &str = "authorization: basic y3jlzhdhdgnoomnvcnjly3qtag9yc2utymf0dgvyeq==";

/// Answers as long as the test process lives; the URL.
pub fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("opening a port");
    let url = format!("http://{}/token", listener.local_addr().expect("reading the port"));
    std::thread::spawn(move || {
        for caller in listener.incoming() {
            answer(caller.expect("a caller"));
        }
    });
    url
}

fn answer(mut caller: TcpStream) {
    let asked = read(&mut caller);
    let (status, body) = match asked.contains(CREDENTIALS) && asked.contains("grant_type=client_credentials") {
        true => ("200 OK", format!(r#"{{"access_token":"{TOKEN}","token_type":"Bearer","expires_in":3600}}"#)),
        false => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
    };
    let length = body.len();
    write!(caller, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .expect("answering");
}

/// The head in small letters, and the body.
fn read(caller: &mut TcpStream) -> String {
    let (mut asked, mut chunk) = (String::new(), [0; 4_096]);
    loop {
        let read = caller.read(&mut chunk).expect("listening to a caller");
        asked += &String::from_utf8_lossy(&chunk[..read]).to_lowercase();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap_or((&asked, ""));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if read == 0 || length.is_some_and(|length| body.len() >= length) {
            return asked;
        }
    }
}
