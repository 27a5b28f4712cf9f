//! Kafka's own id of a topic, which tells a topic from one that was created again under its name.
//!
//! The safe wrapper has no call for it, so this file asks librdkafka itself: the only unsafe code of the project. Every
//! object that is created here is destroyed here, by its guard, and no pointer leaves [`describe`].
#![expect(unsafe_code, reason = "rdkafka has no safe call that returns a topic's id")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::time::Duration;

use rdkafka::bindings as native;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::client::Notes;
use super::error::{Doing, KafkaError};

const PATIENCE_MS: i32 = 10_000;
/// How the all-zero id reads, which brokers without ids send.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const DOING: &str = "ask Kafka for the ids of topics";

/// The id of each topic that exists; empty where the broker has none.
pub(super) fn ask(consumer: &BaseConsumer<Notes>, topics: &[&str]) -> Result<BTreeMap<String, String>, KafkaError> {
    let Some(first) = topics.first() else { return Ok(BTreeMap::new()) };
    // Any broker can say it. Left alone the library asks the controller, which not every cluster names.
    let patience = Duration::from_millis(u64::from(PATIENCE_MS.unsigned_abs()));
    let broker = consumer.fetch_metadata(Some(first), patience).doing(DOING)?.orig_broker_id();
    describe(consumer.client().native_ptr(), broker, topics)
}

fn describe(
    client: *mut native::rd_kafka_t,
    broker: i32,
    topics: &[&str],
) -> Result<BTreeMap<String, String>, KafkaError> {
    let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(*topic).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: `client` is a live client for the whole call (its owner lends it); `pointers` and the names they point to
    // outlive the collection, which copies them; each created object goes into a guard that destroys it once.
    unsafe {
        let names = native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let names = Guard(names, native::rd_kafka_TopicCollection_destroy);
        let queue = Guard(native::rd_kafka_queue_new(client), native::rd_kafka_queue_destroy);
        let kind = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = Guard(native::rd_kafka_AdminOptions_new(client, kind), native::rd_kafka_AdminOptions_destroy);
        let mut text = [0; 256];
        native::rd_kafka_AdminOptions_set_request_timeout(options.0, PATIENCE_MS, text.as_mut_ptr(), text.len());
        native::rd_kafka_AdminOptions_set_broker(options.0, broker, text.as_mut_ptr(), text.len());
        native::rd_kafka_DescribeTopics(client, names.0, options.0, queue.0);
        let event = native::rd_kafka_queue_poll(queue.0, PATIENCE_MS + 1_000);
        if event.is_null() {
            return Err(KafkaError::Admin { doing: DOING, what: "no answer in time".into() });
        }
        let event = Guard(event, native::rd_kafka_event_destroy);
        match native::rd_kafka_event_error(event.0) {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(read(event.0)),
            Code::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE | Code::RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION => {
                Ok(topics.iter().map(|topic| ((*topic).to_owned(), String::new())).collect())
            }
            code => Err(KafkaError::Admin { doing: DOING, what: text_of(native::rd_kafka_err2str(code)) }),
        }
    }
}

/// SAFETY: `event` is a live, successful answer to DescribeTopics; what it lends lives as long as it does.
unsafe fn read(event: *mut native::rd_kafka_event_t) -> BTreeMap<String, String> {
    let mut ids = BTreeMap::new();
    // SAFETY: as above; the library returns `count` valid pointers.
    unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        let first = native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        for place in 0..count {
            let topic = *first.add(place);
            let error = native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(topic));
            if error == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                let id = native::rd_kafka_TopicDescription_topic_id(topic);
                let id = if id.is_null() { String::new() } else { text_of(native::rd_kafka_Uuid_base64str(id)) };
                ids.insert(text_of(native::rd_kafka_TopicDescription_name(topic)), written_as_kafka_does(&id));
            }
        }
    }
    ids
}

/// SAFETY: `text` is null or a terminated string that lives during the call.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Kafka's tools write ids in the alphabet for URLs, which also keeps the slash free for our keys.
fn written_as_kafka_does(id: &str) -> String {
    let id = id.trim_end_matches('=').replace('+', "-").replace('/', "_");
    if id == NO_ID { String::new() } else { id }
}

struct Guard<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the guard owns the object and this runs once.
            unsafe { (self.1)(self.0) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_holds_no_slash_and_the_zero_id_is_none() {
        assert_eq!(written_as_kafka_does("ab/+c="), "ab_-c");
        assert_eq!(written_as_kafka_does(NO_ID), "");
    }
}
