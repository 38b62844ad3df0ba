//! What a reader looks through, by names with numbers that never change.

use super::{NONE, OTHER};

/// Names with numbers that never change. The first is what nothing was told about, the second what is
/// told and has no name here: a robot's idea of a browser, or the number of a newer release.
macro_rules! names {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $wire:literal, $text:literal;)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            /// Nothing was told.
            #[default]
            Unknown,
            /// One that has no name here.
            Other,
            $($(#[$note])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the wire numbers.
            pub const ALL: &'static [$name] = &[$name::Unknown, $name::Other, $($name::$variant),+];

            /// The name in the database, exports and reports.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $name::Unknown => NONE,
                    $name::Other => OTHER,
                    $($name::$variant => $text,)+
                }
            }

            /// The number in the journal.
            #[must_use]
            pub fn wire(self) -> u8 {
                match self {
                    $name::Unknown => 0,
                    $name::Other => 1,
                    $($name::$variant => $wire,)+
                }
            }

            /// What a number in the journal stands for; one that is not known here is another.
            #[must_use]
            pub fn from_wire(number: u8) -> $name {
                match number {
                    0 => $name::Unknown,
                    $($wire => $name::$variant,)+
                    _ => $name::Other,
                }
            }

            /// The name, if anything is known.
            #[must_use]
            pub fn known(self) -> Option<&'static str> {
                (self != $name::Unknown).then(|| self.as_str())
            }
        }
    };
}

names! {
    /// The program that shows the page, by its maker's name; an app that shows it within itself is one.
    Browser {
        /// Google's, and those that cannot be told from it, such as Brave.
        Chrome = 2, "Chrome";
        /// Apple's.
        Safari = 3, "Safari";
        /// Mozilla's.
        Firefox = 4, "Firefox";
        /// Microsoft's, old and new.
        Edge = 5, "Edge";
        /// Opera's own, and Opera GX.
        Opera = 6, "Opera";
        /// Opera's for small telephones.
        OperaMini = 7, "Opera Mini";
        /// Samsung's.
        Samsung = 8, "Samsung Internet";
        /// Cốc Cốc's.
        CocCoc = 9, "Cốc Cốc";
        /// Microsoft's of before.
        InternetExplorer = 10, "Internet Explorer";
        /// An Android app that does not say which.
        AndroidApp = 11, "Android app";
        /// An iOS app that does not say which.
        IosApp = 12, "iOS app";
        /// Within Zalo.
        Zalo = 13, "Zalo";
        /// Within Facebook or Messenger.
        Facebook = 14, "Facebook";
        /// Within Instagram.
        Instagram = 15, "Instagram";
        /// Within that of short films, by any of its names.
        TikTok = 16, "TikTok";
        /// Within LINE.
        Line = 17, "LINE";
        /// Within Tencent's messenger.
        WeChat = 18, "WeChat";
        /// Within the Google app.
        GoogleApp = 19, "Google app";
        /// Alibaba's.
        Uc = 20, "UC Browser";
        /// Yandex's.
        Yandex = 21, "Yandex Browser";
        /// Huawei's.
        Huawei = 22, "Huawei Browser";
        /// Xiaomi's.
        Miui = 23, "MIUI Browser";
        /// Vivaldi's, where it says so.
        Vivaldi = 24, "Vivaldi";
        /// That of the search engine, where it says so.
        DuckDuckGo = 25, "DuckDuckGo";
        /// Amazon's.
        Silk = 26, "Silk";
        /// Tencent's.
        Qq = 27, "QQ Browser";
        /// The one that came with Android before Chrome did.
        Android = 28, "Android Browser";
        /// NAVER's.
        Whale = 29, "Whale";
        /// OPPO's and realme's.
        HeyTap = 30, "HeyTap Browser";
        /// vivo's.
        Vivo = 31, "vivo Browser";
    }
}

