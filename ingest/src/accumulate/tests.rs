use super::*;
use crate::decode::Limits;
use crate::redact::key::RedactionKey;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use credwatch_schemas::time::{MINUTE, SECOND};

const NOW: Micros = Micros(1_780_305_243_000_000);

fn partition(number: i32) -> Partition {
    Partition { topic: "audit".into(), topic_id: "t1".into(), partition: number }
}

fn decoder() -> Decoder {
    Decoder::new(RedactionKey::from_bytes([7; 32]), Limits::default())
}

fn event(time: Micros) -> String {
    format!(r#"{{"time":"{time}","kind":"auth"}}"#)
}

fn push_at(accumulator: &mut Accumulator, partition: &Partition, offset: i64, payload: &str) {
    let payload = Some(payload.as_bytes());
    let record = RawRecord { payload, headers: &[], arrival: NOW, now: NOW, partition, offset };
    accumulator.push(&decoder(), &Binding::default(), &record);
}

fn push(accumulator: &mut Accumulator, partition: &Partition, offset: i64) {
    push_at(accumulator, partition, offset, &event(NOW));
}

fn reading(numbers: &[i32]) -> Accumulator {
    let mut accumulator = Accumulator::new(Cut::default());
    for number in numbers {
        accumulator.begin(&partition(*number), Some(0), 0, ClockRule::Moves);
    }
    accumulator
}

fn offsets(batch: &ValidBatch) -> Vec<i64> {
    batch.rows()["kafka_offset"].as_primitive::<Int64Type>().values().to_vec()
}

fn step(number: i32, base: Option<i64>, end: i64, clock: Option<Micros>) -> Progress {
    Progress { partition: partition(number), base, end, clock }
}

#[test]
fn a_batch_holds_what_lies_between_its_base_and_its_end() {
    let mut accumulator = reading(&[0]);
    assert!(accumulator.is_empty());
    push(&mut accumulator, &partition(0), 0);
    push(&mut accumulator, &partition(0), 4);
    let batch = accumulator.take().unwrap();
    assert_eq!(batch.progress(), [step(0, Some(0), 5, Some(NOW))]);
    assert_eq!(offsets(&batch), [0, 4]);
    assert!(accumulator.is_empty());
    assert!(accumulator.take().is_none());
}

#[test]
fn the_next_batch_begins_where_the_last_one_ended() {
    let mut accumulator = reading(&[0]);
    push(&mut accumulator, &partition(0), 0);
    accumulator.take().unwrap();
    push(&mut accumulator, &partition(0), 1);
    assert_eq!(accumulator.take().unwrap().progress(), [step(0, Some(1), 2, None)]);
}

#[test]
fn no_record_is_taken_twice() {
    let mut accumulator = reading(&[0]);
    for offset in [0, 0, 1, 0, 1] {
        push(&mut accumulator, &partition(0), offset);
    }
    assert_eq!(offsets(&accumulator.take().unwrap()), [0, 1]);
}

#[test]
fn a_partition_that_nobody_began_is_not_read() {
    let mut accumulator = reading(&[0]);
    push(&mut accumulator, &partition(1), 0);
    accumulator.skip_to(&partition(1), 9);
    accumulator.tell_clock(&partition(1), NOW);
    assert!(accumulator.is_empty());
    assert_eq!(accumulator.end(&partition(1)), None);
}

#[test]
fn a_start_that_the_table_does_not_know_is_something_to_commit() {
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition(0), None, 500, ClockRule::Moves);
    assert!(!accumulator.is_empty());
    assert_eq!(accumulator.take().unwrap().progress(), [step(0, None, 500, None)]);
}

#[test]
fn what_the_log_no_longer_has_is_progress() {
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition(0), Some(3), 500, ClockRule::Moves);
    assert_eq!(accumulator.take().unwrap().progress(), [step(0, Some(3), 500, None)]);
}

