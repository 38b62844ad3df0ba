//! A report as one screen of a terminal: at most 80 columns, fewer where the terminal has fewer, whatever the
//! width of the names.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::export::turns_direction;
use super::report::{List, Summary};
use crate::details::{NONE, OTHER};
use crate::words::Day;

/// The columns of a screen that nearly everybody has; more would tear names and numbers apart.
pub(super) const COLUMNS_MAX: usize = 80;
/// In less room a name is not worth showing.
const COLUMNS_MIN: usize = 24;
const GAP: &str = "  ";
/// Of the longest bar behind a number.
const BAR_COLUMNS: usize = 8;
/// Of the numbers of a list, and of what is said above them.
const NUMBER_COLUMNS_MIN: usize = 7;
/// Of a list that is narrower, the bars make way for the names.
const BARRED_LIST_COLUMNS_MIN: usize = 36;
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

/// The whole screen, at most `limit` rows a list, in so many columns.
pub(super) fn draw(summary: &Summary, limit: usize, style: Style, columns: usize) -> String {
    let columns = columns.clamp(COLUMNS_MIN, COLUMNS_MAX);
    let mut lines = folded(head(summary, style), columns);
    let (chart, caption) = chart(summary, columns);
    if !chart.is_empty() {
        lines.push(String::new());
        lines.extend(chart);
        lines.extend(folded(vec![caption], columns));
    }
    let (told, silent): (Vec<&List>, Vec<&List>) =
        summary.lists.iter().partition(|list| !list.rows.is_empty());
    let (abreast, list_columns) =
        if columns == COLUMNS_MAX { (2, (columns - GAP.len()) / 2) } else { (1, columns) };
    for row in told.chunks(abreast) {
        lines.push(String::new());
        let lists: Vec<Vec<String>> =
            row.iter().map(|list| drawn(list, limit, style, list_columns)).collect();
        lines.extend(side_by_side(&lists, list_columns));
    }
    lines.extend(folded(foot(summary, &silent), columns));
    let mut text = String::new();
    for line in lines {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A line for standard output: on a terminal that is narrower, broken between words, what goes on set in.
pub(super) fn fitted(line: &str) -> String {
    match terminal_size::terminal_size_of(std::io::stdout()) {
        Some((columns, _)) => broken(line, usize::from(columns.0)),
        None => line.to_owned(),
    }
}

/// A longer word stays whole: nothing of a list is left out.
fn broken(line: &str, columns: usize) -> String {
    const SET_IN: &str = "    ";
    let (mut whole, mut begun) = (String::new(), String::new());
    for word in line.split_inclusive(' ') {
        let is_blank = begun.trim().is_empty();
        if !is_blank && width(&begun) + width(word.trim_end()) > columns {
            whole.push_str(begun.trim_end());
            whole.push('\n');
            SET_IN.clone_into(&mut begun);
        }
        if word != " " || begun != SET_IN || whole.is_empty() {
            begun.push_str(word);
        }
    }
    whole + begun.trim_end()
}

/// Text of at most this many columns, cut with an ellipsis if need be.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    padded(text, columns).trim_end().to_owned()
}

/// Lines of words, broken between words where they are too long; a word that is longer is cut.
fn folded(lines: Vec<String>, columns: usize) -> Vec<String> {
    let mut folded = Vec::new();
    for line in lines {
        let mut begun = String::new();
        for word in line.split_inclusive(' ') {
            if !begun.is_empty() && width(&begun) + width(word.trim_end()) > columns {
                folded.push(std::mem::take(&mut begun));
            }
            if begun.is_empty() && width(word.trim_end()) > columns {
                begun.push_str(&padded(word, columns));
            } else if !(begun.is_empty() && word == " " && !folded.is_empty()) {
                begun.push_str(word);
            }
        }
        folded.push(begun);
    }
    folded
}

fn head(summary: &Summary, style: Style) -> Vec<String> {
    let count = summary.to.0.saturating_sub(summary.from.0).saturating_add(1);
    let days = if count == 1 { "1 day".to_owned() } else { format!("{count} days") };
    let span = format!("{} to {}, {days}", summary.from, summary.to);
    let sum = summary.sum();
    let (visitors, known) = summary.visitors();
    let a_day = match known {
        0 if !summary.days.is_empty() => "unknown".to_owned(),
        known => divided(visitors, u64::try_from(known).unwrap_or(u64::MAX)),
    };
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

/// Visits as columns, a day or several days each, and what the highest one is; nothing where that is no chart.
fn chart(summary: &Summary, room: usize) -> (Vec<String>, String) {
    let count = summary.to.0.saturating_sub(summary.from.0).saturating_add(1);
    let per_column = count.div_euclid(i32::try_from(room).unwrap_or(i32::MAX)).saturating_add(1);
    let per_column = if usize::try_from(count).is_ok_and(|count| count <= room) { 1 } else { per_column };
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
        return (Vec::new(), String::new());
    }
    // Two characters a column where they fit.
    let width = if columns * 2 <= room { 2 } else { 1 };
    let lines: Vec<String> = (0..CHART_LINES)
        .rev()
        .map(|line| heights.iter().map(|height| block(*height, highest, line).repeat(width)).collect())
        .collect();
    let place = heights.iter().position(|height| *height == highest).unwrap_or(0);
    let most = Day(summary.from.0 + i32::try_from(place).unwrap_or(0) * per_column);
    let highest = grouped(highest);
    let caption = match per_column {
        1 => format!("visits a day; the most, {highest}, on {most}"),
        days => format!("visits in {days} days each; the most, {highest}, from {most} on"),
    };
    (lines, caption)
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
fn drawn(list: &List, limit: usize, style: Style, columns: usize) -> Vec<String> {
    // What has no name of its own comes last and is never cut off.
    let named = list.rows.partition_point(|(name, _)| name != NONE && name != OTHER);
    let (named, nameless) = list.rows.split_at(named);
    let (shown, left) = named.split_at(limit.min(named.len()));
    let left_sum = left.iter().map(|(_, count)| count).sum();
    let most = list.rows.iter().map(|(_, count)| *count).max().unwrap_or(1);
    let number_columns = grouped(most.max(left_sum)).len().max(NUMBER_COLUMNS_MIN);
    let bar_columns = if columns < BARRED_LIST_COLUMNS_MIN { 0 } else { BAR_COLUMNS + 1 };
    // A share takes four columns, and stands apart from the number as that does from the name.
    let name_columns = columns.saturating_sub(bar_columns + number_columns + 6);
    let unit = list.unit;
    let title = style.title(&padded(list.title, name_columns));
    let mut lines = vec![format!("{title} {unit:>number_columns$}")];
    let row = |name: &str, count: u64, bar: &str| {
        let (name, number, share) = (padded(name, name_columns), grouped(count), percent(count, list.of));
        let bar = if bar_columns == 0 { "" } else { bar };
        format!("{name} {number:>number_columns$} {share:>4} {bar}")
    };
    lines.extend(shown.iter().map(|(name, count)| row(name, *count, &bar(*count, most))));
    if !left.is_empty() {
        lines.push(row(&format!("… {} more", left.len()), left_sum, ""));
    }
    lines.extend(nameless.iter().map(|(name, count)| row(name, *count, &bar(*count, most))));
    lines
}

fn foot(summary: &Summary, silent: &[&List]) -> Vec<String> {
    let mut lines = Vec::new();
    let names = |is_told: bool| {
        let lists = silent.iter().filter(|list| list.is_told == is_told && !summary.days.is_empty());
        let names: Vec<String> = lists.map(|list| list.title.to_lowercase()).collect();
        Some(names.join(", ")).filter(|names| !names.is_empty())
    };
    if let Some(names) = names(true) {
        lines.push(format!("no visit began with what views told of: {names}; `export` lists it"));
    }
    if let Some(names) = names(false) {
        lines.push(format!("nothing was told of: {names}"));
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

fn side_by_side(lists: &[Vec<String>], list_columns: usize) -> Vec<String> {
    let height = lists.iter().map(Vec::len).max().unwrap_or(0);
    let line = |n: usize| {
        let mut line = String::new();
        for (place, list) in lists.iter().enumerate() {
            let text = list.get(n).map_or("", String::as_str);
            if place > 0 {
                line.push_str(GAP);
            }
            line.push_str(text);
            line.push_str(&" ".repeat(list_columns.saturating_sub(width(text))));
        }
        line
    };
    (0..height).map(line).collect()
}

/// Text of exactly this many columns, cut with an ellipsis if need be.
fn padded(text: &str, columns: usize) -> String {
    // What turns the direction of a line would move the numbers behind it.
    let text: String = text.chars().filter(|c| !c.is_control() && !turns_direction(*c)).collect();
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
    use crate::store::DayRow;
    use crate::words::{SiteId, Tally};
    use std::collections::BTreeSet;

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
    fn a_line_of_a_list_is_broken_between_words_and_loses_nothing() {
        let line = "  2026-11-22T10:00:00Z  uid 0  +5 visits  total  because";
        assert_eq!(broken(line, 80), line);
        let expected = "  2026-11-22T10:00:00Z  uid 0  +5\n    visits  total  because";
        assert_eq!(broken(line, 35), expected);
        assert_eq!(broken("a 0123456789 b", 5), "a\n    0123456789\n    b");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let day = |n: i32| DayRow {
            day: Day(20_700 + n),
            tally: Tally { views: 1_234_567, visits: 1_234_567 },
            visitors: 1_234_567,
            counted: Tally { views: 1_234_567, visits: 1_234_567 },
        };
        let list = |name, title, unit| List {
            name,
            title,
            unit,
            rows: vec![
                ("/một-trang-có-tên-rất-dài/日本語のとても長いページ".to_owned(), 1_234_567),
                (NONE.to_owned(), 3),
            ],
            of: 2_000_000,
            is_told: false,
        };
        let summary = Summary {
            site: SiteId::parse(&"site-with-a-long-name".repeat(3)).expect("a name"),
            from: Day(20_700),
            to: Day(20_799),
            all_time: Tally { views: u64::MAX, visits: u64::MAX },
            days: (0..100).map(day).collect(),
            told_days: BTreeSet::new(),
            paged_days: BTreeSet::new(),
            lists: vec![
                list("page", "Pages", "views"),
                list("page_all_time", "Pages, all time", "views"),
                List { rows: Vec::new(), ..list("browser", "Browsers", "visits") },
            ],
        };
        for columns in [24, 35, 36, 40, 60, 79, 80] {
            for style in [Style::Plain, Style::Terminal] {
                for line in draw(&summary, 8, style, columns).lines() {
                    assert!(width(line) <= columns, "{columns}: {} {line}", width(line));
                }
            }
            assert!(draw(&summary, 8, Style::Plain, columns).contains("nothing was told"), "{columns}");
        }
        assert!(draw(&summary, 8, Style::Plain, 40).contains("██"));
        assert_eq!(draw(&summary, 8, Style::Plain, 0), draw(&summary, 8, Style::Plain, 24));
        assert_eq!(draw(&summary, 8, Style::Plain, 200), draw(&summary, 8, Style::Plain, 80));
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
