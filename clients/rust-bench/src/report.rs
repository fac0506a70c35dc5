//! The table of the results, with the targets.

use std::time::Duration;

use crate::measure::Figures;

/// What one round has found.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub redis: Figures,
    pub store: Figures,
    pub layer: Figures,
}

/// A target for a ratio of sessiond to Redis.
#[derive(Debug, Clone, Copy)]
enum Target {
    Most(f64),
    Least(f64),
}

impl Target {
    fn verdict(self, ratio: f64) -> String {
        let (word, bound, is_met) = match self {
            Self::Most(bound) => ("most", bound, ratio <= bound),
            Self::Least(bound) => ("least", bound, ratio >= bound),
        };
        format!("at {word} {bound:.2}: {}", if is_met { "met" } else { "missed" })
    }
}

/// Prints the median of each figure, and of the ratios of the rounds with the least and the greatest.
pub fn print(rounds: &[Round]) {
    println!("{:<45} {:>11} {:>11}   ratio (least, greatest)", "", "Redis", "sessiond");
    for (name, of) in
        [("tower-sessions", (|round| round.store) as fn(&Round) -> Figures), ("layer", |round| round.layer)]
    {
        let line = |what: &str, figure: fn(&Figures) -> f64, shown: fn(f64) -> String, target: Target| {
            let redis = median(rounds.iter().map(|round| figure(&round.redis)));
            let sessiond = median(rounds.iter().map(|round| figure(&of(round))));
            let ratios: Vec<_> = rounds.iter().map(|round| figure(&of(round)) / figure(&round.redis)).collect();
            let (least, greatest) = ratios.iter().fold((f64::MAX, 0_f64), |(a, b), r| (a.min(*r), b.max(*r)));
            let ratio = median(ratios.into_iter());
            let (what, verdict) = (format!("{name}: {what}"), target.verdict(ratio));
            println!(
                "{what:<45} {:>11} {:>11}   {ratio:.2} ({least:.2}, {greatest:.2})  {verdict}",
                shown(redis),
                shown(sessiond)
            );
        };
        let micros = |seconds: f64| format!("{:.1} us", seconds * 1e6);
        let rate = |rate: f64| format!("{rate:.0}/s");
        let p50 = Target::Most(1.15);
        line("load, 1 in flight, p50", |f| seconds(f.load), micros, p50);
        line("load, 32 in flight", |f| f.loads, rate, Target::Least(1.5));
        line("request that reads, 1 in flight, p50", |f| seconds(f.read), micros, p50);
        line("request that reads, 32 in flight", |f| f.reads, rate, Target::Least(1.5));
        line("load, change, save: 1 in flight", |f| 1.0 / seconds(f.write), rate, Target::Least(1.0));
        line("load, change, save: 32 in flight", |f| f.writes, rate, Target::Least(1.0));
    }
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
