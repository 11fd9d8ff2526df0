//! The ratios as an SVG: one bar for each gateway and row, relative to HAProxy, shorter is cheaper.

use std::fmt::Write as _;

use super::figures::Figures;
use super::rows::ROWS;

const LEFT: f64 = 190.0;
const WIDTH: f64 = 760.0;
const BAR: f64 = 18.0;

/// The picture; empty of bars when HAProxy was not measured.
pub fn ratios(figures: &Figures) -> String {
    let mut bars = String::new();
    let mut top = 40.0;
    let names = ROWS.map(|row| row.name);
    let largest = names
        .iter()
        .flat_map(|size| figures.subjects.iter().filter_map(|(name, _)| figures.ratio(name, "HAProxy", size)))
        .fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - 70.0) / largest;
    for size in names {
        let rows: Vec<_> = figures
            .subjects
            .iter()
            .filter_map(|(name, _)| Some((name, figures.ratio(name, "HAProxy", size)?)))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(bars, "<text x='10' y='{}' class='h'>{size}</text>", top + 14.0);
        top += 22.0;
        for (name, ratio) in rows {
            let class = if name.starts_with("Haechi") { "us" } else { "them" };
            let (middle, end) = (top + BAR - 4.0, LEFT + ratio * scale);
            let _ = writeln!(
                bars,
                "<text x='{}' y='{middle}' class='n'>{name}</text>\
                 <rect x='{LEFT}' y='{top}' width='{:.1}' height='{BAR}' class='{class}'/>\
                 <text x='{:.1}' y='{middle}'>{ratio:.2}</text>",
                LEFT - 8.0,
                end - LEFT,
                end + 6.0
            );
            top += BAR + 4.0;
        }
        top += 10.0;
    }
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{top}' font-family='sans-serif' \
         font-size='13'>\n<style>text{{fill:#222}}.h{{font-weight:bold}}.n{{text-anchor:end}}\
         .us{{fill:#1f7a5a}}.them{{fill:#9aa4ad}}</style>\n<rect width='100%' height='100%' fill='#fff'/>\n\
         <text x='10' y='20'>CPU time a request, relative to HAProxy: shorter is cheaper</text>\n{bars}</svg>\n"
    )
}