#[test]
fn what_the_table_has_is_not_read_again_whatever_the_start() {
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition(0), Some(9), 5, ClockRule::Moves);
    push(&mut accumulator, &partition(0), 8);
    assert!(accumulator.is_empty());
    assert_eq!(accumulator.end(&partition(0)), Some(9));
}

#[test]
fn gaps_and_control_records_are_progress_without_rows() {
    let mut accumulator = reading(&[0]);
    accumulator.skip_to(&partition(0), 7);
    accumulator.skip_to(&partition(0), 2);
    let batch = accumulator.take().unwrap();
    assert_eq!((batch.rows().num_rows(), batch.progress()), (0, [step(0, Some(0), 7, None)].as_slice()));
}

#[test]
fn a_clock_never_goes_back() {
    let mut accumulator = reading(&[0]);
    push_at(&mut accumulator, &partition(0), 0, &event(NOW.plus(-SECOND)));
    push_at(&mut accumulator, &partition(0), 1, &event(NOW.plus(-MINUTE)));
    accumulator.tell_clock(&partition(0), NOW.plus(-2 * MINUTE));
    assert_eq!(accumulator.take().unwrap().progress()[0].clock, Some(NOW.plus(-SECOND)));
    accumulator.tell_clock(&partition(0), NOW.plus(-SECOND));
    assert!(accumulator.is_empty());
    accumulator.tell_clock(&partition(0), NOW);
    assert_eq!(accumulator.take().unwrap().progress(), [step(0, Some(2), 2, Some(NOW))]);
}

#[test]
fn an_event_far_ahead_moves_no_clock() {
    let mut accumulator = reading(&[0]);
    push_at(&mut accumulator, &partition(0), 0, &event(NOW.plus(5 * MINUTE + 1)));
    assert_eq!(accumulator.take().unwrap().progress(), [step(0, Some(0), 1, None)]);
    push_at(&mut accumulator, &partition(0), 1, &event(NOW.plus(5 * MINUTE)));
    assert_eq!(accumulator.take().unwrap().progress()[0].clock, Some(NOW.plus(5 * MINUTE)));
}

#[test]
fn an_event_ahead_of_either_clock_moves_none() {
    for (arrival, now) in [(NOW, NOW.plus(-MINUTE)), (NOW.plus(-MINUTE), NOW)] {
        let mut accumulator = reading(&[0]);
        let (text, partition) = (event(NOW.plus(5 * MINUTE)), partition(0));
        let payload = Some(text.as_bytes());
        let record = RawRecord { payload, headers: &[], arrival, now, partition: &partition, offset: 0 };
        accumulator.push(&decoder(), &Binding::default(), &record);
        assert_eq!(accumulator.take().unwrap().progress()[0].clock, None);
    }
}

#[test]
fn an_import_has_no_clock() {
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition(0), Some(0), 0, ClockRule::None);
    push(&mut accumulator, &partition(0), 0);
    accumulator.tell_clock(&partition(0), NOW);
    assert_eq!(accumulator.take().unwrap().progress()[0].clock, None);
}

