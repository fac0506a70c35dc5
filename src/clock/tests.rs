use super::*;

const START: Millis = 1_700_000_000_000;
const HOUR: Millis = 3_600_000;
const DAY: i64 = 24 * 3_600_000;

/// Lets time pass as in a server, which looks at the system's clock ten times a second.
fn pass(clock: &Clock, hand: &ClockHand, time: Millis) {
    for _ in 0..time / 100 {
        let before = clock.now();
        hand.advance(100);
        clock.follow();
        assert!(clock.now() >= before, "time went back");
    }
}

#[test]
fn it_goes_on_when_the_system_clock_is_set_back() {
    let (clock, hand) = Clock::manual(START);
    assert_eq!(clock.now(), START);
    hand.set_by(-DAY);
    assert_eq!(clock.now(), START);
    hand.advance(2_000);
    assert_eq!(clock.now(), START + 2_000);
    assert!(clock.follow().differs);
    assert_eq!((clock.agreement().steps, clock.agreement().ahead), (1, DAY - 40 + 40));
}

#[test]
fn it_meets_the_system_clock_again_and_is_never_more_than_a_fiftieth_off() {
    for step in [-60_000, 60_000] {
        let (clock, hand) = Clock::manual(START);
        hand.set_by(step);
        pass(&clock, &hand, HOUR / 2);
        let off = clock.now().cast_signed() - (START + HOUR / 2).cast_signed();
        assert!((35_900..=36_000).contains(&off.abs()) && off.signum() == step.signum(), "{off}");
        pass(&clock, &hand, HOUR / 2);
        assert_eq!(clock.now(), (START + HOUR).saturating_add_signed(step), "it has met");
        assert!(!clock.follow().differs);
        assert_eq!(clock.agreement().steps, 1);
    }
}

#[test]
fn a_blip_leaves_nothing_behind() {
    let (clock, hand) = Clock::manual(START);
    hand.set_by(5 * 3_600_000);
    pass(&clock, &hand, 5_000);
    hand.set_by(-5 * 3_600_000);
    pass(&clock, &hand, 10_000);
    assert_eq!((clock.now(), clock.agreement().steps), (START + 15_000, 2));
}

#[test]
fn a_clock_that_was_behind_at_the_start_is_believed_once_it_has_passed() {
    let (clock, hand) = Clock::manual(START - HOUR);
    clock.begin(Some(&Known::elsewhere(START)), 0, None).unwrap();
    assert_eq!((clock.now(), clock.agreement().steps), (START, 1));
    pass(&clock, &hand, 1_000);
    // NTP finds the right time: the server was stopped for three hours.
    hand.set_by(4 * 3_600_000);
    clock.follow();
    assert_eq!(clock.now(), START + 3 * HOUR + 1_000);
    // Once the clock was believed, it is a clock like any other.
    hand.set_by(DAY);
    clock.follow();
    assert!(clock.now() < START + 4 * HOUR);
}

#[test]
fn a_clock_that_was_behind_is_not_believed_beyond_the_limit() {
    let (clock, hand) = Clock::manual(START - HOUR);
    clock.begin(Some(&Known::elsewhere(START)), 0, Some(Duration::from_secs(2 * 3_600))).unwrap();
    hand.set_by(DAY);
    pass(&clock, &hand, 1_000);
    assert!(clock.now() <= START + 1_020, "it has followed by {} ms", clock.now() - START);
    hand.set_by(-DAY + 2 * 3_600_000);
    clock.follow();
    assert_eq!(clock.now(), START + HOUR + 1_000);
}

#[test]
fn no_moment_is_so_late_that_time_can_t_go_on() {
    let (clock, hand) = Clock::manual(Millis::MAX);
    let latest = clock.now();
    hand.advance(1_000);
    clock.follow();
    assert_eq!(clock.now(), latest + 1_000);
    clock.raise(Millis::MAX);
    hand.advance(1_000);
    assert_eq!(clock.now(), latest + 2_000);
    assert!(clock.known(RESERVE).through > latest);
}

#[test]
fn a_start_waits_for_a_clock_that_is_too_far_ahead() {
    let (clock, hand) = Clock::manual(START + 3 * HOUR);
    let limit = Some(Duration::from_secs(2 * 3_600));
    let known = Known::elsewhere(START);
    let refusal = clock.begin(Some(&known), 0, limit).unwrap_err().to_string();
    assert!(refusal.contains("3h ahead") && refusal.contains("--clock-jump-limit none"), "{refusal}");
    hand.set_by(-2 * 3_600_000);
    clock.begin(Some(&known), 0, limit).unwrap();
    assert_eq!(clock.now(), START + HOUR);
}

#[test]
fn what_is_written_down_is_never_passed_by_what_was_told() {
    let (clock, hand) = Clock::manual(START);
    hand.set_by(DAY);
    pass(&clock, &hand, 10_000);
    let known = clock.known(RESERVE);
    assert!(known.through > clock.now() + RESERVE);
    let told = clock.now();
    hand.set_by(-3 * DAY);
    let (next, _) = Clock::manual(0);
    next.begin(Some(&known), 0, None).unwrap();
    assert!(next.now() >= told);
}

#[test]
fn restored_sessions_raise_it() {
    let (clock, hand) = Clock::manual(START);
    clock.raise(START - 1);
    assert_eq!(clock.now(), START);
    clock.raise(START + HOUR);
    assert_eq!(clock.now(), START + HOUR);
    hand.advance(10);
    assert_eq!(clock.now(), START + HOUR + 10);
}

#[test]
fn the_time_goes_no_faster_than_was_written_down() {
    let (clock, hand) = Clock::manual(START);
    let agreed = clock.known(RESERVE);
    clock.written_down(&agreed);
    hand.set_by(10_000);
    hand.advance(1_000);
    // After a crash now, the next start must find the time that the file says.
    let held = clock.follow();
    assert!(held.differs && held.must_be_written_down);
    assert_eq!(clock.now(), START + 1_000);
    let ahead = clock.known(RESERVE);
    clock.written_down(&ahead);
    hand.advance(1_000);
    let followed = clock.follow();
    assert!(followed.differs && !followed.must_be_written_down);
    assert_eq!(clock.now(), START + 2_004);
}
