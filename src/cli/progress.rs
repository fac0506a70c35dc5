//! How far a long command has come, on a terminal; elsewhere nothing is shown until it is done.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error, hidden where that is no terminal and for scripts. It counts `unit`s; bytes are shown as such.
pub(super) fn bar(verb: &'static str, unit: &str, length: Option<u64>, hidden: bool) -> ProgressBar {
    let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(length, target);
    let counts = if unit == "bytes" { "{binary_bytes} of {binary_total_bytes}" } else { "{human_pos} of {human_len}" };
    let template = format!("{{msg}} [{{wide_bar}}] {counts} {unit}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.with_message(verb)
}
