//! The report of a bench: a table for people, an object for scripts.

use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum;
use serde_json::{Value as Json, json};

use super::phases::Measured;
use super::settings::Settings;
use super::target::LaneChoice;
use crate::cli::output::report::Report;
use crate::cli::output::units::grouped;

/// The latencies in the report: a name, and the percentage of operations that did not exceed it.
const PERCENTILES: [(&str, &str, f64); 5] = [
    ("p50", "p50_us", 50.0),
    ("p90", "p90_us", 90.0),
    ("p99", "p99_us", 99.0),
    ("p99.9", "p999_us", 99.9),
    ("max", "max_us", 100.0),
];

/// Settings that only sessiond has.
pub(super) struct Outline<'a> {
    pub(super) lane: LaneChoice,
    pub(super) namespace: &'a str,
}

/// What was measured, on one server or on two.
pub(super) fn report(outline: &Outline<'_>, settings: &Settings, one: &Measured, other: Option<&Measured>) -> Report {
    Report::new(text(settings, one, other), json_of(outline, settings, one, other))
}

fn text(settings: &Settings, one: &Measured, other: Option<&Measured>) -> String {
    let servers: Vec<&Measured> = [Some(one), other].into_iter().flatten().collect();
    let mut text = String::new();
    let mut row = |name: &str, figure: &dyn Fn(&Measured) -> Option<f64>, show: &dyn Fn(f64) -> String| {
        let figures: Vec<Option<f64>> = servers.iter().map(|measured| figure(measured)).collect();
        let cell = |figure: &Option<f64>| format!("{:>14}", figure.map_or_else(|| "unknown".to_owned(), show));
        let cells: String = figures.iter().map(cell).collect();
        let ratio = match figures[..] {
            [Some(one), Some(other)] => ratio(one, other).map(|ratio| format!("{ratio:>10.2}")),
            _ => None,
        };
        let line = format!("{name:<22}{cells}{}", ratio.unwrap_or_default());
        text.push_str(line.trim_end());
        text.push('\n');
    };
    row("operations/s", &|measured| Some(per_second(measured)), &|figure| whole(figure));
    for (name, _, percent) in PERCENTILES {
        row(name, &|measured| Some(micros(measured.measurements().percentile(percent))), &|us| {
            format!("{} us", whole(us))
        });
    }
    row("server CPU/operation", &cpu_per_operation, &|us| format!("{us:.2} us"));
    let memory = |measured: &Measured| measured.loaded.memory_bytes.map(as_float);
    row("server memory", &memory, &size);
    if settings.idle_connections > 0 {
        let each = |measured: &Measured| measured.idle_connection_bytes.map(as_float);
        row("per idle connection", &each, &size);
    }
    row("errors", &|measured| Some(as_float(measured.measurements().failures())), &|count| whole(count));
    let lost: String = servers.iter().filter_map(|measured| Some(format!("{}\n", measured.lost()?))).collect();
    let names: Vec<String> = servers.iter().map(|measured| format!("{:>14}", measured.server)).collect();
    let ratio = if other.is_some() { "     ratio" } else { "" };
    let head = format!("{:<22}{}{ratio}", settings.workload.name(), names.concat());
    let notes: String = servers.iter().flat_map(|measured| notes(settings, measured)).collect();
    format!("{lost}{head}\n{text}{notes}").trim_end().to_owned()
}

/// What the figures don't show.
fn notes(settings: &Settings, measured: &Measured) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |text: String| notes.push(format!("{}: {text}\n", measured.server));
    if let Some(rate) = settings.rate.filter(|rate| !reached(*rate, measured)) {
        note(format!(
            "{} of the {} operations per second were reached",
            whole(per_second(measured)),
            grouped(rate.into())
        ));
    }
    for (error, times) in &measured.measurements().errors {
        note(format!("{} operations failed: {error}", grouped(*times)));
    }
    if measured.loaded.interrupted {
        note(format!("interrupted after {:.1} s", measured.loaded.elapsed.as_secs_f64()));
    }
    notes
}

fn json_of(outline: &Outline<'_>, settings: &Settings, one: &Measured, other: Option<&Measured>) -> Json {
    let mut json = figures(settings, one);
    json["settings"] = json!({
        "workload": settings.workload.name(),
        "sessions": settings.sessions,
        "size_bytes": [settings.sizes.start(), settings.sizes.end()],
        "connections": settings.connections,
        "in_flight": settings.in_flight,
        "idle_connections": settings.idle_connections,
        "threads": settings.threads,
        "rate": settings.rate,
        "duration_s": settings.duration.as_secs_f64(),
        "warmup_s": settings.warmup.as_secs_f64(),
        "seed": settings.seed,
        "lane": outline.lane.to_possible_value().map(|value| value.get_name().to_owned()),
        "namespace": outline.namespace,
    });
    if let Some(other) = other {
        let told = |figure: &dyn Fn(&Measured) -> Option<f64>| ratio(figure(one)?, figure(other)?);
        let mut ratios = json!({
            "ops_per_s": told(&|measured| Some(per_second(measured))),
            "server_cpu_us_per_op": told(&cpu_per_operation),
        });
        for (_, name, percent) in PERCENTILES {
            ratios[name] = told(&|measured| Some(micros(measured.measurements().percentile(percent)))).into();
        }
        json["against"] = figures(settings, other);
        json["ratio"] = ratios;
    }
    json
}

fn figures(settings: &Settings, measured: &Measured) -> Json {
    let measurements = measured.measurements();
    let mut json = json!({
        "server": measured.server,
        "ops_per_s": per_second(measured),
        "operations": measurements.operations(),
        "errors": measurements.failures(),
        "errors_by_kind": measurements.errors,
        "elapsed_s": measured.loaded.elapsed.as_secs_f64(),
        "server_cpu_us_per_op": cpu_per_operation(measured),
        "server_memory_bytes": measured.loaded.memory_bytes,
        "idle_connection_bytes": measured.idle_connection_bytes,
        "interrupted": measured.loaded.interrupted,
        "lost": measured.loaded.lost,
        "rate_reached": settings.rate.map(|rate| reached(rate, measured)),
    });
    for (_, name, percent) in PERCENTILES {
        json[name] = micros(measurements.percentile(percent)).into();
    }
    json
}

fn per_second(measured: &Measured) -> f64 {
    as_float(measured.measurements().operations()) / measured.loaded.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Microseconds of the server's processors per operation, failed ones included.
fn cpu_per_operation(measured: &Measured) -> Option<f64> {
    let operations = measured.measurements().operations() + measured.measurements().failures();
    (operations > 0).then_some(micros(measured.loaded.cpu?) / as_float(operations))
}

/// One percent less counts as having reached the rate.
fn reached(rate: u32, measured: &Measured) -> bool {
    per_second(measured) >= f64::from(rate) * 0.99
}

fn ratio(one: f64, other: f64) -> Option<f64> {
    (other > 0.0).then_some(one / other)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[expect(clippy::cast_precision_loss, reason = "figures for people and scripts")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures are positive and rounded")]
fn whole(figure: f64) -> String {
    grouped(figure.round() as u64)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "figures are positive and rounded")]
fn size(bytes: f64) -> String {
    ByteSize::b(bytes as u64).display().iec().to_string()
}
