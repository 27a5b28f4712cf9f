//! People who are told: every finding once, whoever is away or killed meanwhile, and in the words of their program.

use std::collections::{BTreeMap, BTreeSet};

use credwatch_schemas::time::{DAY, Micros};
use credwatch_tests::guarded::Guarded;
use credwatch_tests::people::{KINDS, People};
use credwatch_tests::program::Program;
use credwatch_tests::waiting::until;
use serde_json::Value;

use crate::access::{PATIENCE, text};

/// How a shell tells of a child that SIGKILL ended.
const KILLED: i32 = 137;

/// A lake with findings of simulated days, and a configuration.
fn judged(config: &str) -> Program {
    judged_from("2026-06-01T00:00:00Z", config)
}

fn judged_from(from: &str, config: &str) -> Program {
    let program = Program::fresh();
    let file = program.folder().join("audit.ndjson");
    let events = ["--seed", "7", "--days", "12", "--events", "6000"];
    program.ok(&[&["simulate", "--from", from, "--out", text(&file)], &events[..]].concat());
    program.ok(&["import", text(&file)]);
    program.ok(&["detect", "run"]);
    configure(&program, config);
    program
}

#[expect(clippy::disallowed_methods, reason = "a schedule is of the clock on the wall")]
fn days_ago(days: i64) -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Micros(i64::try_from(since.as_micros()).expect("a time of today")).plus(-days * DAY)
}

fn configure(program: &Program, config: &str) {
    std::fs::write(program.folder().join("credwatch.toml"), config).expect("writing the configuration");
}

fn serve(program: &Program, name: &str, environment: &[(&str, &str)]) -> Guarded {
    let config = program.folder().join("credwatch.toml");
    program.start(name, &["serve", "--roles", "notify", "--config", text(&config)], environment)
}

/// Findings that are to be told: the rest is quiet.
const TO_TELL: &str = "SELECT finding_id FROM findings_current WHERE status IN ('open', 'resolved')";

fn texts(program: &Program, statement: &str) -> Vec<String> {
    let rows = program.rows(&["sql", "-c", statement]);
    rows.iter()
        .map(|row| row.as_object().expect("a row").values().next().expect("a value"))
        .map(|value| value.as_str().expect("text").to_owned())
        .collect()
}

fn told(program: &Program, route: &str) -> BTreeSet<String> {
    let statement = format!("SELECT finding_id FROM notices WHERE route = '{route}' AND finding_id IS NOT NULL");
    texts(program, &statement).into_iter().collect()
}

/// Messages of a route, and how many of them were recorded as sent.
fn messages(program: &Program, route: &str) -> (BTreeSet<String>, usize) {
    let of = |what: &str| format!("SELECT notice_id FROM notices WHERE route = '{route}' AND {what}");
    let made = texts(program, &of("message IS NOT NULL")).into_iter().collect();
    (made, texts(program, &of("what = 'sent'")).len())
}

const AT_ONCE: &str = "severity = \"info\"\nstart = \"beginning\"\ngroup_wait_seconds = 0.0\ngroup_window_seconds = 0.0\nmost_per_hour = 100000\n";

#[test]
fn everybody_is_told_every_finding_although_both_sides_go_away() {
    let people = People::start();
    let program = judged(&people.routes(AT_ONCE));
    people.away(true);
    let config = program.folder().join("credwatch.toml");
    let roles = ["serve", "--roles", "api,notify", "--listen", "127.0.0.1:0", "--config", text(&config)];
    let mut server = program.start("server-1", &roles, &[]);
    let base = until("the server listens", PATIENCE, || {
        let said = std::fs::read_to_string(program.log("server-1")).ok()?;
        said.lines().find_map(|line| line.strip_prefix("listening on ")).map(|url| url.trim().to_owned())
    });
    until("every route is seen to fail", PATIENCE, || {
        let failing = status(&base).iter().filter(|route| route["failing"].is_string()).count();
        (failing == KINDS.len()).then_some(())
    });
    server.kill9();
    people.away(false);
    let mut server = serve(&program, "server-2", &[("FAILPOINTS", "outbox-short-turns=return")]);
    let wanted: BTreeSet<String> = texts(&program, TO_TELL).into_iter().collect();
    assert!(wanted.len() > 5, "{wanted:?}");
    for kind in KINDS {
        until(&format!("{kind} has been sent everything"), PATIENCE, || {
            let (made, sent) = messages(&program, kind);
            (told(&program, kind) == wanted && sent == made.len()).then_some(())
        });
    }
    assert!(server.stop().success());
    each_was_told_in_its_own_words(&people, &program);
}

