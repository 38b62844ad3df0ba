//! `NukeViet` 3 to 5: a dump of its table `…_counter`.
//!
//! Rows `c_type, c_val, last_update, c_count, …`. `total`/`hits` is the number on the page,
//! `c_time`/`last` the second of the last visit. `day` rows are those of the month of that second and
//! are set to 0 when a month begins; `month` rows likewise for its year. A visitor is counted again
//! after 30 minutes without a request (a cookie says so), so the counts are visits. Whether robots are
//! among them is an option of the site. (Source: `includes/core/stat.php` of versions 3, 4 and 5.)

use std::collections::BTreeMap;
use std::io::Read;

use super::{Days, LegacyError, Setting, System, Totals, sql};
use crate::words::{Day, Tally};

pub(super) static SYSTEM: System = System {
    name: "nukeviet",
    about: "NukeViet: an SQL dump; its hits (one for each half hour of a visitor) become visits, the days of \
            its last month too",
    read,
};

const WANTED: LegacyError = LegacyError::NotOf {
    wanted: "dump of NukeViet's counter: it needs a table whose name ends in _counter, with the rows \
             ('total', 'hits') and ('c_time', 'last')",
};

/// One table.
#[derive(Default)]
struct Counter {
    hits: Option<u64>,
    last: Option<u64>,
    /// By day of the month: the count and the last visit.
    days: BTreeMap<i8, (u64, u64)>,
    /// Years, months, browsers and the like with a count.
    others: u64,
}

fn read(input: &mut dyn Read, setting: &Setting<'_>) -> Result<Totals, LegacyError> {
    let mut counters: BTreeMap<String, Counter> = BTreeMap::new();
    let wanted = |table: &str| table == "counter" || table.ends_with("_counter");
    sql::rows(input, wanted, &mut |row| {
        if !(row.has("c_type") && row.has("c_val") && row.has("c_count")) {
            return Ok(());
        }
        let counter = counters.entry(row.table.to_owned()).or_default();
        let count = row.count("c_count")?;
        match (row.text("c_type"), row.text("c_val")) {
            ("total", "hits") => counter.hits = Some(count),
            ("c_time", "last") => counter.last = Some(count),
            ("c_time", _) => {}
            ("day", day) => {
                let day = day.parse().ok().filter(|day| (1..=31).contains(day)).ok_or(WANTED)?;
                counter.days.insert(day, (count, row.number("last_update")?));
            }
            _ => counter.others += u64::from(count > 0),
        }
        Ok(())
    })?;
    let mut counters = counters.into_iter();
    let (name, counter) = counters.next().ok_or(WANTED)?;
    if let Some((other, _)) = counters.next() {
        return Err(LegacyError::Several { tables: format!("{name}, {other}") });
    }
    let (Some(hits), Some(last)) = (counter.hits, counter.last) else { return Err(WANTED) };
    Ok(totals(&counter, hits, last, setting))
}

fn totals(counter: &Counter, hits: u64, last: u64, setting: &Setting<'_>) -> Totals {
    let second = |raw: u64| i64::try_from(raw).unwrap_or(i64::MAX);
    let mut days = Days::new(setting);
    let mut totals = Totals { total: Tally { views: 0, visits: hits }, ..Totals::default() };
    let last_day = days.of(second(last));
    let mut without_day = 0;
    for (number, (count, updated)) in counter.days.iter().filter(|(_, (count, _))| *count > 0) {
        let date = last_day.and_then(|last| last.date().with().day(*number).build().ok());
        let day = date.map(Day::from_date).filter(|day| Some(*day) <= last_day);
        // The day of its last visit, in the statistics' own zone, which may differ from the site's.
        let is_its_own = |day: &Day| days.of(second(*updated)).is_some_and(|of| of.0.abs_diff(day.0) <= 1);
        match day.filter(is_its_own) {
            Some(day) => drop(totals.days.insert(day, Tally { views: 0, visits: *count })),
            None => without_day += 1,
        }
    }
    if totals.dated().visits > hits {
        let notice = "the days add up to more than the total of the file, so the total becomes their sum";
        totals.notes.push(notice.to_owned());
        totals.total = totals.dated();
    }
    totals.note(
        without_day,
        "days do not belong to the month of the last visit; they count for the total alone",
    );
    totals.note(counter.others, "counts of years, months, hours, browsers and countries have no place here");
    totals
}

#[cfg(test)]
mod tests {
    use super::super::tests::{days, read};
    use super::*;

    /// A counter with its last visit on 2026-11-21 17:00:05 UTC, the 22nd in Vietnam.
    fn dump(rows: &str) -> String {
        format!(
            "INSERT INTO `nv4_counter` (`c_type`, `c_val`, `last_update`, `c_count`, `vi_count`) VALUES
('c_time', 'start', 0, 0, 0), ('c_time', 'last', 0, 1795280405, 0), ('total', 'hits', 1795280405, 500, 500){rows};"
        )
    }

    #[test]
    fn the_sample_gives_the_total_and_the_days_of_its_last_month() {
        let totals = read(&SYSTEM, include_bytes!("../../tests/data/nukeviet.sql")).expect("is a dump");
        assert_eq!(totals.total, Tally { views: 0, visits: 1_333_796 });
        let expected = [("2026-11-01", 310), ("2026-11-02", 287), ("2026-11-21", 402), ("2026-11-22", 95)];
        assert_eq!(days(&totals), expected.map(|(day, visits)| (day.to_owned(), 0, visits)));
        assert_eq!(totals.undated().visits, 1_333_796 - 310 - 287 - 402 - 95);
        assert_eq!(totals.notes.len(), 1, "{:?}", totals.notes);
    }

    #[test]
    fn a_day_that_cannot_be_counts_for_the_total_alone() {
        // The 31st of November; the 23rd, which is after the last visit; the 5th, last seen in October.
        let rows = ",('day','31',1795280405,9,9),('day','23',1795280405,9,9),('day','05',1791200000,9,9),\
                    ('day','22',1795280405,7,7)";
        let totals = read(&SYSTEM, dump(rows).as_bytes()).expect("is a dump");
        assert_eq!(days(&totals), [("2026-11-22".to_owned(), 0, 7)]);
        assert_eq!(totals.undated().visits, 493);
        assert!(totals.notes[0].starts_with("3 days do not belong"), "{:?}", totals.notes);
    }

    #[test]
    fn more_in_its_days_than_in_its_total_is_believed_and_told() {
        let totals = read(&SYSTEM, dump(",('day','22',1795280405,501,501)").as_bytes()).expect("is a dump");
        assert_eq!((totals.total.visits, totals.undated().visits), (501, 0));
        assert!(totals.notes[0].contains("add up to more"), "{:?}", totals.notes);
    }

    #[test]
    fn other_tables_and_halves_are_refused() {
        let half =
            "INSERT INTO nv4_counter (c_type, c_val, last_update, c_count) VALUES ('total','hits',1,5);";
        let foreign = "INSERT INTO jos_counter (id, hits) VALUES (1, 5);";
        for dump in [half, foreign] {
            let error = read(&SYSTEM, dump.as_bytes()).expect_err("must be refused");
            assert!(error.starts_with("is no dump of NukeViet's counter"), "{error}");
        }
        let two = dump("") + &dump("").replace("nv4_", "nv5_");
        let error = read(&SYSTEM, two.as_bytes()).expect_err("must be refused");
        assert!(error.contains("nv4_counter, nv5_counter"), "{error}");
    }
}
