use super::*;

fn record() -> Record {
    let holder: ServerName = "vm1".into();
    let term = Term { number: 3, proposer: holder.clone() };
    let mut record = Record::new("cluster-1", &holder, &term, "0123".into());
    record.ttl_milliseconds = 15_000;
    record.revision = Revision(7 << 40);
    record
}

fn changed(from: &str, to: &str) -> Result<Record, RecordError> {
    let text = String::from_utf8(record().encode()).unwrap();
    assert!(text.contains(from), "{text}");
    Record::decode(text.replace(from, to).as_bytes())
}

#[test]
fn a_record_is_read_as_it_was_written() {
    assert_eq!(Record::decode(&record().encode()), Ok(record()));
}

#[test]
fn fields_of_a_later_release_with_the_same_format_are_no_trouble() {
    let read = changed("\"holder\"", "\"weather\": \"fine\", \"holder\"");
    assert_eq!(read, Ok(record()));
}

#[test]
fn nonsense_is_named_and_never_taken_for_a_record() {
    assert_eq!(Record::decode(b""), Err(RecordError::Empty));
    assert_eq!(Record::decode(b" \r\n\t"), Err(RecordError::Empty));
    let huge = vec![b'x'; LENGTH_MAX + 1];
    assert_eq!(Record::decode(&huge), Err(RecordError::TooLong(huge.len())));
    let strange: [&[u8]; 7] = [
        b"<!DOCTYPE html><html><body>Please log in",
        b"\xff\xfe\x00\x01",
        b"{}",
        b"null",
        b"[1, 2]",
        b"{\"kind\": \"Lease\", \"format\": 1}",
        b"{\"kind\": \"stead lease\", \"format\": -1}",
    ];
    for bytes in strange {
        let read = Record::decode(bytes);
        assert!(matches!(read, Err(RecordError::Strange(_))), "{read:?}");
    }
    let text = Record::decode(b"<html>\n\x1b[2J</html>").unwrap_err().to_string();
    assert!(!text.contains(['\n', '\u{1b}']), "{text}");
}

#[test]
fn a_newer_format_says_update() {
    assert_eq!(changed("\"format\": 1", "\"format\": 2"), Err(RecordError::Newer(2)));
    let text = RecordError::Newer(2).to_string();
    assert!(text.ends_with("(format 2, known is 1): update"), "{text}");
}

#[test]
fn a_damaged_record_says_where() {
    for (from, to) in [
        ("\"cluster\": \"cluster-1\"", "\"cluster\": \"\""),
        ("\"cluster\": \"cluster-1\"", "\"cluster\": 7"),
        ("\"nonce\": \"0123\"", "\"nonce\": \"\""),
        ("\"number\": 3", "\"number\": 0"),
        ("\"number\": 3", "\"number\": 3.5"),
        ("\"number\": 3", "\"number\": 99999999999999999999999"),
        ("\"holder\": \"vm1\"", "\"holder\": \"vm2\""),
        ("\"ttlMilliseconds\": 15000", "\"ttlMilliseconds\": 18446744073709551615"),
    ] {
        let read = changed(from, to);
        assert!(matches!(read, Err(RecordError::Damaged(_))), "{to}: {read:?}");
    }
    let whole = record().encode();
    for length in 1..whole.len() {
        let cut = Record::decode(&whole[..length]);
        assert!(cut.is_err(), "{length} bytes of {}: {cut:?}", whole.len());
    }
}
