//! A report as one screen of a terminal: 80 columns, whatever the width of the names.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::report::{List, Summary};
use crate::details::{NONE, OTHER};
use crate::words::Day;

/// The columns of a screen that everybody has.
const COLUMNS: usize = 80;
/// Of one of two lists that stand side by side.
const LIST_COLUMNS: usize = 39;
const GAP: &str = "  ";
/// Of the longest bar behind a number.
const BAR_COLUMNS: usize = 8;
/// Lines that the highest day takes.
const CHART_LINES: u64 = 4;
/// Eighths of a line, from none to all.
const EIGHTHS_UP: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Eighths of a column.
const EIGHTHS_ASIDE: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// How titles stand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// In bold.
    Terminal,
    /// By nothing: somebody reads the bytes.
    Plain,
}

impl Style {
    fn title(self, text: &str) -> String {
        match self {
            Style::Terminal => format!("\x1b[1m{text}\x1b[0m"),
            Style::Plain => text.to_owned(),
        }
    }
}

/// The whole screen, at most `limit` rows a list.
pub(super) fn draw(summary: &Summary, limit: usize, style: Style) -> String {
    let mut lines = head(summary, style);
    let chart = chart(summary);
    if !chart.is_empty() {
        lines.push(String::new());
        lines.extend(chart);
    }
    let (told, silent): (Vec<&List>, Vec<&List>) =
        summary.lists.iter().partition(|list| !list.rows.is_empty());
    for pair in told.chunks(2) {
        lines.push(String::new());
        let columns: Vec<Vec<String>> = pair.iter().map(|list| column(list, limit, style)).collect();
        lines.extend(side_by_side(&columns));
    }
    lines.extend(foot(summary, &silent));
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn head(summary: &Summary, style: Style) -> Vec<String> {
    let count = summary.to.0.saturating_sub(summary.from.0).saturating_add(1);
    let days = if count == 1 { "1 day".to_owned() } else { format!("{count} days") };
    let span = format!("{} to {}, {days}", summary.from, summary.to);
    let sum = summary.sum();
    let visitors: u64 = summary.days.iter().map(|row| row.visitors).sum();
    let a_day = divided(visitors, u64::try_from(summary.days.len()).unwrap_or(u64::MAX));
    vec![
        format!("{}{GAP}{span}", style.title(summary.site.as_str())),
        format!(
            "visits {}{GAP}views {}{GAP}views a visit {}{GAP}visitors a day {a_day}",
            grouped(sum.visits),
            grouped(sum.views),
            divided(sum.views, sum.visits),
        ),
        format!(
            "all time: {} visits, {} views",
            grouped(summary.all_time.visits),
            grouped(summary.all_time.views)
        ),
    ]
}

/// Visits as columns, a day or several days each, and what the highest one is.
fn chart(summary: &Summary) -> Vec<String> {
    let count = summary.to.0.saturating_sub(summary.from.0).saturating_add(1);
    let per_column = count.div_euclid(i32::try_from(COLUMNS).unwrap_or(i32::MAX)).saturating_add(1);
    let per_column = if usize::try_from(count).is_ok_and(|count| count <= COLUMNS) { 1 } else { per_column };
    let columns = usize::try_from(count.saturating_add(per_column - 1) / per_column).unwrap_or(0);
    let mut heights = vec![0_u64; columns];
    for row in &summary.days {
        let place = usize::try_from((row.day.0 - summary.from.0) / per_column).unwrap_or(0);
        if let Some(height) = heights.get_mut(place) {
            *height = height.saturating_add(row.tally.visits);
        }
    }
    let highest = heights.iter().copied().max().unwrap_or(0);
    if highest == 0 || columns < 2 {
        return Vec::new();
    }
    // Two characters a column where they fit.
    let width = if columns * 2 <= COLUMNS { 2 } else { 1 };
    let mut lines: Vec<String> = (0..CHART_LINES)
        .rev()
        .map(|line| heights.iter().map(|height| block(*height, highest, line).repeat(width)).collect())
        .collect();
    let place = heights.iter().position(|height| *height == highest).unwrap_or(0);
    let most = Day(summary.from.0 + i32::try_from(place).unwrap_or(0) * per_column);
    let highest = grouped(highest);
    lines.push(match per_column {
        1 => format!("visits a day; the most, {highest}, on {most}"),
        days => format!("visits in {days} days each; the most, {highest}, from {most} on"),
    });
    lines
}

/// What a column of this height shows in a line, counted from the lowest; whoever was there is seen.
fn block(height: u64, highest: u64, line: u64) -> String {
    let eighths = u128::from(height) * u128::from(CHART_LINES * 8) / u128::from(highest.max(1));
    let eighths = if height > 0 { eighths.max(1) } else { 0 };
    let here = eighths.saturating_sub(u128::from(line * 8)).min(8);
    if height == 0 && line == 0 {
        return "·".to_owned();
    }
    EIGHTHS_UP[usize::try_from(here).unwrap_or(8)].to_string()
}

/// One list: a title, its first rows, and how much is left.
fn column(list: &List, limit: usize, style: Style) -> Vec<String> {
    let number_columns = 7;
    let name_columns = LIST_COLUMNS - BAR_COLUMNS - number_columns - 7;
    let unit = list.unit;
    let title = style.title(&padded(list.title, name_columns));
    let mut lines = vec![format!("{title} {unit:>number_columns$}")];
    let most = list.rows.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let row = |name: &str, count: u64, bar: &str| {
        let (name, number, share) = (padded(name, name_columns), grouped(count), percent(count, list.of));
        format!("{name} {number:>number_columns$} {share:>4} {bar}")
    };
    // What has no name of its own comes last and is never cut off.
    let named = list.rows.partition_point(|(name, _)| name != NONE && name != OTHER);
    let (named, nameless) = list.rows.split_at(named);
    let (shown, left) = named.split_at(limit.min(named.len()));
    lines.extend(shown.iter().map(|(name, count)| row(name, *count, &bar(*count, most))));
    if !left.is_empty() {
        let sum = left.iter().map(|(_, count)| count).sum();
        lines.push(row(&format!("… {} more", left.len()), sum, ""));
    }
    lines.extend(nameless.iter().map(|(name, count)| row(&worded(list, name), *count, &bar(*count, most))));
    lines
}

/// The name of a row, in words where it stands for what has none.
fn worded(list: &List, name: &str) -> String {
    match (list.name, name) {
        ("referrer", NONE) => "(direct, unknown)".to_owned(),
        ("page" | "entry_page", NONE) => "(no page named)".to_owned(),
        (_, NONE) => "(not told)".to_owned(),
        (_, OTHER) => OTHER.to_owned(),
        (_, name) => name.to_owned(),
    }
}

fn foot(summary: &Summary, silent: &[&List]) -> Vec<String> {
    let mut lines = Vec::new();
    if !silent.is_empty() && !summary.days.is_empty() {
        let names: Vec<String> = silent.iter().map(|list| list.title.to_lowercase()).collect();
        lines.push(format!("nothing was told of: {}", names.join(", ")));
    }
    let days = |days: usize| if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let (untold, unpaged) = (summary.days_untold(), summary.days_unpaged());
    if untold > unpaged {
        let days = days(untold - unpaged);
        lines.push(format!("of {days} only views, visits, visitors and pages are kept"));
    }
    if unpaged > 0 {
        lines.push(format!("of {} only views, visits and visitors are kept", days(unpaged)));
    }
    if summary.days.is_empty() {
        lines.push("nothing was counted in these days".to_owned());
    }
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

fn side_by_side(columns: &[Vec<String>]) -> Vec<String> {
    let height = columns.iter().map(Vec::len).max().unwrap_or(0);
    let line = |n: usize| {
        let mut line = String::new();
        for (place, column) in columns.iter().enumerate() {
            let text = column.get(n).map_or("", String::as_str);
            if place > 0 {
                line.push_str(GAP);
            }
            line.push_str(text);
            line.push_str(&" ".repeat(LIST_COLUMNS.saturating_sub(width(text))));
        }
        line
    };
    (0..height).map(line).collect()
}

/// Text of exactly this many columns, cut with an ellipsis if need be.
fn padded(text: &str, columns: usize) -> String {
    // What turns the direction of a line would move the numbers behind it.
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text: String = text.chars().filter(|c| !c.is_control() && !turns(*c)).collect();
    let mut shown = text.clone();
    if text.width() > columns {
        shown.clear();
        let mut room = columns.saturating_sub(1);
        for character in text.chars() {
            let wide = character.width().unwrap_or(0);
            if wide > room {
                break;
            }
            room -= wide;
            shown.push(character);
        }
        shown.push('…');
    }
    let fill = columns.saturating_sub(shown.width());
    write!(shown, "{}", " ".repeat(fill)).expect("a String takes everything");
    shown
}

/// The columns that text takes on a terminal; what makes a title bold takes none.
fn width(text: &str) -> usize {
    text.replace("\x1b[1m", "").replace("\x1b[0m", "").width()
}

fn bar(count: u64, most: u64) -> String {
    let full = u128::try_from(BAR_COLUMNS * 8).unwrap_or(0);
    let eighths = (u128::from(count) * full / u128::from(most.max(1))).max(1);
    let whole = usize::try_from(eighths / 8).unwrap_or(BAR_COLUMNS);
    let rest = EIGHTHS_ASIDE[usize::try_from(eighths % 8).unwrap_or(0)];
    format!("{}{rest}", "█".repeat(whole)).trim_end().to_owned()
}

/// Whole percents; a little is `<1%`.
fn percent(count: u64, of: u64) -> String {
    if of == 0 {
        return String::new();
    }
    let percents = (u128::from(count) * 100 + u128::from(of) / 2) / u128::from(of);
    if percents == 0 { "<1%".to_owned() } else { format!("{percents}%") }
}

/// With one digit behind the point.
fn divided(amount: u64, by: u64) -> String {
    if by == 0 {
        return "-".to_owned();
    }
    let tenths = (u128::from(amount) * 10 + u128::from(by) / 2) / u128::from(by);
    let whole = u64::try_from(tenths / 10).unwrap_or(u64::MAX);
    if whole >= 100 { grouped(whole) } else { format!("{whole}.{}", tenths % 10) }
}

/// With a comma between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_take_the_columns_they_are_given_however_wide_their_letters() {
        for (name, shown) in [
            ("/tin", "/tin  "),
            ("/tin-tuc", "/tin-…"),
            ("日本語", "日本語"),
            ("日本語の", "日本… "),
            ("e\u{302}\u{301}", "e\u{302}\u{301}     "),
            ("a\u{1b}[31m", "a[31m "),
            ("a\u{202e}b", "ab    "),
        ] {
            assert_eq!(padded(name, 6), shown, "{name}");
            assert_eq!(padded(name, 6).width(), 6, "{name}");
        }
    }

    #[test]
    fn bars_columns_and_shares_show_the_smallest_number_too() {
        assert_eq!([bar(0, 9), bar(1, 1_000), bar(500, 1_000), bar(9, 9)], ["▏", "▏", "████", "████████"]);
        let column = |height| (0..CHART_LINES).map(|line| block(height, 1_000, line)).collect::<String>();
        assert_eq!([column(0), column(1), column(500), column(1_000)], ["·   ", "▁   ", "██  ", "████"]);
        assert_eq!(
            [percent(1, 1_000), percent(1, 3), percent(7, 7), percent(1, 0)],
            ["<1%", "33%", "100%", ""]
        );
        assert_eq!([divided(7, 2), divided(1, 0), divided(12_345, 10)], ["3.5", "-", "1,234"]);
        assert_eq!([grouped(0), grouped(999), grouped(1_333_796)], ["0", "999", "1,333,796"]);
    }
}
