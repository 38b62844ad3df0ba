//! Vinaora Visitors Counter for Joomla: a dump of its table.
//!
//! There are three tables, by age: `…_vvisitcounter` (module 1.x) has a row `id, tm, ip` for every
//! visit; `…_vvcounter_logs` (component 2.x) and `…_vvisit_counter` (plugin of 2012) have rows `time,
//! visits, guests, members, bots` (in one order or another) with the visits *up to* `time` since the
//! row before, so that a row at midnight belongs to the day that ends. The rows add up to the total.
//! What they call visits are sessions, robots among them, because that is the number that stood on
//! the page. (Sources: the module's `helper.php`, the component's `vinaora_visitors_counter.php`, the
//! plugin's `install.mysql.noutf8.sql`.)

use std::collections::BTreeMap;
use std::io::Read;

use super::{Days, LegacyError, Setting, System, Totals, sql};
use crate::words::Tally;

pub(super) static SYSTEM: System = System {
    name: "vinaora",
    about: "Vinaora Visitors Counter (Joomla): an SQL dump; its visitors become visits, day by day",
    read,
};

/// The ends of the tables' names, the newest first.
const TABLES: [&str; 3] = ["vvisit_counter", "vvcounter_logs", "vvisitcounter"];

/// One table: its totals, and how many of its visits were robots.
#[derive(Default)]
struct Counter {
    totals: Totals,
    bots: u64,
    absurd: u64,
}

/// The place of a table's name in the list of tables.
fn age(table: &str) -> Option<usize> {
    let is_it =
        |end: &str| table.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    TABLES.iter().position(|end| is_it(end))
}

fn read(input: &mut dyn Read, setting: &Setting<'_>) -> Result<Totals, LegacyError> {
    let mut counters: BTreeMap<(usize, String), Counter> = BTreeMap::new();
    let mut days = Days::new(setting);
    let wanted = |table: &str| age(table).is_some();
    sql::rows(input, wanted, &mut |row| {
        let key = (age(row.table).unwrap_or(0), row.table.to_owned());
        let counter = counters.entry(key).or_default();
        let absurd = days.absurd;
        if row.has("tm") {
            let at = row.number("tm")?;
            counter.totals.add(days.of(second(at)), Tally { views: 0, visits: 1 });
        } else {
            let (until, visits) = (row.number("time")?, row.count("visits")?);
            counter.totals.add(days.of(second(until).saturating_sub(1)), Tally { views: 0, visits });
            counter.bots = counter.bots.saturating_add(row.count("bots")?);
        }
        counter.absurd += days.absurd - absurd;
        Ok(())
    })?;
    chosen(counters)
}

fn second(raw: u64) -> i64 {
    i64::try_from(raw).unwrap_or(i64::MAX)
}

/// The newest table: a newer version took the older one's numbers over when it was installed.
fn chosen(counters: BTreeMap<(usize, String), Counter>) -> Result<Totals, LegacyError> {
    let mut counters = counters.into_iter();
    let Some(((newest, name), counter)) = counters.next() else {
        return Err(LegacyError::NotOf {
            wanted: "dump of Vinaora Visitors Counter with rows: it needs a table whose name ends in \
                     vvisit_counter, vvcounter_logs or vvisitcounter",
        });
    };
    let mut totals = counter.totals;
    totals.note(
        counter.bots,
        "of the visits were robots; they stood in the number on the page and are taken too",
    );
    totals.note(counter.absurd, "rows have no possible date; their visits count for the total alone");
    for ((age, other), _) in counters {
        if age == newest {
            return Err(LegacyError::Several { tables: format!("{name}, {other}") });
        }
        totals.notes.push(format!("{other} was not taken: {name} is newer and contains it"));
    }
    totals.days.retain(|_, tally| tally.visits > 0);
    totals
        .notes
        .push("an initial value set in the module's options is not in the dump; add it with adjust".into());
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{days, read};
    use super::*;

    #[test]
    fn the_sample_of_the_plugin_gives_its_days() {
        let totals = read(&SYSTEM, include_bytes!("../../tests/data/vinaora.sql")).expect("is a dump");
        // 2012-05-01 00:00 in Vietnam is 1335805200: that row is the last of April.
        let expected = [("2012-04-30", 12), ("2012-05-01", 43), ("2012-05-02", 5)];
        let expected = expected.map(|(day, visits)| (day.to_owned(), 0, visits));
        assert_eq!(days(&totals), expected);
        assert_eq!((totals.total.visits, totals.undated().visits), (1_060, 1_000));
        assert!(totals.notes.iter().any(|note| note.starts_with("7 of the visits were robots")));
        assert!(totals.notes.iter().any(|note| note.starts_with("1 rows have no possible date")));
        assert!(totals.notes.iter().any(|note| note.contains("jos_vvisitcounter was not taken")));
    }

    #[test]
    fn the_first_table_has_a_row_a_visit_and_its_addresses_go_nowhere() {
        let dump =
            "CREATE TABLE `jos_vvisitcounter` (`id` int, `tm` int, `ip` varchar(16), PRIMARY KEY (`id`));
INSERT INTO `jos_vvisitcounter` VALUES (1,1257613199,'203.0.113.7'),(2,1257613200,'203.0.113.8');";
        let totals = read(&SYSTEM, dump.as_bytes()).expect("is a dump");
        assert_eq!(days(&totals), [("2009-11-07".to_owned(), 0, 1), ("2009-11-08".to_owned(), 0, 1)]);
        assert!(!format!("{totals:?}").contains("203.0.113"));
    }

    #[test]
    fn two_counters_of_one_kind_and_strange_rows_are_refused() {
        let insert =
            |table: &str, row: &str| format!("INSERT INTO {table} (time, visits, bots) VALUES ({row});");
        let two =
            insert("a_vvcounter_logs", "1257613200,1,0") + &insert("b_vvcounter_logs", "1257613200,1,0");
        let error = read(&SYSTEM, two.as_bytes()).expect_err("must be refused");
        assert_eq!(
            error,
            "holds several counters (a_vvcounter_logs, b_vvcounter_logs); export one of them alone"
        );
        let error =
            read(&SYSTEM, insert("vvcounter_logs", "'x',1,0").as_bytes()).expect_err("must be refused");
        assert_eq!(error, "line 1: time of vvcounter_logs is \"x\", which is no count");
        let error = read(
            &SYSTEM,
            insert("vvcounter_logs", "1257613200,1,0),\n(1257613201,1000000000001,0").as_bytes(),
        );
        let expected = "line 2: visits of vvcounter_logs is \"1000000000001\", and no counter has counted more than \
                        1000000000000";
        assert_eq!(error.expect_err("must be refused"), expected);
        let rows = ["1257613200,1000000000000,0"; 2].join("),(");
        let error = read(&SYSTEM, insert("vvcounter_logs", &rows).as_bytes()).expect_err("must be refused");
        assert!(error.starts_with("what is of 2009-11-07 adds up to more than 1000000000000"), "{error}");
        assert!(read(&SYSTEM, insert("my_savvvisit_counters", "1,1,0").as_bytes()).is_err());
    }
}
