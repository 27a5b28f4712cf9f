//! 2,900 real AWS CloudTrail records, with attacks in them, through Kafka to findings.

use std::io::Read;
use std::path::Path;

use credwatch_tests::broker::Broker;
use credwatch_tests::program::Program;
use credwatch_tests::topics::fresh_name;

use crate::read_all;

const RECORDS: i64 = 2_900;
/// A quarter of the way through the 55 minutes of the log.
const LEARN_UNTIL: &str = "2023-07-10T11:56:00Z";

fn real_lines() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cloudtrail-attack.ndjson.gz");
    let packed = std::fs::File::open(file).expect("the fixture is in the project");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("the fixture is gzip");
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_real_record_is_a_row_and_what_the_account_did_for_the_first_time_is_listed() {
    let (broker, program, topic) = (Broker::shared(), Program::fresh(), fresh_name("cloudtrail"));
    broker.create_topic(&topic, 3).await;
    let feed = broker.producer(&[]);
    for (number, line) in real_lines().iter().enumerate() {
        feed.send(&topic, i32::try_from(number % 3).expect("small"), line.as_bytes());
    }
    feed.flush();
    let judged = read_all(&program, broker, &topic).await;
    assert_eq!((judged.accepted + judged.rejected, judged.rejected, judged.offsets), (RECORDS, 0, RECORDS));

    program.ok(&["detect", "run", "--learn-until", LEARN_UNTIL]);
    let findings = program.rows(&["findings", "list", "--detector", "new-destination"]);
    let titles: Vec<&str> = findings.iter().filter_map(|finding| finding["title"].as_str()).collect();
    let names = |host: &str| titles.iter().any(|title| title.contains(host));
    // Stratus Red Team backdoors a bucket and a function of this account, and looks at who watches it.
    for host in
        ["stratus-red-team-backdoor-f-bucket-ufamgrrnmw", "lambda.us-east-1.amazonaws.com", "guardduty.amazonaws.com"]
    {
        assert!(names(host), "{host} is missing in {titles:#?}");
    }
    let early =
        findings.iter().filter(|one| one["raised_time"].as_str().is_some_and(|time| time < LEARN_UNTIL)).count();
    assert_eq!(early, 0, "what was learnt is not news");
    let again = program.run(&["detect", "run", "--learn-until", LEARN_UNTIL]);
    assert!(again.stderr.contains("0 new findings, 0 revised"), "a second run changes nothing: {}", again.stderr);
}
