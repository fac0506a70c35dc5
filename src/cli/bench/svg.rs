//! Draws latencies. To the right is the share of operations, with one more nine at each step; upwards is the latency.

use std::fmt::Write as _;

use super::phases::Measured;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Room for the labels of the axes.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 40.0;
/// Five nines are as many as are drawn.
const NINES: f64 = 5.0;
const STEPS: u32 = 200;
const COLOURS: [&str; 2] = ["#b7410e", "#1f5a8c"];

/// One curve for each server.
pub(super) fn draw(servers: &[&Measured], title: &str) -> String {
    let highest = servers.iter().map(|measured| micros(measured, 100.0)).fold(10.0, f64::max).log10().ceil();
    let lowest =
        servers.iter().map(|measured| micros(measured, 1.0)).fold(f64::INFINITY, f64::min).max(1.0).log10().floor();
    let scale = Scale { lowest: lowest.min(highest - 1.0), highest };
    let mut drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">Latency, workload {title}</text>"
    );
    scale.draw_axes(&mut drawing);
    for ((measured, colour), number) in servers.iter().zip(COLOURS).zip(0_u8..) {
        let points: Vec<String> = (0..=STEPS)
            .map(|step| {
                let nines = NINES * f64::from(step) / f64::from(STEPS);
                let percent = 100.0 - 100.0 / 10_f64.powf(nines);
                format!("{:.1},{:.1}", across(nines), scale.up(micros(measured, percent)))
            })
            .collect();
        let x = LEFT + 200.0 * f64::from(number);
        // A string takes whatever is written.
        let _ = write!(
            drawing,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\
             <rect x=\"{x}\" y=\"31\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"40\">{}</text>",
            points.join(" "),
            x + 15.0,
            measured.server
        );
    }
    drawing.push_str("</svg>\n");
    drawing
}

/// Powers of ten of a microsecond.
struct Scale {
    lowest: f64,
    highest: f64,
}

impl Scale {
    fn up(&self, micros: f64) -> f64 {
        let share = (micros.max(1.0).log10() - self.lowest) / (self.highest - self.lowest);
        HEIGHT - BOTTOM - share.clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_axes(&self, drawing: &mut String) {
        let mut power = self.lowest;
        while power <= self.highest {
            let (y, right) = (self.up(10_f64.powf(power)), WIDTH - RIGHT);
            let _ = write!(
                drawing,
                "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                label(power)
            );
            power += 1.0;
        }
        for (nines, label) in [(0.0, "0"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")] {
            let (x, y) = (across(nines), HEIGHT - BOTTOM + 18.0);
            let _ = write!(drawing, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
    }
}

fn across(nines: f64) -> f64 {
    LEFT + nines / NINES * (WIDTH - LEFT - RIGHT)
}

fn label(power: f64) -> String {
    let micros = 10_f64.powf(power);
    match power {
        power if power < 3.0 => format!("{micros:.0} us"),
        power if power < 6.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.0} s", micros / 1e6),
    }
}

fn micros(measured: &Measured, percent: f64) -> f64 {
    measured.measurements().percentile(percent).as_secs_f64() * 1e6
}
