//! Memory over time as an SVG.

use super::watch::Sample;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 210.0;

/// A line from nought to the highest sample.
pub fn memory(samples: &[Sample]) -> String {
    let last = samples.last().map_or(1.0, |sample| sample.seconds.max(1.0));
    let highest = samples.iter().map(|sample| sample.memory).max().unwrap_or(1) as f64;
    let point = |sample: &Sample| {
        let x = LEFT + sample.seconds / last * (WIDTH - LEFT - 20.0);
        let y = BOTTOM - sample.memory as f64 / highest * (BOTTOM - 40.0);
        format!("{x:.1},{y:.1}")
    };
    let points: Vec<String> = samples.iter().map(point).collect();
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' font-family='sans-serif' \
         font-size='13'>\n<rect width='100%' height='100%' fill='#fff'/>\n\
         <text x='10' y='20'>Memory of the process, MiB, over {last:.0} s</text>\n\
         <text x='10' y='44'>{:.1}</text><text x='10' y='{BOTTOM}'>0</text>\n\
         <line x1='{LEFT}' y1='{BOTTOM}' x2='{}' y2='{BOTTOM}' stroke='#9aa4ad'/>\n\
         <polyline fill='none' stroke='#1f7a5a' points='{}'/>\n</svg>\n",
        highest / 1_048_576.0,
        WIDTH - 20.0,
        points.join(" ")
    )
}
