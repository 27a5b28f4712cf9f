//! A sink's way through a small lake, into a folder.

use std::path::Path;
use std::time::Duration;

use credwatch_query::TenantScope;
use credwatch_schemas::ids::OrgId;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::place::{Kept, Place};
use super::{Config, ConfigError, Forwarder, Sinks, Skipped, forward, forwarders};
use crate::pull::Stream;
use crate::world::{NOW, World};

fn config(change: impl Fn(&mut Value)) -> Config {
    let mut config = json!({"name": "files", "to": "folder", "url": "/nowhere"});
    change(&mut config);
    serde_json::from_value(config).unwrap()
}

fn into(folder: &Path, org: Option<&str>) -> Forwarder {
    config(|config| {
        config["url"] = folder.to_str().unwrap().into();
        config["org"] = org.into();
    })
    .forwarder()
    .unwrap()
}

/// The rows of all files, in the order of their names.
fn rows(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(folder).map_or_else(|_| Vec::new(), |all| all.flatten().collect());
    files.retain(|file| file.path().extension().is_some());
    files.sort_by_key(std::fs::DirEntry::file_name);
    let text = |file: &std::fs::DirEntry| std::fs::read_to_string(file.path()).unwrap();
    files
        .iter()
        .flat_map(|file| text(file).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect()
}

fn orgs(folder: &Path) -> Vec<String> {
    rows(folder).iter().map(|row| row["org_id"].as_str().unwrap().to_owned()).collect()
}

/// Forwards until the sinks say what is waited for.
async fn until(world: &World, forwarder: Forwarder, what: impl Fn(&super::SinkStatus) -> bool) -> super::SinkStatus {
    let (sinks, stop) = (Sinks::default(), CancellationToken::new());
    let running = tokio::spawn(forward(forwarder, world.lake.clone(), sinks.clone(), || NOW, stop.clone()));
    let seen = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Some(status) = sinks.read().into_iter().find(&what) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let status = seen.await.unwrap();
    stop.cancel();
    running.await.unwrap();
    status
}

#[tokio::test]
async fn every_row_comes_once_in_order_also_when_it_is_started_again() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    for _ in 0..2 {
        let status = until(&world, into(folder.path(), None), |status| status.position == 3).await;
        assert_eq!((status.behind_at_most, status.failing), (0, None));
        assert_eq!(orgs(folder.path()), ["org_a", "org_a", "org_b"]);
    }
}

#[tokio::test]
async fn of_findings_every_revision_is_sent() {
    let (world, folder) = (World::with_findings().await, tempfile::tempdir().unwrap());
    let sink = config(|config| {
        config["url"] = folder.path().to_str().unwrap().into();
        config["stream"] = "findings".into();
    });
    until(&world, sink.forwarder().unwrap(), |status| status.position == 4).await;
    let sent: Vec<_> = rows(folder.path()).iter().map(|row| json!([row["finding_id"], row["revision"]])).collect();
    assert_eq!(json!(sent), json!([["f_a", 1], ["f_b", 1], ["f_d", 1], ["f_a", 2]]));
}

#[tokio::test]
async fn a_file_is_named_after_what_is_in_it() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let sink = config(|config| {
        config["url"] = folder.path().to_str().unwrap().into();
        config["format"] = "cef".into();
    });
    until(&world, sink.forwarder().unwrap(), |status| status.position == 3).await;
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["files.events.00000000000000000000-00000000000000000003.log"]);
}

#[tokio::test]
async fn who_wants_other_rows_begins_anew() {
    let world = World::new().await;
    for (org, expected) in [(Some("org_b"), vec!["org_b"]), (None, vec!["org_a", "org_a", "org_b"])] {
        let folder = tempfile::tempdir().unwrap();
        until(&world, into(folder.path(), org), |status| status.position == 3).await;
        assert_eq!(orgs(folder.path()), expected);
    }
}

