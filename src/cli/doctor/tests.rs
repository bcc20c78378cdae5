//! Forms of the output and the verdict; what is found is tested in tests/aws and src/doctor.

use super::*;

fn findings() -> Vec<Finding> {
    vec![
        Finding::ok(Check::Region, "AWS", "us-east-1"),
        Finding::coded(Check::Interfaces, "eni-1", "AwsSourceDestCheck", "eni-1")
            .mended_by("aws ec2 modify …"),
    ]
}

#[test]
fn the_table_has_what_mends_a_finding_below_it() {
    let text = report::render(&findings(), Form::Table).unwrap();
    let expected = "CHECK        OBJECT   RESULT   FINDING\n\
        region       AWS      OK       us-east-1\n\
        interfaces   eni-1    Error    Source/Dest check is on: eni-1\n    \
        fix: aws ec2 modify …\n\n\
        1 OK, 0 skipped, 0 warnings, 1 errors\n";
    assert_eq!(text, expected);
    let wide = report::render(&findings(), Form::Wide).unwrap();
    assert!(wide.contains("AwsSourceDestCheck"), "{wide}");
}

#[test]
fn objects_have_every_part_of_a_finding() {
    let json: Value =
        serde_json::from_str(&report::render(&findings(), Form::Json).unwrap()).unwrap();
    assert_eq!(json["result"], "Error");
    assert_eq!(json["findings"][0]["code"], Value::Null);
    assert_eq!(json["findings"][1]["code"], "AwsSourceDestCheck");
    assert_eq!(json["findings"][1]["fix"], "aws ec2 modify …");
    let yaml = report::render(&findings(), Form::Yaml).unwrap();
    assert!(yaml.contains("result: Error"), "{yaml}");
}

#[test]
fn the_worst_finding_is_the_verdict() {
    let ok = || Finding::ok(Check::Region, "AWS", "x");
    let skipped = Finding::skipped(Check::Region, "AWS", "x");
    let warning = Finding::coded(Check::Zones, "a", "AwsServersShareZone", "x");
    assert_eq!(verdict(&[]), FINE);
    assert_eq!(verdict(&[ok(), skipped]), FINE);
    assert_eq!(verdict(&[ok(), warning]), WARNINGS);
    assert_eq!(verdict(&findings()), ERRORS);
}