#[test]
fn a_reject_moves_no_clock() {
    let mut accumulator = reading(&[0]);
    push_at(&mut accumulator, &partition(0), 0, &format!(r#"{{"time":"{NOW}"}}"#));
    assert_eq!(accumulator.take().unwrap().progress()[0].clock, None);
}

#[test]
fn what_was_gathered_of_a_revoked_partition_goes_and_its_neighbours_stay() {
    let mut accumulator = reading(&[0, 1]);
    for offset in 0..3 {
        push(&mut accumulator, &partition(0), offset);
        push(&mut accumulator, &partition(1), 10 + offset);
    }
    accumulator.forget(&partition(0));
    assert_eq!(accumulator.rows(), 3);
    let batch = accumulator.take().unwrap();
    assert_eq!(offsets(&batch), [10, 11, 12]);
    assert_eq!(batch.progress(), [step(1, Some(0), 13, Some(NOW))]);
}

#[test]
fn a_partition_that_comes_back_starts_anew() {
    let mut accumulator = reading(&[0, 1]);
    push(&mut accumulator, &partition(0), 0);
    push(&mut accumulator, &partition(1), 0);
    accumulator.begin(&partition(0), Some(40), 40, ClockRule::Moves);
    push(&mut accumulator, &partition(0), 40);
    let batch = accumulator.take().unwrap();
    assert_eq!(offsets(&batch), [0, 40]);
    assert_eq!(batch.progress(), [step(0, Some(40), 41, Some(NOW)), step(1, Some(0), 1, Some(NOW))]);
}

#[test]
fn when_nothing_is_left_nothing_is_held() {
    let mut accumulator = reading(&[0]);
    push(&mut accumulator, &partition(0), 0);
    accumulator.forget(&partition(0));
    assert!(accumulator.is_empty());
    assert_eq!((accumulator.rows(), accumulator.bytes()), (0, 0));
    assert!(!accumulator.is_due(NOW.plus(60 * MINUTE)));
}

#[test]
fn a_batch_is_due_by_rows_by_bytes_or_by_age() {
    let all = Cut { rows: 2, bytes: usize::MAX, age: Duration::from_secs(5) };
    let mut accumulator = Accumulator::new(all);
    accumulator.begin(&partition(0), Some(0), 0, ClockRule::Moves);
    assert!(!accumulator.is_due(NOW.plus(MINUTE)));
    push(&mut accumulator, &partition(0), 0);
    assert!(!accumulator.is_due(NOW.plus(5 * SECOND - 1)));
    assert!(accumulator.is_due(NOW.plus(5 * SECOND)));
    push(&mut accumulator, &partition(0), 1);
    assert!(accumulator.is_due(NOW));
    accumulator.take().unwrap();
    assert!(!accumulator.is_due(NOW.plus(MINUTE)));

    let mut accumulator = Accumulator::new(Cut { bytes: 1, ..Cut::default() });
    accumulator.begin(&partition(0), Some(0), 0, ClockRule::Moves);
    push(&mut accumulator, &partition(0), 0);
    assert!(accumulator.is_due(NOW));
}

#[test]
fn a_list_is_never_cut() {
    let mut accumulator = Accumulator::new(Cut { rows: 2, ..Cut::default() });
    accumulator.begin(&partition(0), Some(0), 0, ClockRule::Moves);
    push_at(&mut accumulator, &partition(0), 0, &format!("[{0},{0},7]", event(NOW)));
    assert_eq!(offsets(&accumulator.take().unwrap()), [0, 0, 0]);
}

#[test]
fn a_run_of_records_that_nobody_can_read_any_more_is_one_row_that_says_so() {
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition(0), Some(7), 9, ClockRule::Moves);
    accumulator.tell_lost(&partition(0), NOW);
    accumulator.tell_lost(&partition(0), NOW);
    push(&mut accumulator, &partition(0), 9);
    let batch = accumulator.take().unwrap();
    assert_eq!(batch.progress(), [step(0, Some(7), 10, Some(NOW))]);
    assert_eq!(offsets(&batch), [7, 9]);
    let text = |name: &str| batch.rows()[name].as_string::<i32>().value(0).to_owned();
    assert_eq!((text("disposition"), text("reason")), ("rejected".into(), "deleted_unread".into()));
    assert!(text("detail").contains("offsets 7 to 8"), "{}", text("detail"));
}

#[test]
fn what_is_lost_waits_for_a_batch_as_a_record_does_and_goes_with_its_partition() {
    let mut accumulator = Accumulator::new(Cut::default());
    accumulator.begin(&partition(0), Some(7), 9, ClockRule::Moves);
    accumulator.tell_lost(&partition(0), NOW);
    assert!(!accumulator.is_due(NOW) && accumulator.is_due(NOW.plus(MINUTE)));
    accumulator.forget(&partition(0));
    assert!(accumulator.take().is_none());
    accumulator.begin(&partition(0), Some(7), 7, ClockRule::Moves);
    accumulator.tell_lost(&partition(0), NOW);
    assert!(accumulator.is_empty(), "nothing is lost where reading goes on");
}
