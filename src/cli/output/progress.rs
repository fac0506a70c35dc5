//! The progress of a long command, on a terminal. Elsewhere nothing is shown until the command is done.

use std::fmt;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar on standard error, hidden where that is no terminal and for scripts. It counts `unit`s; bytes are shown as such.
pub(crate) fn bar(verb: &'static str, unit: &str, length: Option<u64>, hidden: bool) -> ProgressBar {
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(length, target);
    let counts = if unit == "bytes" { "{binary_bytes} of {binary_total_bytes}" } else { "{human_pos} of {human_len}" };
    // A bar of seconds already shows how many are left.
    let left = if unit == "seconds" { "" } else { "{left}" };
    let template = format!("{{msg}} [{{wide_bar}}] {counts} {unit}{left}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.with_key("left", left_of).progress_chars("=> "));
    }
    bar.with_message(verb)
}

/// How much time is left, once that is known.
fn left_of(state: &ProgressState, text: &mut dyn fmt::Write) {
    if state.pos() > 0 && state.len().is_some() {
        // Writing to a String does not fail.
        write!(text, ", {:#} left", HumanDuration(state.eta())).ok();
    }
}
