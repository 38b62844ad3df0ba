//! The journal under faults: what was acknowledged is read again, what failed is not.

use std::path::Path;

use super::*;
use crate::details::Details;
use crate::words::{Day, Kind, Record, Touch, VisitorId};

fn options(ack: Ack) -> Options {
    Options { directory: PathBuf::from("/j"), ack, retained_ms: 3_600_000, bytes_max: 1 << 30 }
}

fn open(disk: &SimulatedDisk, ack: Ack) -> (Arc<Journal>, Found) {
    Journal::open(options(ack), Arc::new(disk.clone())).expect("a sound journal")
}

fn view(at: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let touch = Touch {
        kind: Kind::View,
        at: UnixMillis(at),
        site: "demo",
        day: Day(1),
        visitor: VisitorId(at),
        previous: None,
        in_visit: false,
        since_last_ms: 0,
        page: Some("/"),
        details: Details::default(),
    };
    encode(&Record::Touch(touch), &mut bytes);
    bytes
}

fn moments(journal: &Journal) -> Vec<u64> {
    let readings =
        journal.streams().into_iter().map(|(id, stream)| Reading { id, from: 0, to: stream.length, stream });
    let mut seen = Vec::new();
    merge(journal, readings.collect(), |record, _, _| {
        seen.push(record.at().0);
        Ok::<(), io::Error>(())
    })
    .expect("readable");
    seen
}

fn write(writer: &mut Writer, at: u64) -> Result<(), WriteError> {
    writer.write(&view(at), UnixMillis(at), || StreamId(at))?;
    writer.publish(UnixMillis(at));
    Ok(())
}

fn stream_path(name: &str) -> PathBuf {
    Path::new("/j").join(name)
}

#[test]
fn several_streams_are_read_in_the_order_of_time() {
    let disk = SimulatedDisk::default();
    let (journal, _) = open(&disk, Ack::Written);
    let (mut one, mut two) = (journal.writer(), journal.writer());
    for (writer, at) in [(0, 10), (1, 11), (1, 13), (0, 15), (1, 16), (0, 20)] {
        write(if writer == 0 { &mut one } else { &mut two }, at).expect("written");
    }
    assert_eq!(moments(&journal), [10, 11, 13, 15, 16, 20]);
    drop((one, two));
    let (again, found) = open(&disk, Ack::Written);
    assert_eq!(moments(&again), [10, 11, 13, 15, 16, 20]);
    assert_eq!((found.records, found.newest, found.cut), (6, UnixMillis(20), vec![]));
}

#[test]
fn a_short_write_leaves_nothing_and_writing_goes_on_once_there_is_room() {
    let disk = SimulatedDisk::default();
    let (journal, _) = open(&disk, Ack::Written);
    let mut writer = journal.writer();
    write(&mut writer, 1).expect("written");
    for room in [0, 1, 20] {
        disk.set_faults(Faults { room: Some(room), ..Faults::default() });
        write(&mut writer, 2).expect_err("no room");
        assert_eq!(moments(&journal), [1]);
    }
    disk.set_faults(Faults::default());
    write(&mut writer, 3).expect("written");
    drop(writer);
    assert_eq!(moments(&open(&disk, Ack::Written).0), [1, 3]);
}

#[test]
fn a_stream_that_cannot_be_cut_is_closed_at_its_good_length() {
    let disk = SimulatedDisk::default();
    let (journal, _) = open(&disk, Ack::Written);
    let mut writer = journal.writer();
    write(&mut writer, 1).expect("written");
    // One whole record and a part of another reach the disk, but the turn failed.
    let whole = view(2).len();
    disk.set_faults(Faults { room: Some(whole + 5), truncate_fails: true, ..Faults::default() });
    let two = [view(2), view(3)].concat();
    writer.write(&two, UnixMillis(3), || StreamId(9)).expect_err("short");
    disk.set_faults(Faults::default());
    write(&mut writer, 4).expect("written");
    assert_eq!(journal.streams().len(), 2);
    assert_eq!(moments(&journal), [1, 4]);
    drop(writer);
    assert_eq!(moments(&open(&disk, Ack::Written).0), [1, 4]);
}

#[test]
fn nothing_is_written_while_the_bad_end_can_be_neither_cut_nor_closed() {
    let disk = SimulatedDisk::default();
    let (journal, _) = open(&disk, Ack::Written);
    let mut writer = journal.writer();
    write(&mut writer, 1).expect("written");
    let stuck = Faults { room: Some(7), truncate_fails: true, rename_fails: true, ..Faults::default() };
    disk.set_faults(stuck);
    write(&mut writer, 2).expect_err("short");
    disk.set_faults(Faults { room: None, ..stuck });
    write(&mut writer, 3).expect_err("the end is bad");
    disk.set_faults(Faults::default());
    write(&mut writer, 4).expect("written");
    assert_eq!(moments(&journal), [1, 4]);
}