names! {
    /// The operating system.
    System {
        /// Microsoft's.
        Windows = 2, "Windows";
        /// Apple's for computers; an iPad that asks for the desktop's page cannot be told from it.
        MacOs = 3, "macOS";
        /// Apple's for telephones.
        Ios = 4, "iOS";
        /// Apple's for tablets.
        IpadOs = 5, "iPadOS";
        /// Google's for telephones and tablets.
        Android = 6, "Android";
        /// Any Linux for computers.
        Linux = 7, "Linux";
        /// Google's for computers.
        ChromeOs = 8, "ChromeOS";
        /// Huawei's.
        HarmonyOs = 9, "HarmonyOS";
        /// Samsung's for television sets.
        Tizen = 10, "Tizen";
        /// LG's for television sets.
        WebOs = 11, "webOS";
        /// Sony's.
        PlayStation = 12, "PlayStation";
        /// Microsoft's console.
        Xbox = 13, "Xbox";
        /// Nintendo's.
        Nintendo = 14, "Nintendo";
        /// For telephones with keys.
        KaiOs = 15, "KaiOS";
        /// FreeBSD, OpenBSD, NetBSD and their kin.
        Bsd = 16, "BSD";
        /// Microsoft's for telephones.
        WindowsPhone = 17, "Windows Phone";
        /// Apple's for television sets.
        TvOs = 18, "tvOS";
    }
}

names! {
    /// What the reader holds or sits at.
    Device {
        /// A computer with a keyboard.
        Desktop = 2, "desktop";
        /// A telephone.
        Mobile = 3, "mobile";
        /// A tablet that says so.
        Tablet = 4, "tablet";
        /// A television set, or a box beside one.
        Tv = 5, "tv";
        /// A console.
        Console = 6, "console";
    }
}

names! {
    /// How wide the screen is, in CSS pixels; the classes are where layouts usually turn.
    Screen {
        /// 0 to 639: telephones held upright.
        Under640 = 2, "under 640";
        /// 640 to 1,023: telephones on their side, small tablets.
        From640 = 3, "640-1023";
        /// 1,024 to 1,439: tablets, small laptops.
        From1024 = 4, "1024-1439";
        /// 1,440 and more: large laptops, desktops.
        From1440 = 5, "1440 and more";
    }
}

impl Screen {
    /// The class of a width in CSS pixels; a browser that says 0 tells nothing.
    #[must_use]
    pub fn of_width(width: u16) -> Screen {
        match width {
            0 => Screen::Unknown,
            1..640 => Screen::Under640,
            640..1_024 => Screen::From640,
            1_024..1_440 => Screen::From1024,
            1_440.. => Screen::From1440,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_belong_together() {
        let mut names = Vec::new();
        for (number, browser) in (0_u8..).zip(Browser::ALL) {
            assert_eq!((browser.wire(), Browser::from_wire(number)), (number, *browser));
            names.push(browser.as_str());
        }
        for (number, system) in (0_u8..).zip(System::ALL) {
            assert_eq!((system.wire(), System::from_wire(number)), (number, *system));
        }
        assert_eq!(Device::ALL.last().map(|device| device.wire()), Some(6));
        assert_eq!(Screen::ALL.last().map(|screen| screen.wire()), Some(5));
        assert_eq!((Browser::from_wire(255), Screen::from_wire(200)), (Browser::Other, Screen::Other));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "no name stands for two browsers");
    }

    #[test]
    fn screens_are_named_after_their_widths() {
        let cases = [(0, NONE), (1, "under 640"), (639, "under 640"), (640, "640-1023")];
        let more =
            [(1_023, "640-1023"), (1_024, "1024-1439"), (1_439, "1024-1439"), (1_440, "1440 and more")];
        for (width, name) in cases.into_iter().chain(more).chain([(u16::MAX, "1440 and more")]) {
            assert_eq!(Screen::of_width(width).as_str(), name, "{width}");
        }
    }
}
