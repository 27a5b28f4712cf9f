//! 2,900 real CloudTrail records through the whole of import, into a lake on disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use credwatch_ingest::import::{ImportError, Imported, Importer, Progress};
use credwatch_ingest::{AdapterChoice, Binding, Cut, Decoder, Limits, RedactionKey};
use credwatch_lake::{Access, Lake};
use credwatch_schemas::ids::OrgId;
use credwatch_schemas::time::Micros;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tokio::sync::Notify;

const NOW: Micros = Micros(1_780_305_243_000_000);
const RECORDS: u64 = 2_900;

/// A folder with a lake and files in it.
struct World {
    folder: tempfile::TempDir,
    lake: Lake,
    decoder: Arc<Decoder>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(folder.path().join("lake").to_str().unwrap(), Access::Write).await.unwrap();
        let decoder = Arc::new(Decoder::new(RedactionKey::from_bytes([7; 32]), Limits::default()));
        Self { folder, lake, decoder }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    async fn import(&self, file: &Path) -> Result<Imported, ImportError> {
        self.import_with(file, &Binding::default(), Cut::default(), |_| {}).await
    }

    async fn import_with(
        &self,
        file: &Path,
        binding: &Binding,
        cut: Cut,
        progress: impl FnMut(Progress),
    ) -> Result<Imported, ImportError> {
        Importer { lake: &self.lake, decoder: &self.decoder, binding, cut }.import(file, NOW, || NOW, progress).await
    }

