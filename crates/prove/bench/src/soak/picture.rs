//! The process over time and what became of each kind of traffic, as an SVG.

use std::fmt::Write as _;

use super::report::{Row, Tally};
use super::watch::Sample;

const WIDTH: f64 = 760.0;
/// Of a line with its title.
const HEIGHT: f64 = 150.0;
const LEFT: f64 = 60.0;
/// Where a bar begins, behind its name.
const BARS: f64 = 270.0;
/// Of a kind of traffic.
const ROW: f64 = 20.0;

/// Title, value and unit of each line.
type Line = (&'static str, fn(&Sample) -> f64, f64);
const LINES: [Line; 4] = [
    ("Memory of the process, MiB", |sample| sample.memory as f64, 1_048_576.0),
    ("Descriptors", |sample| sample.descriptors as f64, 1.0),
    ("Sessions of UDP", |sample| sample.udp_sessions as f64, 1.0),
    ("Connections of HTTP/3", |sample| sample.http3_connections as f64, 1.0),
];

/// What can become of a turn's messages, with its colour.
type Part = (&'static str, fn(&Row) -> u64, &'static str);
const PARTS: [Part; 5] = [
    ("2xx", |row| row.answers[1], "#1f7a5a"),
    ("3xx", |row| row.answers[2], "#7fb7d6"),
    ("4xx", |row| row.answers[3], "#d9a441"),
    ("5xx", |row| row.answers[4], "#b5483a"),
    ("closed without", |row| row.closed, "#9aa4ad"),
];

/// Lines from nought to the highest sample, and below a bar for each kind.
pub fn draw(samples: &[Sample], tally: &Tally) -> String {
    let (rows, top) = (tally.rows(), HEIGHT * LINES.len() as f64);
    let height = top + ROW * (rows.len() + 3) as f64;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' font-family='sans-serif' \
         font-size='13'>\n<rect width='100%' height='100%' fill='#fff'/>\n"
    );
    for (place, of) in LINES.iter().enumerate() {
        line(&mut svg, samples, of, HEIGHT * place as f64);
    }
    let mut x = BARS;
    for (name, _, colour) in PARTS {
        let y = top + ROW;
        let _ = writeln!(svg, "<text x='{x}' y='{y}' fill='{colour}'>{name}</text>");
        x += 60.0;
    }
    for (place, (name, row)) in rows.iter().enumerate() {
        bar(&mut svg, name, row, top + ROW * (place + 2) as f64);
    }
    svg + "</svg>\n"
}

fn line(svg: &mut String, samples: &[Sample], (title, of, unit): &Line, top: f64) {
    let bottom = top + HEIGHT - 20.0;
    let last = samples.last().map_or(1.0, |sample| sample.seconds.max(1.0));
    let highest = samples.iter().map(of).fold(1.0, f64::max);
    let point = |sample: &Sample| {
        let x = LEFT + sample.seconds / last * (WIDTH - LEFT - 20.0);
        let y = bottom - of(sample) / highest * (HEIGHT - 60.0);
        format!("{x:.1},{y:.1}")
    };
    let points: Vec<String> = samples.iter().map(point).collect();
    let _ = write!(
        svg,
        "<text x='10' y='{}'>{title}, over {last:.0} s</text>\n\
         <text x='10' y='{}'>{:.1}</text><text x='10' y='{bottom}'>0</text>\n\
         <line x1='{LEFT}' y1='{bottom}' x2='{}' y2='{bottom}' stroke='#9aa4ad'/>\n\
         <polyline fill='none' stroke='#1f7a5a' points='{}'/>\n",
        top + 20.0,
        top + 44.0,
        highest / unit,
        WIDTH - 20.0,
        points.join(" ")
    );
}

/// Shares of what became of it, behind the number of connections.
fn bar(svg: &mut String, name: &str, row: &Row, y: f64) {
    let all: u64 = PARTS.iter().map(|(_, of, _)| of(row)).sum();
    let _ = writeln!(svg, "<text x='10' y='{y}'>{name}: {}</text>", row.turns);
    let mut x = BARS;
    for (_, of, colour) in PARTS {
        let width = of(row) as f64 / all.max(1) as f64 * (WIDTH - BARS - 20.0);
        let _ = writeln!(
            svg,
            "<rect x='{x:.1}' y='{}' width='{width:.1}' height='14' fill='{colour}'/>",
            y - 12.0
        );
        x += width;
    }
}