#[tokio::test]
async fn in_a_lake_that_was_put_back_what_comes_is_sent_although_its_numbers_were_used_before() {
    let (world, folder) = (World::with_findings().await, tempfile::tempdir().unwrap());
    let sink = || {
        let sink = config(|config| {
            config["url"] = folder.path().to_str().unwrap().into();
            config["stream"] = "findings".into();
        });
        sink.forwarder().unwrap()
    };
    let kept = Kept::of("files", Stream::Findings, &TenantScope::Operator);
    let ahead = Place { position: 5, missing: 0 };
    assert!(kept.move_to(&world.lake, None, ahead, NOW).await.unwrap());
    until(&world, sink(), |status| status.position == 4).await;
    assert!(rows(folder.path()).is_empty());
    let world = world.fill().await;
    until(&world, sink(), |status| status.position == 8).await;
    assert_eq!(rows(folder.path()).len(), 4);
}

#[tokio::test]
async fn what_a_sink_will_never_take_can_be_left_out_and_nothing_else() {
    let (world, folder) = (World::new().await, tempfile::tempdir().unwrap());
    let sink = into(folder.path(), None);
    assert_eq!(sink.skip(&world.lake, 4, NOW).await.unwrap(), Skipped::Beyond(3));
    assert_eq!(sink.skip(&world.lake, 2, NOW).await.unwrap(), Skipped::Left(1, 2));
    assert_eq!(sink.skip(&world.lake, 1, NOW).await.unwrap(), Skipped::Nothing(2));
    until(&world, sink, |status| status.position == 3).await;
    assert_eq!(orgs(folder.path()), ["org_b"]);
}

#[tokio::test]
async fn of_two_who_move_one_place_one_is_told() {
    let world = World::new().await;
    let kept = Kept::of("files", Stream::Events, &TenantScope::Org(OrgId::new("org_a")));
    let (first, second) = (Place { position: 1, missing: 0 }, Place { position: 2, missing: 0 });
    assert!(kept.move_to(&world.lake, None, first, NOW).await.unwrap());
    assert!(!kept.move_to(&world.lake, None, second, NOW).await.unwrap());
    assert!(kept.move_to(&world.lake, Some(first), second, NOW).await.unwrap());
}

#[test]
fn a_sink_that_cannot_be_meant_is_refused_by_name() {
    let why = |change: &dyn Fn(&mut Value)| crate::causes::chain(&config(change).forwarder().unwrap_err());
    assert!(why(&|config| config["name"] = "a b".into()).contains("\"a b\""));
    assert!(why(&|config| config["format"] = "xml".into()).contains("xml"));
    assert!(why(&|config| config["to"] = "splunk_hec".into()).contains("no address"));
    let https = |config: &mut Value, to: &str| {
        config["to"] = to.into();
        config["url"] = "https://siem.example".into();
    };
    assert!(why(&|config| https(config, "splunk_hec")).contains("token"));
    assert!(why(&|config| https(config, "elasticsearch")).contains("index"));
    assert!(why(&|config| https(config, "webhook")).contains("secret"));
    assert!(why(&|config| https(config, "syslog")).contains("syslog+tls"));
    let cef = |config: &mut Value| {
        https(config, "otlp");
        config["format"] = "cef".into();
    };
    assert!(why(&cef).contains("not for this kind"));
    let kafka = |config: &mut Value| {
        config["to"] = "kafka".into();
        config["url"] = "kafka.example:9092".into();
    };
    assert!(why(&kafka).contains("topic"));
    let elsewhere = |config: &mut Value| {
        kafka(config);
        config["topic"] = "audit".into();
        config["secret_file"] = "/nowhere".into();
    };
    assert!(why(&elsewhere).contains("[sinks.kafka]"));
    let foreign = |config: &mut Value| {
        https(config, "webhook");
        config["topic"] = "audit".into();
    };
    assert!(why(&foreign).contains("topic is not for this kind"));
    let twice = [config(|_| {}), config(|config| config["stream"] = "findings".into())];
    assert!(matches!(forwarders(&twice), Err(ConfigError::Twice(name)) if name == "files"));
}