    /// Version, rows and next positions of the table.
    async fn table(&self) -> (i64, u64, BTreeMap<String, i64>) {
        let snapshot = self.lake.snapshot().await.unwrap();
        let positions = snapshot.positions().into_iter().map(|(partition, next)| (partition.topic, next)).collect();
        (snapshot.records().version(), snapshot.records().rows().unwrap(), positions)
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/cloudtrail-attack.ndjson.gz")
}

fn lines() -> Vec<u8> {
    let mut text = Vec::new();
    GzDecoder::new(fs::File::open(fixture()).unwrap()).read_to_end(&mut text).unwrap();
    text
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[tokio::test]
async fn every_record_is_an_event_and_a_second_import_changes_nothing() {
    let world = World::new().await;
    let first = world.import(&fixture()).await.unwrap();
    assert_eq!((first.records, first.new_records), (RECORDS, RECORDS));
    assert_eq!((first.accepted, first.rejected, first.duplicates), (2_900, 0, 0));
    let table = world.table().await;
    assert_eq!((table.1, &table.2), (RECORDS, &BTreeMap::from([(first.topic.clone(), 2_900)])));
    assert_eq!(world.lake.snapshot().await.unwrap().clocks(), BTreeMap::new());

    let second = world.import(&fixture()).await.unwrap();
    assert!(second.changed_nothing());
    assert_eq!((second.records, second.accepted), (RECORDS, 0));
    assert_eq!(world.table().await, table);
}

#[tokio::test]
async fn an_import_that_was_cut_off_goes_on_where_the_table_stands() {
    let world = World::new().await;
    let (file, binding) = (world.file("plain", &lines()), Binding::default());
    let cut = Cut { rows: 100, ..Cut::default() };
    let progressed = Arc::new(Notify::new());
    let (lake, decoder) = (world.lake.clone(), Arc::clone(&world.decoder));
    let importing = tokio::spawn({
        let (file, binding, progressed) = (file.clone(), binding.clone(), Arc::clone(&progressed));
        async move {
            let importer = Importer { lake: &lake, decoder: &decoder, binding: &binding, cut };
            importer.import(&file, NOW, || NOW, |_| progressed.notify_one()).await.map(|_| ())
        }
    });
    progressed.notified().await;
    importing.abort();
    assert!(importing.await.is_err_and(|error| error.is_cancelled()));

    let before = world.table().await.1;
    assert!((100..RECORDS).contains(&before), "{before}");
    let rest = world.import_with(&file, &binding, cut, |_| {}).await.unwrap();
    assert_eq!(rest.records, RECORDS);
    assert!(rest.new_records <= RECORDS - before, "{rest:?}");
    assert_eq!(rest.duplicates, 0);
    assert_eq!(world.table().await.1, RECORDS);
}

#[tokio::test]
async fn half_a_file_is_another_import_and_its_events_are_known() {
    let world = World::new().await;
    let text = lines();
    let half = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1_449).unwrap().0 + 1;
    let first = world.import(&world.file("half", &text[..half])).await.unwrap();
    assert_eq!(first.accepted, 1_450);
    let whole = world.import(&fixture()).await.unwrap();
    assert_ne!(whole.topic, first.topic);
    assert_eq!((whole.accepted, whole.duplicates, whole.rejected), (1_450, 1_450, 0));
}

#[tokio::test]
async fn compression_and_layout_make_no_difference_to_what_is_read() {
    let world = World::new().await;
    let text = lines();
    let values: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let joined = [b"{\"Records\":[".as_slice(), &values.join(b",".as_slice()), b"]}"].concat();
    world.import(&fixture()).await.unwrap();
    let same = [
        ("plain", text.clone()),
        ("zst", zstd::stream::encode_all(text.as_slice(), 1).unwrap()),
        ("gz of one document", gzip(&joined)),
        ("printed", [b"[\n".as_slice(), &values.join(b",\n".as_slice()), b"\n]\n"].concat()),
    ];
    for (name, bytes) in same {
        let imported = world.import(&world.file(name, &bytes)).await.unwrap();
        assert_eq!((imported.records, imported.duplicates), (RECORDS, 2_900), "{name}");
    }
}

#[tokio::test]
async fn what_a_binding_decides_makes_another_import() {
    let world = World::new().await;
    let one = world.import(&fixture()).await.unwrap();
    let org = Some(OrgId::new("acme"));
    let binding = Binding { org, adapter: AdapterChoice::CloudTrail, ..Binding::default() };
    let other = world.import_with(&fixture(), &binding, Cut::default(), |_| {}).await.unwrap();
    assert_ne!(one.topic, other.topic);
    assert_eq!(other.accepted, 2_900);
}

#[tokio::test]
async fn bad_lines_cost_one_row_each() {
    let world = World::new().await;
    let good = r#"{"time":"2026-06-01T09:00:00Z","kind":"auth"}"#;
    let long = format!(r#"{{"time":"2026-06-01T09:00:00Z","kind":"{}"}}"#, "x".repeat(3 << 20));
    let text = format!("{good}\nnonsense\n\n{long}\n[]\n[{good},{{}}]\n");
    let imported = world.import(&world.file("mixed", text.as_bytes())).await.unwrap();
    assert_eq!((imported.records, imported.accepted, imported.duplicates, imported.rejected), (5, 1, 1, 4));
    assert_eq!(world.table().await.2, BTreeMap::from([(imported.topic, 6)]));
}

#[tokio::test]
async fn a_file_that_breaks_off_loses_nothing_that_could_be_read() {
    let world = World::new().await;
    let whole = gzip(&lines());
    let broken = world.file("broken.gz", &whole[..whole.len() / 2]);
    let error = world.import(&broken).await.unwrap_err();
    let ImportError::Broken { records, .. } = &error else { panic!("{error}") };
    assert!((1_000..RECORDS).contains(records), "{records}");
    assert_eq!(world.table().await.1, *records);
    assert!(error.to_string().contains("it breaks off or cannot be read after "), "{error}");
    let table = world.table().await;
    assert!(world.import(&broken).await.is_err());
    assert_eq!(world.table().await, table);

    let repaired = world.import(&world.file("repaired.gz", &whole)).await.unwrap();
    assert_eq!(repaired.accepted as u64, RECORDS - table.1);
}

#[tokio::test]
async fn what_is_no_file_or_has_nothing_in_it_is_one_sentence_and_no_version() {
    let world = World::new().await;
    let empty = |name, bytes: &[u8]| world.file(name, bytes);
    for (path, expected) in [
        (world.folder.path().join("absent"), "it cannot be opened"),
        (world.folder.path().to_owned(), "it is not a file"),
        (empty("empty", b""), "there is nothing in it"),
        (empty("blank", b"\n  \n"), "there is nothing in it"),
        (empty("empty.gz", &gzip(b"")), "there is nothing in it"),
    ] {
        let error = world.import(&path).await.unwrap_err().to_string();
        assert_eq!(error, format!("import \"{}\": {expected}", path.display()));
    }
    assert_eq!(world.table().await.2, BTreeMap::new());
}

#[tokio::test]
async fn progress_reaches_the_end_of_the_file() {
    let world = World::new().await;
    let mut seen = Vec::new();
    world.import_with(&fixture(), &Binding::default(), Cut::default(), |at| seen.push(at)).await.unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.bytes_read, last.records_read, last.new_records), (last.bytes_total, RECORDS, RECORDS));
    assert!(seen.is_sorted_by_key(|at| (at.bytes_read, at.records_read)));
}

#[tokio::test]
async fn a_lake_of_another_key_is_not_written_to() {
    let world = World::new().await;
    RedactionKey::from_bytes([8; 32]).claim(&world.lake).await.unwrap();
    let table = world.table().await;
    assert!(matches!(world.import(&fixture()).await, Err(ImportError::Key(_))));
    assert_eq!(world.table().await, table);
}
