//! Russian: the unit is the abbreviation that offices write, which is the same for every number.

use jiff::civil::Weekday;

use crate::snippet::grouping::Grouping;
use crate::snippet::language::{FigureWords, Language, RowWords};
use crate::snippet::plural::{self, Phrase, Plural};

pub(super) const RUSSIAN: Language = Language {
    tag: "ru",
    also: &[],
    direction: "ltr",
    digit_grouping: Grouping::by('\u{a0}'),
    first_weekday: Weekday::Monday,
    colon: ": ",
    before_unit: " ",
    visits: FigureWords {
        caption: "Посещаемость сайта", total: "Всего посещений", unit: ""
    },
    views: FigureWords {
        caption: "Просмотры сайта", total: "Всего просмотров", unit: ""
    },
    people_unit: "чел.",
    plural: plural::russian,
    window_minutes: Phrase {
        other: "за последние {} минуты",
        own: &[(Plural::One, "за последнюю {} минуту"), (Plural::Many, "за последние {} минут")],
    },
    window_seconds: Phrase {
        other: "за последние {} секунды",
        own: &[(Plural::One, "за последнюю {} секунду"), (Plural::Many, "за последние {} секунд")],
    },
    rows: RowWords {
        online: "Сейчас на сайте",
        total_in_table: "Всего",
        today: "Сегодня",
        yesterday: "Вчера",
        this_week: "Эта неделя",
        last_week: "Прошлая неделя",
        this_month: "Этот месяц",
        last_month: "Прошлый месяц",
        this_year: "Этот год",
        last_hour: "Последний час",
        last_24_hours: "Последние 24 часа",
        peak_online: "Максимум на сайте",
        page: "Эта страница",
    },
};
