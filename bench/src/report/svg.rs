//! A chart of the ratios to stock tokio.
//!
//! One group per row, one bar per runtime, on a logarithmic scale around tokio's line: twice as
//! good reaches as far to the right as half as good to the left, so that a loss is as long as the
//! win it equals. Losses carry red figures.

use std::fmt::Write;

use crate::contender::REFERENCE;
use crate::machine::Machine;
use crate::results::{Results, RowResults};
use crate::stats;

/// Colours of the usual runtimes, chosen to differ in lightness as well.
const COLOURS: &[(&str, &str)] =
    &[("corio", "#1b7837"), ("tokio-best", "#2b6cb0"), ("smol", "#b07d2b"), ("nio", "#7b4fa3")];

/// Colours of all others, in turn.
const SPARE: &[&str] = &["#90b4d8", "#777777", "#c9a0c0", "#8fbf8f", "#d8b890"];

/// The chart spans at least 1/2 to 2 times, and at most 1/64 to 64 times.
const DECADES_MIN: f64 = 1.0;
const DECADES_MAX: f64 = 6.0;

const WIDTH: f64 = 960.0;
const LABEL_WIDTH: f64 = 190.0;
/// Room for the figure beside the longest bar.
const FIGURE_WIDTH: f64 = 54.0;
const BAR: f64 = 10.0;
const GROUP_GAP: f64 = 8.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = 44.0;

/// Draws the ratios of the first figure of each row.
pub fn render(results: &Results, machine: &Machine) -> String {
    let groups: Vec<Group<'_>> = results.rows.iter().filter_map(Group::of).collect();
    let scale = Scale::over(groups.iter().flat_map(|group| &group.bars));
    let height = TOP + groups.iter().map(Group::height).sum::<f64>() + BOTTOM;
    let mut svg = String::new();
    let legend = legend(&groups);
    head(&mut svg, height, machine, &legend);
    axis(&mut svg, &scale, height);
    let mut top = TOP;
    for group in &groups {
        draw(&mut svg, group, &scale, &legend, top);
        top += group.height();
    }
    svg.push_str("</svg>\n");
    svg
}

struct Bar<'a> {
    runtime: &'a str,
    ratio: f64,
}

struct Group<'a> {
    name: &'a str,
    metric: &'a str,
    bars: Vec<Bar<'a>>,
}

impl<'a> Group<'a> {
    fn of(row: &'a RowResults) -> Option<Self> {
        let others = row.runtimes.iter().filter(|runtime| runtime.name != REFERENCE);
        let bars: Vec<Bar<'a>> = others
            .filter_map(|runtime| {
                Some(Bar { runtime: &runtime.name, ratio: row.ratio(runtime, 0)? })
            })
            .collect();
        let metric = row.row.metrics.first()?.name;
        (!bars.is_empty()).then_some(Self { name: row.row.name, metric, bars })
    }

    fn height(&self) -> f64 {
        self.bars.len() as f64 * BAR + GROUP_GAP
    }
}

/// From powers of two to places on the chart.
struct Scale {
    decades: f64,
}

impl Scale {
    fn over<'a>(bars: impl Iterator<Item = &'a Bar<'a>>) -> Self {
        let widest = bars.map(|bar| bar.ratio.log2().abs()).fold(DECADES_MIN, f64::max);
        Self { decades: widest.ceil().min(DECADES_MAX) }
    }

    /// A ratio outside of the chart ends at its edge; its figure says what it is.
    fn x(&self, ratio: f64) -> f64 {
        let half = (WIDTH - LABEL_WIDTH) / 2.0 - FIGURE_WIDTH;
        let middle = LABEL_WIDTH + (WIDTH - LABEL_WIDTH) / 2.0;
        middle + half * ratio.log2().clamp(-self.decades, self.decades) / self.decades
    }
}

/// Each runtime that has a bar, with its colour, in the order of their first bars.
fn legend<'a>(groups: &[Group<'a>]) -> Vec<(&'a str, &'static str)> {
    let mut legend: Vec<(&str, &str)> = Vec::new();
    let mut spare = SPARE.iter().cycle();
    for bar in groups.iter().flat_map(|group| &group.bars) {
        if legend.iter().all(|(name, _)| *name != bar.runtime) {
            let known = COLOURS.iter().find(|(name, _)| *name == bar.runtime);
            let colour = known.map(|(_, colour)| colour).or_else(|| spare.next());
            legend.push((bar.runtime, colour.copied().unwrap_or("black")));
        }
    }
    legend
}