fn status(base: &str) -> Vec<Value> {
    let mut answer = ureq::get(format!("{base}/v1/notifications")).call().expect("the status of routes");
    let answer: Value = answer.body_mut().read_json().expect("JSON");
    answer["routes"].as_array().cloned().unwrap_or_default()
}

fn each_was_told_in_its_own_words(people: &People, program: &Program) {
    let (made, _) = messages(program, "webhook");
    let hooks = people.heard("webhook");
    assert_eq!(hooks.iter().map(id).collect::<BTreeSet<_>>(), made);
    assert_eq!(hooks.len(), made.len(), "nobody was killed after sending, so nothing came twice");
    let letters = people.heard("mail");
    assert_eq!(letters.len(), messages(program, "mail").0.len());
    for letter in &letters {
        assert!(letter["tls"] == true && letter["user"] == "watch" && letter["bcc"].is_null(), "{letter}");
        assert_eq!(letter["to"], serde_json::json!(["on-call@example.com", "b@example.com"]));
        assert!(letter["thread"].as_str().is_some_and(|id| id.starts_with("<t_")), "{letter}");
        let words = letter["parts"]["text/plain"].as_str().expect("text");
        assert!(words.starts_with("since 2026-") && words.contains("credwatch findings show f_"), "{words}");
    }
    assert!(letters.iter().any(|letter| letter["parts"]["text/plain"].as_str().expect("text").contains("Next: ")));
    for one in people.heard("slack") {
        assert!(one["text"].as_str().expect("text").starts_with(':'), "{one}");
    }
    let triggers = people.heard("pagerduty");
    let keys: BTreeSet<&str> = triggers.iter().filter_map(|one| one["dedup_key"].as_str()).collect();
    assert!(!keys.is_empty() && triggers.iter().any(|one| one["payload"]["severity"] == "critical"), "{triggers:?}");
}

fn id(hook: &Value) -> String {
    hook["id"].as_str().expect("an id").to_owned()
}

/// Two servers, of which one is killed before, between and after "made", "sent" and "recorded".
#[test]
fn whoever_is_killed_when_every_message_is_sent_and_only_what_was_sent_and_not_recorded_comes_twice() {
    let people = People::start();
    let config = format!("[[routes]]\nname = \"webhook\"\n{}{AT_ONCE}", people.way("webhook"));
    let program = judged(&config);
    let wanted: BTreeSet<String> = texts(&program, TO_TELL).into_iter().collect();
    let mut between = 0;
    for (round, point) in [
        "outbox-made=1*off->return",
        "outbox-sent=return",
        "outbox-recorded=1*off->return",
        "outbox-sent=2*off->return",
    ]
    .iter()
    .enumerate()
    {
        let points = format!("outbox-short-turns=return;{point}");
        let mut victim = serve(&program, &format!("victim-{round}"), &[("FAILPOINTS", &points)]);
        let ended = victim.wait(PATIENCE);
        assert_eq!(ended.code(), Some(KILLED), "{point}");
        between += usize::from(point.starts_with("outbox-sent"));
    }
    let short = [("FAILPOINTS", "outbox-short-turns=return")];
    let mut servers = [serve(&program, "server-a", &short), serve(&program, "server-b", &short)];
    until("everything is sent", PATIENCE, || {
        let (made, sent) = messages(&program, "webhook");
        (told(&program, "webhook") == wanted && sent == made.len()).then_some(())
    });
    servers.iter_mut().for_each(|server| assert!(server.stop().success()));
    let (made, sent) = messages(&program, "webhook");
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    people.heard("webhook").iter().for_each(|one| *times.entry(id(one)).or_default() += 1);
    assert_eq!(times.keys().cloned().collect::<BTreeSet<_>>(), made);
    let repeats: usize = times.values().map(|times| times - 1).sum();
    assert!(repeats <= between, "{repeats} repeats after {between} kills between sending and recording: {times:?}");
    assert_eq!(sent, made.len(), "nothing was recorded as sent twice");
    let once =
        "SELECT count(*) - count(DISTINCT finding_id || ' ' || revision) FROM notices WHERE finding_id IS NOT NULL";
    assert_eq!(program.number(once), 0, "nothing was told twice");
}

