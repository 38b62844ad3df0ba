//! Indonesian; browsers of long ago call it `in`.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase};

pub(super) const INDONESIAN: Language = Language {
    tag: "id",
    also: &["in"],
    direction: "ltr",
    digit_grouping: Grouping::by('.'),
    first_weekday: Weekday::Sunday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords { caption: "Statistik kunjungan", total: "Total kunjungan", unit: "" },
    views: FigureWords { caption: "Statistik halaman dilihat", total: "Total halaman dilihat", unit: "" },
    people_unit: "orang",
    plural: plural::uniform,
    window_minutes: Phrase::invariant("dalam {} menit terakhir"),
    window_seconds: Phrase::invariant("dalam {} detik terakhir"),
    rows: RowWords {
        online: "Pengunjung online",
        total_in_table: "Total",
        today: "Hari ini",
        yesterday: "Kemarin",
        this_week: "Minggu ini",
        last_week: "Minggu lalu",
        this_month: "Bulan ini",
        last_month: "Bulan lalu",
        this_year: "Tahun ini",
        last_hour: "1 jam terakhir",
        last_24_hours: "24 jam terakhir",
        peak_online: "Online terbanyak",
        page: "Halaman ini",
    },
};