fn head(svg: &mut String, height: f64, machine: &Machine, legend: &[(&str, &str)]) {
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>"
    );
    text(svg, 10.0, 20.0, "start", "#111", "Times better than stock tokio (right of the line)");
    text(svg, 10.0, 36.0, "start", "#555", &machine.command);
    text(svg, 10.0, 50.0, "start", "#555", &machine.settings);
    text(svg, 10.0, 64.0, "start", "#555", &machine.place());
    let mut x = 10.0;
    for (name, colour) in legend {
        rect(svg, (x, 74.0), (10.0, 10.0), colour);
        text(svg, x + 14.0, 83.0, "start", "#111", name);
        x += 34.0 + 6.5 * name.len() as f64;
    }
}

fn axis(svg: &mut String, scale: &Scale, height: f64) {
    let steps = scale.decades as i32;
    for step in -steps..=steps {
        let x = scale.x(f64::from(step).exp2());
        let colour = if step == 0 { "#111" } else { "#ddd" };
        let (from, to) = (TOP - 6.0, height - BOTTOM + 4.0);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{from}\" x2=\"{x:.1}\" y2=\"{to:.1}\" stroke=\"{colour}\"/>"
        );
        let label = match step {
            0 => "tokio".to_owned(),
            ..0 => format!("1/{}", 1_u32 << -step),
            _ => format!("{}x", 1_u32 << step),
        };
        text(svg, x, TOP - 10.0, "middle", "#555", &label);
        text(svg, x, height - BOTTOM + 18.0, "middle", "#555", &label);
    }
}

fn draw(svg: &mut String, group: &Group<'_>, scale: &Scale, legend: &[(&str, &str)], top: f64) {
    let middle = top + group.bars.len() as f64 * BAR / 2.0 + 4.0;
    let label = format!("{} ({})", group.name, group.metric);
    text(svg, LABEL_WIDTH - 8.0, middle, "end", "#111", &label);
    let line = scale.x(1.0);
    for (index, bar) in group.bars.iter().enumerate() {
        let y = top + index as f64 * BAR;
        let end = scale.x(bar.ratio);
        rect(svg, (line.min(end), y + 1.0), ((end - line).abs().max(1.0), BAR - 2.0), {
            let colour = legend.iter().find(|(name, _)| *name == bar.runtime);
            colour.map_or("black", |(_, colour)| colour)
        });
        let (x, anchor, colour) =
            if bar.ratio < 1.0 { (end - 4.0, "end", "#c00") } else { (end + 4.0, "start", "#111") };
        text(svg, x, y + BAR - 1.5, anchor, colour, &stats::show_times(bar.ratio));
    }
}

fn rect(svg: &mut String, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
         fill=\"{fill}\"/>"
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, fill: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{}</text>",
        escape(text)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{runtime, sample};

    fn chart(rows: Vec<RowResults>) -> String {
        render(&Results { rows }, &Machine::of_tests())
    }

    #[test]
    fn wins_go_right_and_losses_go_left_by_as_much() {
        let scale = Scale { decades: 3.0 };
        let line = scale.x(1.0);
        assert!((scale.x(4.0) - line - (line - scale.x(0.25))).abs() < 1e-9);
        assert!(scale.x(0.5) < line && line < scale.x(2.0));
        assert_eq!(scale.x(1e9), scale.x(8.0));
    }

    #[test]
    fn every_ratio_is_drawn_and_losses_are_red() {
        let mut row = sample(None);
        row.runtimes.push(runtime("nio", [600.0, 1.0, 1.0, 1.0]));
        let svg = chart(vec![row]);
        assert!(svg.contains("fill=\"#111\">3.00x</text>"), "{svg}");
        assert!(svg.contains("fill=\"#c00\">0.50x</text>"), "{svg}");
        assert!(svg.contains("sample (wall)"), "{svg}");
    }

    #[test]
    fn runtimes_out_of_the_ordinary_get_colours_of_their_own() {
        let mut row = sample(None);
        row.runtimes.push(runtime("tokio+nolifo", [1.0; 4]));
        row.runtimes.push(runtime("tokio+handoff", [1.0; 4]));
        let group = Group::of(&row).unwrap();
        let legend = legend(std::slice::from_ref(&group));
        let colours: std::collections::HashSet<_> = legend.iter().map(|(_, c)| c).collect();
        assert_eq!((legend.len(), colours.len()), (4, 4), "{legend:?}");
    }

    #[test]
    fn the_file_is_well_formed() {
        let svg = chart(vec![sample(None), sample(None)]);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a &lt;processor&gt; &amp; more"));
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert_eq!(svg.matches("NaN").count() + svg.matches("inf").count(), 0);
    }

    #[test]
    fn a_run_without_ratios_is_an_empty_chart() {
        assert!(chart(Vec::new()).ends_with("</svg>\n"));
    }
}
