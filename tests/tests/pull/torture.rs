//! Servers and clients are killed at random moments while late and repeated events come and files are merged.

use std::time::Duration;

use credwatch_lake::{Access, Lake};
use credwatch_schemas::time::Micros;
use credwatch_tests::asked::number;
use credwatch_tests::guarded::Guarded;
use credwatch_tests::program::Program;
use credwatch_tests::records::event;
use credwatch_tests::waiting::{let_pass, until};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{PATIENCE, Serving, assert_same, import, pulled, text, truth};

/// Unless `PULL_ROUNDS` asks for more.
const ROUNDS: u64 = 8;
const SEED: u64 = 11;
/// How a shell tells of a child that SIGKILL ended.
const KILLED: i32 = 137;

/// A client that appends to a file of its own, for one org or for all.
struct Client<'a> {
    program: &'a Program,
    name: &'static str,
    org: Option<&'static str>,
    starts: usize,
    process: Option<Guarded>,
}

impl<'a> Client<'a> {
    fn new(program: &'a Program, name: &'static str, org: Option<&'static str>) -> Self {
        Self { program, name, org, starts: 0, process: None }
    }

    fn file(&self) -> std::path::PathBuf {
        self.program.folder().join(format!("{}.ndjson", self.name))
    }

    fn start(&mut self, url: &str, limit: usize, environment: &[(&str, &str)]) {
        self.starts += 1;
        let (file, limit, name) = (self.file(), limit.to_string(), format!("{}-{}", self.name, self.starts));
        let org: Vec<&str> = self.org.map(|org| vec!["--org", org]).unwrap_or_default();
        let fixed = ["pull", "--server", url, "--out", text(&file), "--limit", &limit, "--follow"];
        self.process = Some(self.program.start(&name, &[&fixed[..], &org].concat(), environment));
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    fn words(&self) -> String {
        let name = format!("{}-{}", self.name, self.starts);
        std::fs::read_to_string(self.program.log(&name)).unwrap_or_default()
    }
}

/// New events, some of which came before, some of which are days late.
fn news(chance: &mut ChaCha8Rng, sent: &mut u64) -> Vec<String> {
    let more = chance.random_range(50..400);
    let mut lines = Vec::new();
    for number in *sent..*sent + more {
        let org = ["org_a", "org_b", "org_c"][usize::try_from(number % 3).expect("small")];
        // A million is a quarter of an hour of these events; so the days differ, and late ones fall into old ones.
        let late = if chance.random_ratio(1, 4) { 0 } else { (number % 4) * 100_000_000 };
        lines.push(event(org, number + late));
    }
    let repeats: Vec<String> = lines.choose_multiple(chance, 20).cloned().collect();
    lines.extend(repeats);
    if *sent > 0 {
        // As they were sent long ago; some of these were sent late, so not all are repeats.
        lines.extend((0..20).map(|_| chance.random_range(0..*sent)).map(|number| event("org_a", number / 3 * 3)));
    }
    lines.push("this is no event".to_owned());
    *sent += more;
    lines
}

#[tokio::test]
async fn whatever_is_killed_when_each_row_is_in_the_file_once_and_in_order() {
    let (program, mut chance, mut sent) = (Program::fresh(), ChaCha8Rng::seed_from_u64(SEED), 0);
    import(&program, "first.ndjson", &news(&mut chance, &mut sent));
    let mut servers = [Serving::start(&program, "server-a"), Serving::start(&program, "server-b")];
    let mut clients = [Client::new(&program, "all", None), Client::new(&program, "of-a", Some("org_a"))];
    for client in &mut clients {
        client.start(&servers[0].url(), 37, &[]);
    }
    let lake = Lake::open(text(&program.lake()), Access::Write).await.expect("opening the lake");
    for round in 0..number("PULL_ROUNDS", ROUNDS) {
        import(&program, &format!("round-{round}.ndjson"), &news(&mut chance, &mut sent));
        if round % 3 == 0 {
            let merged = lake.compact(Micros(1_900_000_000_000_000)).await.expect("merging");
            println!("round {round}: {merged:?}");
        }
        let victim = chance.random_range(0..2);
        servers[victim].replace(&program, &format!("server-{victim}-{round}"));
        let client = &mut clients[usize::from(round % 2 == 1)];
        client.kill();
        let url = servers[chance.random_range(0..2)].url();
        let limit = *[1, 7, 100, 1_000].choose(&mut chance).expect("one");
        let point =
            *["pull-after-rows=1*off->return", "pull-after-place=2*off->return", ""].choose(&mut chance).expect("one");
        client.start(&url, limit, &[("FAILPOINTS", point)]);
        if !point.is_empty() {
            // It kills itself between a page and its place, as soon as there is another page.
            import(&program, &format!("more-{round}.ndjson"), &news(&mut chance, &mut sent));
            let ended = client.process.as_mut().expect("it was started").wait(PATIENCE);
            assert_eq!(ended.code(), Some(KILLED), "{}", client.words());
            client.start(&url, limit, &[]);
        }
        let_pass(Duration::from_millis(chance.random_range(0..300)));
    }
    for client in &mut clients {
        let wanted = truth(&program, client.org);
        until("the client has everything", PATIENCE, || {
            let ended = client.process.as_mut().and_then(Guarded::has_ended);
            assert!(ended.is_none(), "{} ended: {}", client.name, client.words());
            (pulled(&client.file()).len() >= wanted.len()).then_some(())
        });
        let stopped = client.process.as_mut().expect("it runs").stop();
        assert!(stopped.success(), "{}", client.words());
        assert_same(&pulled(&client.file()), &wanted, client.name);
        println!("{}: {} rows after {} starts", client.name, wanted.len(), client.starts);
    }
}

#[test]
fn a_run_ends_when_everything_is_there_and_the_next_one_goes_on() {
    let program = Program::fresh();
    import(&program, "one.ndjson", &(0..250).map(|number| event("org_a", number)).collect::<Vec<_>>());
    let server = Serving::start(&program, "server");
    let (url, out) = (server.url(), program.folder().join("out.ndjson"));
    let pull = |more: &[&str]| {
        program.run(&[&["pull", "--server", &url, "--out", text(&out), "--limit", "100"], more].concat())
    };
    assert_eq!(pull(&[]).code, Some(0));
    assert_same(&pulled(&out), &truth(&program, None), "first");
    import(&program, "two.ndjson", &(250..300).map(|number| event("org_b", number)).collect::<Vec<_>>());
    let second = pull(&["--once"]);
    assert!(second.stderr.contains("pulled 50 rows"), "{}", second.stderr);
    assert_same(&pulled(&out), &truth(&program, None), "second");
    let other = pull(&["--as", "ocsf"]);
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    std::fs::write(&out, b"{}\n").expect("writing a file");
    let foreign = pull(&[]);
    assert!(
        foreign.code == Some(1) && foreign.stderr.contains("it is not the file that was written"),
        "{}",
        foreign.stderr
    );
    std::fs::remove_file(&out).expect("rotating the file away");
    import(&program, "three.ndjson", &[event("org_c", 300)]);
    assert_eq!(pull(&[]).code, Some(0));
    assert_eq!(pulled(&out), truth(&program, None)[300..], "a new file is begun");
    let stdout = program.ok(&["pull", "--server", &url, "--as", "ocsf"]);
    assert_eq!(stdout.lines().filter(|line| line.contains("\"class_uid\":6003")).count(), 301);
}

#[test]
fn a_key_goes_along_as_bearer_and_is_never_printed() {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let seen = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream.try_clone().expect("its other half"));
        let mut heads = String::new();
        while reader.read_line(&mut heads).expect("a line") > 2 {}
        let answer =
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 41\r\n\r\n{\"code\":\"forbidden\",\"detail\":\"not yours\"}";
        stream.write_all(answer.as_bytes()).expect("answering");
        heads
    });
    let program = Program::fresh();
    let key = program.folder().join("key");
    let secret = format!("cwk_0123456789abcdef_{}", "5ec7e7".repeat(11)[..64].to_owned());
    std::fs::write(&key, format!("{secret}\n")).expect("writing a file");
    let ended = program.run(&["pull", "--server", &url, "--key-file", text(&key), "--verbose"]);
    let heads = seen.join().expect("it was asked").to_lowercase();
    assert!(heads.contains(&format!("authorization: bearer {secret}")), "{heads}");
    assert_eq!(ended.code, Some(1), "a refusal is final: {}", ended.stderr);
    assert!(ended.stderr.contains("not yours") && !ended.stderr.contains("5ec7e7"), "{}", ended.stderr);
}
