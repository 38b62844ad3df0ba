//! Arabic, from right to left, in the standard form that all Arab countries write. Western digits, as
//! CLDR has them by default; weeks as in Egypt, CLDR's likely region. No units: in an image the parts of
//! a row are set by hand, and a unit of this script would change places with its number.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase, Plural};

pub(super) const ARABIC: Language = Language {
    tag: "ar",
    also: &[],
    direction: "rtl",
    digit_grouping: Grouping::by(','),
    first_weekday: Weekday::Saturday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords {
        caption: "إحصاءات الزيارات", total: "إجمالي الزيارات", unit: ""
    },
    views: FigureWords {
        caption: "إحصاءات المشاهدات", total: "إجمالي المشاهدات", unit: ""
    },
    people_unit: "",
    plural: plural::arabic,
    window_minutes: Phrase {
        other: "خلال آخر {} دقيقة",
        own: &[
            (Plural::One, "خلال الدقيقة الأخيرة"),
            (Plural::Two, "خلال آخر دقيقتين"),
            (Plural::Few, "خلال آخر {} دقائق"),
        ],
    },
    window_seconds: Phrase {
        other: "خلال آخر {} ثانية",
        own: &[
            (Plural::One, "خلال الثانية الأخيرة"),
            (Plural::Two, "خلال آخر ثانيتين"),
            (Plural::Few, "خلال آخر {} ثوانٍ"),
        ],
    },
    rows: RowWords {
        online: "المتصلون الآن",
        total_in_table: "الإجمالي",
        today: "اليوم",
        yesterday: "أمس",
        this_week: "هذا الأسبوع",
        last_week: "الأسبوع الماضي",
        this_month: "هذا الشهر",
        last_month: "الشهر الماضي",
        this_year: "هذا العام",
        last_hour: "آخر ساعة",
        last_24_hours: "آخر 24 ساعة",
        peak_online: "أعلى عدد للمتصلين",
        page: "هذه الصفحة",
    },
};