#[test]
fn a_power_cut_after_any_number_of_turns_keeps_what_was_synced() {
    for turns in 1..20_u64 {
        for kept in 0..60 {
            let disk = SimulatedDisk::default();
            let (journal, _) = open(&disk, Ack::Synced);
            let mut writer = journal.writer();
            for at in 1..=turns {
                write(&mut writer, at).expect("written");
            }
            // One more is written and not synced when the power goes.
            disk.set_faults(Faults {
                sync_fails: true,
                truncate_fails: true,
                rename_fails: true,
                ..Faults::default()
            });
            write(&mut writer, 99).expect_err("not synced");
            disk.set_faults(Faults::default());
            disk.cut_power(|unsynced| kept.min(unsynced));
            let (again, _) = open(&disk, Ack::Synced);
            let seen = moments(&again);
            let acknowledged: Vec<u64> = (1..=turns).collect();
            assert_eq!(seen[..acknowledged.len()], acknowledged);
            assert!(seen.len() <= acknowledged.len() + 1);
        }
    }
}

#[test]
fn a_torn_end_is_cut_off_and_reported_and_other_damage_stops_the_start() {
    let disk = SimulatedDisk::default();
    let (journal, _) = open(&disk, Ack::Written);
    let mut writer = journal.writer();
    for at in 1..=5 {
        write(&mut writer, at).expect("written");
    }
    drop(writer);
    let path = stream_path(&format!("{}.hcj", StreamId(1)));
    let record = view(1).len();
    disk.edit(&path, |bytes| bytes.truncate(bytes.len() - 3));
    let (again, found) = open(&disk, Ack::Written);
    assert_eq!(moments(&again), [1, 2, 3, 4]);
    let cut_at = u64::try_from(32 + 4 * record).expect("small");
    assert_eq!(found.cut, [(path.clone(), cut_at, u64::try_from(record - 3).expect("small"))]);
    disk.edit(&path, |bytes| bytes[32 + record + 9] ^= 1);
    match Journal::open(options(Ack::Written), Arc::new(disk.clone())) {
        Err(OpenError::Damaged { path: named, offset }) => {
            assert_eq!((named, offset), (path, u64::try_from(32 + record).expect("small")));
        }
        other => panic!("damage was not seen: {:?}", other.map(|(_, found)| found)),
    }
}

#[test]
fn a_journal_of_a_later_release_is_refused_by_name() {
    let disk = SimulatedDisk::default();
    let (journal, _) = open(&disk, Ack::Written);
    write(&mut journal.writer(), 1).expect("written");
    disk.edit(&stream_path(&format!("{}.hcj", StreamId(1))), |bytes| bytes[8] = 9);
    match Journal::open(options(Ack::Written), Arc::new(disk)) {
        Err(OpenError::Newer { version: 9, .. }) => {}
        other => panic!("{:?}", other.map(|(_, found)| found)),
    }
}

#[test]
fn only_applied_and_old_streams_may_be_forgotten() {
    let disk = SimulatedDisk::default();
    let (journal, _) = open(&disk, Ack::Written);
    let mut writer = journal.writer();
    write(&mut writer, 1_000).expect("written");
    let later = UnixMillis(3_700_000);
    let id = StreamId(1_000);
    let length = journal.streams()[&id].length;
    let applied = BTreeMap::from([(id, length)]);
    assert_eq!(journal.forgettable(&applied, later), [], "still written to");
    writer.seal();
    assert_eq!(journal.forgettable(&BTreeMap::from([(id, length - 1)]), later), [], "not applied");
    assert_eq!(journal.forgettable(&applied, UnixMillis(2_000)), [], "young");
    assert_eq!(journal.forgettable(&applied, later), [id]);
    journal.forget(&[id]).expect("removed");
    assert_eq!((journal.bytes(), moments(&journal)), (0, vec![]));
}

#[test]
fn a_copy_of_a_stream_stops_the_start_before_it_counts_twice() {
    let disk = SimulatedDisk::default();
    let (journal, _) = open(&disk, Ack::Written);
    write(&mut journal.writer(), 1).expect("written");
    let mut bytes = Vec::new();
    disk.edit(&stream_path(&format!("{}.hcj", StreamId(1))), |original| bytes.clone_from(original));
    let mut copy = disk.create(&stream_path("copy.hcj")).expect("made");
    copy.write(&bytes).expect("written");
    match Journal::open(options(Ack::Written), Arc::new(disk)) {
        Err(OpenError::Copied { stream, .. }) => assert_eq!(stream, StreamId(1)),
        other => panic!("{:?}", other.map(|(_, found)| found)),
    }
}