#[test]
fn a_route_can_be_tried_and_what_it_would_have_told_can_be_seen_before_it_is_relied_on() {
    let mut people = People::start();
    let program = judged(&people.routes("severity = \"high\"\nstart = \"beginning\"\n"));
    let config = program.folder().join("credwatch.toml");
    let notify = |arguments: &[&str]| program.run(&[&["notify", "--config", text(&config)], arguments].concat());
    for kind in KINDS {
        let tried = notify(&["test", kind]);
        assert_eq!(tried.code, Some(0), "{kind}: {}", tried.stderr);
        assert_eq!(people.heard(kind).len(), 1);
    }
    let preview =
        notify(&["preview", "--route", "mail", "--from", "2020-01-01T00:00:00Z", "--to", "2099-01-01T00:00:00Z"]);
    assert!(preview.code == Some(0) && preview.stdout.contains("] "), "{} {}", preview.stdout, preview.stderr);
    let lines =
        notify(&["preview", "--format", "ndjson", "--from", "2020-01-01T00:00:00Z", "--to", "2099-01-01T00:00:00Z"]);
    let one: Value = serde_json::from_str(lines.stdout.lines().next().expect("a message")).expect("JSON");
    assert!(one["notice_id"].as_str().is_some_and(|id| id.starts_with("n_")), "{one}");
    assert_eq!(people.heard("mail").len(), 1, "a preview sends nothing");
    assert_eq!(program.number("SELECT count(*) FROM notices"), 0, "and keeps nothing");
    let unknown = notify(&["test", "nobody"]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no route is named"), "{}", unknown.stderr);
    drop(people.process.take());
    for kind in KINDS {
        let refused = notify(&["test", kind]);
        assert!(refused.code == Some(1) && refused.stderr.contains(kind), "{}", refused.stderr);
        assert!(!refused.stderr.contains("pass:word") && !refused.stderr.contains("/services/"), "{}", refused.stderr);
    }
}

#[test]
fn what_cannot_be_meant_is_one_sentence() {
    let people = People::start();
    let (program, mail) = (Program::fresh(), people.way("mail"));
    let refused = |route: &str| {
        configure(&program, route);
        let config = program.folder().join("credwatch.toml");
        let checked = program.run(&["check", "--config", text(&config)]);
        assert_eq!(checked.code, Some(1), "{route}\n{}", checked.stdout);
        checked.stderr
    };
    let route = |more: &str| format!("[[routes]]\nname = \"r\"\n{mail}{more}\n");
    for (config, why) in [
        (route("quiet_hours = { from = \"25:00\", to = \"07:00\" }"), "25:00"),
        (route("quiet_hours = { from = \"22:00\", to = \"22:00\" }"), "never end"),
        (route("quiet_hours = { from = \"22:00\", to = \"07:00\", time_zone = \"Mars/Base\" }"), "Mars/Base"),
        (route("most_per_hour = 0"), "most_per_hour"),
        (route("severity = \"loud\""), "loud"),
        (route("group_wait_seconds = -1.0"), "group_wait_seconds"),
        (route("").replace("smtp://", "https://"), "smtps://"),
        (route("").replace("\"r\"", "\"a b\""), "a b"),
        ([route(""), route("")].concat(), "two routes"),
        (route("").replace("recipients", "# recipients"), "recipients"),
        ("[[routes]]\nname = \"r\"\nto = \"webhook\"\n".to_owned(), "no address"),
        (format!("[[heartbeats]]\nname = \"r\"\n{}", people.way("pagerduty")), "all is well"),
        (
            "[[reports]]\nname = \"r\"\nreport = \"weekly\"\nschedule = \"mondays\"\nto = \"folder\"\nurl = \"x\"\n"
                .to_owned(),
            "mondays",
        ),
    ] {
        let said = refused(&config);
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[test]
fn a_recipient_whom_the_server_does_not_know_is_told_to_who_looks() {
    let people = People::start();
    let program = Program::fresh();
    let way = people.way("mail").replace("b@example.com", "nobody@example.com");
    configure(&program, &format!("[[routes]]\nname = \"mail\"\n{way}"));
    let config = program.folder().join("credwatch.toml");
    let refused = program.run(&["notify", "test", "mail", "--config", text(&config)]);
    assert!(refused.code == Some(1) && refused.stderr.contains("no such person"), "{}", refused.stderr);
    assert_eq!(people.heard("mail").len(), 0, "a part of the recipients is not all of them");
}

/// The same week by mail, to a webhook and into a folder, by two servers of which one is killed after it has sent.
#[test]
fn a_report_comes_by_itself_once_an_edition_whoever_is_killed() {
    let people = People::start();
    // The week that has ended by now is to have events.
    let program = judged_from(&days_ago(12).to_string(), "");
    let folder = program.folder().join("reports");
    let file = |name: &str| text(&people.folder.path().join(name)).to_owned();
    let report = |name: &str, way: &str| {
        format!(
            "[[reports]]\nname = {name:?}\nreport = \"weekly\"\nschedule = \"* * * * *\"\nallow = [\"127.0.0.0/8\"]\n{way}\n"
        )
    };
    let mail = format!(
        "to = \"email\"\nurl = \"smtps://127.0.0.1:{}\"\nca_file = {:?}\nfrom = \"watch@example.com\"\nrecipients = [\"ciso@example.com\"]",
        people.ports[2],
        file("ca.pem")
    );
    let hook = format!(
        "to = \"webhook\"\nurl = \"http://127.0.0.1:{}/hook\"\nsecret_file = {:?}",
        people.ports[0],
        file("hook")
    );
    let files = format!("to = \"folder\"\nurl = {:?}\nformats = [\"html\", \"json\"]", text(&folder));
    configure(&program, &[report("mail", &mail), report("hook", &hook), report("files", &files)].concat());
    let mut victim = serve(&program, "victim", &[("FAILPOINTS", "outbox-short-turns=return;outbox-sent=return")]);
    assert_eq!(victim.wait(PATIENCE * 4).code(), Some(KILLED));
    let short = [("FAILPOINTS", "outbox-short-turns=return")];
    let mut servers = [serve(&program, "server-a", &short), serve(&program, "server-b", &short)];
    let sent = |edition: i64| {
        let statement = format!(
            "SELECT count(DISTINCT made.route) FROM notices made JOIN notices sent USING (notice_id) \
             WHERE sent.what = 'sent' AND made.what = 'report' AND made.message LIKE '%\"edition\":{edition},%'"
        );
        program.number(&statement)
    };
    until("the first edition is delivered", PATIENCE * 4, || (sent(1) == 3).then_some(()));
    let hooks = people.heard("webhook");
    let ids: BTreeSet<String> = hooks.iter().map(id).collect();
    // A run that begins in one week and ends in the next tells of both.
    assert!((1..=2).contains(&ids.len()) && hooks.len() <= ids.len() + 1, "{ids:?}");
    servers.iter_mut().for_each(|server| assert!(server.stop().success()));
    let letters = people.heard("smtps");
    assert!(hooks.len() + letters.len() <= 2 * ids.len() + 1, "one server was killed once, so one message came twice");
    let letter = letters.first().expect("a letter");
    assert!(letter["parts"]["text/html"].as_str().expect("a page").contains("<svg"), "{letter}");
    assert!(letter["subject"].as_str().expect("a subject").contains("2026-W"), "{letter}");
    let document = |extension: &str| {
        let files = std::fs::read_dir(&folder).expect("the folder").flatten().map(|one| one.path());
        files.filter(|path| path.extension().is_some_and(|one| one == extension)).count()
    };
    assert_eq!((document("html"), document("json")), (ids.len(), ids.len()));
}
