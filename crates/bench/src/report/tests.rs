//! A row says what the contract names, judges only where there is a goal, and the table lines up.

use std::cell::RefCell;

use super::*;

#[test]
fn a_row_has_the_fields_of_the_contract_and_null_where_nothing_is_said() {
    let row = Row::new("explain p99", 10_000, 2.5, "ms");
    let expected = serde_json::json!({"name": "explain p99", "size": 10000, "value": 2.5, "unit": "ms",
        "against": null, "ratio": null, "goal": null, "met": null});
    assert_eq!(serde_json::to_value(&row).unwrap(), expected);
    let row = row.against("SQL join", 5.0).goal(Goal::RatioAtMost(0.5));
    let value = serde_json::to_value(&row).unwrap();
    assert_eq!(value["ratio"], 0.5);
    assert_eq!(value["goal"], "ratio <= 0.5");
    assert_eq!(value["met"], true);
}

#[test]
fn a_goal_is_judged_the_same_before_and_after_the_rival_is_named() {
    let goal = Goal::RatioAtLeast(0.8);
    let first = Row::new("a", 1, 7.0, "requests/s").goal(goal).against("b", 10.0);
    let last = Row::new("a", 1, 7.0, "requests/s").against("b", 10.0).goal(goal);
    assert_eq!(first, last);
    assert_eq!(first.is_met(), Some(false));
}

#[test]
fn a_figure_that_was_never_reached_meets_no_goal() {
    for goal in [Goal::ValueAtMost(9.0), Goal::ValueAtLeast(0.0), Goal::RatioAtMost(9.0), Goal::RatioAtLeast(0.0)] {
        assert_eq!(Row::never("a", 1, "arrivals").against("b", 2.0).goal(goal).is_met(), Some(false));
    }
    assert_eq!(Row::never("a", 1, "arrivals").is_met(), None);
}

#[test]
fn the_table_lines_up_and_shows_what_is_missing() {
    let rows = [
        Row::new("moved", 10_000, 0.98764, "%").against("minimum", 0.99),
        Row::never("arrivals", 1_000_000, "arrivals"),
        Row::new("owners", 10, 60_000.4, "owners/s").goal(Goal::ValueAtLeast(60_000.0)),
    ];
    let expected = "\
NAME         SIZE   VALUE  UNIT      AGAINST   RATIO  GOAL            MET
moved       10000  0.9876  %         minimum  0.9976
arrivals  1000000   never  arrivals
owners         10   60000  owners/s                   value >= 60000  yes";
    assert_eq!(table(&rows), expected);
}

#[test]
fn the_file_holds_the_rows_as_one_array() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows.json");
    let rows = [Row::new("a", 1, 1.0, "x"), Row::never("b", 2, "x")];
    write_json(&rows, &path).unwrap();
    let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(read, serde_json::to_value(&rows).unwrap());
    let error = write_json(&rows, directory.path()).unwrap_err();
    assert!(error.to_string().contains(&directory.path().display().to_string()), "{error}");
}

#[test]
fn sizes_are_read_as_people_write_them() {
    assert_eq!(parse_size("10k"), Ok(10_000));
    assert_eq!(parse_size("1M"), Ok(1_000_000));
    assert_eq!(parse_size("2500"), Ok(2_500));
    for text in ["", "k", "ten", "1.5k", "-1", "1kk"] {
        assert_eq!(parse_size(text), Err(SizeError::Spelling { text: text.to_owned() }), "{text}");
    }
    for text in ["0", "11m", "18446744073709551615m"] {
        assert_eq!(parse_size(text), Err(SizeError::Range { text: text.to_owned() }), "{text}");
    }
}

#[test]
fn a_quick_run_cuts_only_the_defaults() {
    assert_eq!(Extent::new(true, &[]), Extent { sizes: vec![10_000, 100_000], samples: 1 });
    assert_eq!(Extent::new(true, &[1_000_000]).sizes, [1_000_000]);
    assert_eq!(Extent::new(false, &[]), Extent { sizes: SIZES.to_vec(), samples: SAMPLES });
}

#[test]
fn the_median_ignores_one_disturbed_run() {
    assert_eq!(median(&[3.0, 900.0, 1.0]), 3.0);
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
}

#[test]
fn two_contenders_take_turns_in_going_first() {
    let order = RefCell::new(String::new());
    let run = |who: char, value: f64| {
        order.borrow_mut().push(who);
        value
    };
    let both = side_by_side(3, || run('o', 1.0), || run('t', 2.0));
    assert_eq!(both, SideBySide { ours: 1.0, theirs: 2.0 });
    assert_eq!(order.into_inner(), "ottoot");
}
