//! What the comparisons gave, as a table, as JSON and as a chart.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::tables::{CALLS, NO_STACK, TURNS, measure};

/// What one comparison gave. Times are in nanoseconds a call.
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) peer: &'static str,
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// The median, and the ends of its interval.
    pub(crate) ratio: [f64; 3],
    /// Ours and theirs, of one call.
    pub(crate) allocations: [i64; 2],
}

fn markdown(rows: &[Row]) -> String {
    let mut text = "| work | beside | ns | theirs | ratio (95 %) | allocations | theirs |\n\
                    | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for row in rows {
        let [ratio, low, high] = row.ratio;
        let [ours, theirs] = row.allocations;
        writeln!(
            text,
            "| {} | {} | {:.0} | {:.0} | {ratio:.2} ({low:.2} to {high:.2}) | {ours} | {theirs} |",
            row.work, row.peer, row.ours, row.theirs
        )
        .expect("memory");
    }
    text
}

fn chart(rows: &[Row]) -> String {
    // A ratio to nothing at all would leave the others no room.
    let rows: Vec<_> = rows.iter().filter(|row| row.peer != NO_STACK).collect();
    let height = rows.len() * 22 + 44;
    let mut bars = String::new();
    for (index, row) in rows.iter().enumerate() {
        let ratio = row.ratio[0];
        let width = (ratio.min(2.0) * 160.0).max(1.0);
        let y = index * 22 + 32;
        let colour = if ratio <= 1.0 { "#4a7ebb" } else { "#b0651d" };
        writeln!(
            bars,
            "<text x=\"296\" y=\"{}\" text-anchor=\"end\">{}, {}</text><rect x=\"304\" y=\"{y}\" width=\"{width:.0}\" \
             height=\"15\" fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{}\">{ratio:.2}</text>",
            y + 12,
            row.work,
            row.peer,
            width + 310.0,
            y + 12
        )
        .expect("memory");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\
         <text x=\"304\" y=\"18\" font-size=\"13\">Time of tower-rampart to theirs; the line is 1</text>\
         <line x1=\"464\" y1=\"26\" x2=\"464\" y2=\"{height}\" stroke=\"#888\"/>\n{bars}</svg>\n"
    )
}

/// Measures, prints, and writes a table, JSON and a chart to `target/bench`.
pub(crate) fn write() {
    let rows = measure();
    let text = markdown(&rows);
    println!("{text}");
    let all: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "work": row.work, "peer": row.peer, "ns": row.ours, "peer_ns": row.theirs, "ratio": row.ratio[0],
                "ratio_low": row.ratio[1], "ratio_high": row.ratio[2], "allocations": row.allocations[0],
                "peer_allocations": row.allocations[1],
            })
        })
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).expect("a folder");
    let files = [
        ("md", text),
        (
            "json",
            json!({"calls": CALLS, "turns": TURNS, "rows": all}).to_string(),
        ),
        ("svg", chart(&rows)),
    ];
    for (extension, text) in files {
        fs::write(folder.join(format!("peers.{extension}")), text).expect("written");
    }
    println!("written: {}/peers.*", folder.display());
}
