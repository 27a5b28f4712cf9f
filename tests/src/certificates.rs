//! Certificates for the other sides of a test, by an authority of its own.

use std::path::Path;
use std::process::Command;

/// A new certificate for 127.0.0.1, from an authority that is made with the first one.
pub fn certify(folder: &Path) {
    let path = |name: &str| folder.join(name).to_str().expect("a path in UTF-8").to_owned();
    let (authority, authority_key) = (path("ca.pem"), path("ca.key"));
    let new_key = ["req", "-newkey", "rsa:2048", "-nodes", "-subj"];
    if !folder.join("ca.pem").exists() {
        let made = ["/CN=authority", "-x509", "-days", "2", "-keyout", &authority_key, "-out", &authority];
        openssl(&[&new_key[..], &made].concat());
    }
    std::fs::write(path("names"), "subjectAltName=IP:127.0.0.1\n").expect("writing names");
    openssl(&[&new_key[..], &["/CN=127.0.0.1", "-keyout", &path("key.new"), "-out", &path("asked")]].concat());
    let signed = ["x509", "-req", "-days", "2", "-in", &path("asked"), "-CA", &authority, "-CAkey", &authority_key];
    openssl(&[&signed[..], &["-CAcreateserial", "-extfile", &path("names"), "-out", &path("cert.new")]].concat());
    for name in ["key", "cert"] {
        std::fs::rename(path(&format!("{name}.new")), path(&format!("{name}.pem"))).expect("renaming");
    }
}

fn openssl(arguments: &[&str]) {
    let ended = Command::new("openssl").args(arguments).output().expect("starting openssl");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}
