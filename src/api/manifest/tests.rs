use super::*;

fn read(text: &str) -> (Vec<ManifestObject>, Vec<Problem>) {
    parse(&[("file.yaml".to_owned(), text.as_bytes().to_vec())])
}

fn codes(problems: &[Problem]) -> Vec<(&str, usize)> {
    problems
        .iter()
        .map(|problem| {
            let line = problem.location.as_ref().map_or(0, |location| location.line);
            (problem.code.as_str(), line)
        })
        .collect()
}

const GROUP: &str = "\
apiVersion: stead.dev/v1alpha1
kind: FailoverGroup
metadata: {name: web}
spec: {servers: [node1]}
";

#[test]
fn every_field_knows_its_line() {
    let (objects, problems) = read(
        "# a comment\n---\napiVersion: stead.dev/v1alpha1\nkind: FailoverGroup\n\
         metadata:\n  name: web\nspec:\n  servers:\n  - node1\n\n  - node2\n",
    );
    assert_eq!(problems, []);
    let [object] = objects.as_slice() else { panic!("{objects:?}") };
    assert_eq!((object.kind.as_str(), object.name.as_str()), ("FailoverGroup", "web"));
    for (field, line) in [
        ("", 3),
        ("kind", 4),
        ("metadata.name", 6),
        ("spec.servers", 8),
        ("spec.servers[0]", 9),
        ("spec.servers[1]", 11),
        ("spec.servers[7]", 8),
        ("spec.startup", 7),
    ] {
        assert_eq!(object.locate(field).line, line, "{field}");
    }
}

#[test]
fn an_object_of_ten_megabytes_is_refused_and_the_next_one_is_read() {
    let long = "x".repeat(10 << 20);
    for big in [
        format!("{GROUP}note: {long}\n"),
        format!("{GROUP}note: \"{long}\"\n"),
        format!("{GROUP}note: |\n  {long}\n"),
        format!("{GROUP}notes:\n{}", "- xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n".repeat(250_000)),
        format!("{GROUP}# {long}\nend: 1\n"),
    ] {
        let (objects, problems) = read(&format!("{big}---\n{GROUP}"));
        assert_eq!(codes(&problems), [("ObjectTooLarge", 1)]);
        assert_eq!(objects.len(), 1);
    }
}

#[test]
fn a_large_json_object_is_refused_too() {
    let long = "x".repeat(10 << 20);
    let (objects, problems) = read(&format!("{{\"apiVersion\": \"{long}\"}}"));
    assert_eq!(codes(&problems), [("ObjectTooLarge", 1)]);
    assert!(objects.is_empty());
}

#[test]
fn nesting_without_end_is_refused_at_once() {
    for text in ["[".repeat(1 << 20), "{a: ".repeat(1 << 18), "- ".repeat(1 << 19)] {
        let (objects, problems) = read(&text);
        assert!(objects.is_empty());
        assert_eq!(codes(&problems), [("NestedTooDeep", 1)], "{problems:?}");
    }
}

#[test]
fn aliases_are_counted_before_they_are_copied() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let inner = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", inner.trim_end_matches(", ")));
    }
    let (objects, problems) = read(&text);
    assert!(objects.is_empty());
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "TooManyAliases");
}

#[test]
fn aliases_and_merges_work_within_their_bounds() {
    let (objects, problems) = read(
        "apiVersion: stead.dev/v1alpha1\nkind: FailoverGroup\nmetadata: &m {name: web}\n\
         spec:\n  <<: {startup: Manual, failback: Manual}\n  servers: &s [node1, node2]\n  \
         startup: Automatic\nstatus: {notOn: *s, more: *m}\n",
    );
    assert_eq!(problems, []);
    assert_eq!(objects[0].value["spec"]["failback"], "Manual");
    assert_eq!(objects[0].value["spec"]["startup"], "Automatic");
    assert_eq!(objects[0].value["status"]["notOn"][1], "node2");
    assert_eq!(objects[0].value["status"]["more"]["name"], "web");
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let (objects, problems) = parse(&[("x".to_owned(), b"a: 1\nb: \xff\xfe\n".to_vec())]);
    assert!(objects.is_empty());
    assert_eq!(codes(&problems), [("NotUtf8", 2)]);
}

#[test]
fn empty_documents_and_comments_are_nothing() {
    for text in ["", "\n\n", "# only a comment\n", "---\n---\n# x\n---\n", "\u{feff}---\n"] {
        let (objects, problems) = read(text);
        assert_eq!((objects.len(), problems.len()), (0, 0), "{text:?}");
    }
}

#[test]
fn after_a_fault_the_next_document_is_read() {
    let text = format!("a: 'never closed\n---\n{GROUP}---\nb: [1, 2\n---\n{GROUP}");
    let (objects, problems) = read(&text);
    assert_eq!(objects.len(), 2);
    assert_eq!(objects[1].line, 10);
    let said: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(said, ["MalformedManifest", "MalformedManifest", "DuplicateObject"]);
}

#[test]
fn nothing_that_a_file_may_hold_ends_in_a_panic() {
    let base = format!("{GROUP}---\n{{\"a\": [1, &x 2, *x, \"\\u00e9\"], ? k : v}}\n- |\n text\n");
    let bytes = base.as_bytes();
    for position in 0..bytes.len() {
        for byte in [b'\n', b'\t', b'{', b'"', b'*', b'&', b':', b'-', 0, 0xff] {
            let mut changed = bytes.to_vec();
            changed[position] = byte;
            let (objects, _) = parse(&[("x".to_owned(), changed)]);
            let _ = check_each(&objects);
        }
        let _ = parse(&[("x".to_owned(), bytes[..position].to_vec())]);
    }
}

#[test]
fn json_is_read_with_what_yaml_does_not_take() {
    let text = "{\n\t\"apiVersion\": \"stead.dev/v1alpha1\", \"kind\": \"FailoverGroup\",\n\
                \t\"metadata\": {\"name\": \"web\", \"annotations\": {\"a\": \"\\ud83d\\ude00\"}},\n\
                \t\"spec\": {\"servers\": [\"node1\"]}}";
    let (objects, problems) = read(text);
    assert_eq!(problems, []);
    assert_eq!(objects[0].value["metadata"]["annotations"]["a"], "😀");
}

#[test]
fn no_mixture_of_yaml_ends_in_a_panic() {
    let pieces = [
        "a",
        ": ",
        "- ",
        "\n",
        "  ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&x ",
        "*x",
        "!!str ",
        "!t ",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "? ",
        "# c\n",
        "\t",
        "<<: ",
        "%YAML 1.2\n",
        "é",
        "0x1f",
        "1e9",
        "null",
        "@",
        "`",
        "\u{feff}",
        "\r\n",
        "\0",
    ];
    // Xorshift: the same mixtures on every run.
    let mut seed: u64 = 42;
    let mut next = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % bound as u64).unwrap()
    };
    for round in 0..4000 {
        let mut text = if round % 3 == 0 { GROUP.to_owned() } else { String::new() };
        for _ in 0..next(40) {
            text.push_str(pieces[next(pieces.len())]);
        }
        text.push_str("\n---\n");
        text.push_str(GROUP);
        let (objects, _) = read(&text);
        let _ = check_each(&objects);
    }
}
