//! What a reader looks through: browser, system and device of a user agent, by small tables.
//!
//! Nearly every browser calls itself by the names of those before it, so the tables are asked from the
//! rare name to the common one, and the first that is found decides. They are of November 2026. The crate
//! that knows robots has answers too, but of years ago, and compiles some thirty expressions to give them.
//!
//! What no table can tell: Brave from Chrome, an iPad that asks for the desktop's page from a Mac, the
//! versions of today's systems. The cost is bounded: at most 1,024 bytes are looked through for each name.

use crate::details::{Browser, Device, System};

/// By fragments, which are compared as they are written.
const BROWSERS: &[(&str, Browser)] = &[
    // Apps that show a page within themselves; they name the browser that they borrow, too.
    ("Zalo", Browser::Zalo),
    ("Instagram", Browser::Instagram),
    ("FBAN/", Browser::Facebook),
    ("FBAV/", Browser::Facebook),
    ("FB_IAB/", Browser::Facebook),
    ("musical_ly", Browser::TikTok),
    ("BytedanceWebview", Browser::TikTok),
    ("TikTok", Browser::TikTok),
    (" Line/", Browser::Line),
    ("MicroMessenger/", Browser::WeChat),
    ("GSA/", Browser::GoogleApp),
    // Consoles and television sets, whose browsers have no name that anybody knows.
    ("PlayStation", Browser::Other),
    ("PLAYSTATION", Browser::Other),
    ("Nintendo", Browser::Other),
    ("Web0S", Browser::Other),
    // Browsers that are built on another's engine.
    ("coc_coc_browser", Browser::CocCoc),
    ("CocCoc", Browser::CocCoc),
    ("EdgA/", Browser::Edge),
    ("EdgiOS/", Browser::Edge),
    ("Edg/", Browser::Edge),
    ("Edge/", Browser::Edge),
    ("Opera Mini", Browser::OperaMini),
    ("OPiOS/", Browser::OperaMini),
    ("OPR/", Browser::Opera),
    ("OPT/", Browser::Opera),
    ("OPX/", Browser::Opera),
    ("Opera", Browser::Opera),
    ("SamsungBrowser/", Browser::Samsung),
    ("UCBrowser", Browser::Uc),
    ("UCWEB", Browser::Uc),
    ("YaBrowser", Browser::Yandex),
    ("YaSearchBrowser", Browser::Yandex),
    ("HuaweiBrowser", Browser::Huawei),
    ("ArkWeb/", Browser::Huawei),
    ("MiuiBrowser", Browser::Miui),
    ("HeyTapBrowser", Browser::HeyTap),
    ("VivoBrowser", Browser::Vivo),
    ("Vivaldi", Browser::Vivaldi),
    ("DuckDuckGo/", Browser::DuckDuckGo),
    ("Ddg/", Browser::DuckDuckGo),
    ("Silk/", Browser::Silk),
    ("QQBrowser", Browser::Qq),
    ("Whale/", Browser::Whale),
    // The engines' own, and what Android puts in front of an app that says nothing else.
    ("FxiOS/", Browser::Firefox),
    ("Firefox/", Browser::Firefox),
    ("CriOS/", Browser::Chrome),
    ("; wv)", Browser::AndroidApp),
    ("Chrome/", Browser::Chrome),
    ("Chromium/", Browser::Chrome),
    ("Trident/", Browser::InternetExplorer),
    ("MSIE ", Browser::InternetExplorer),
    ("Android", Browser::Android),
];

const SYSTEMS: &[(&str, System)] = &[
    ("HarmonyOS", System::HarmonyOs),
    ("OpenHarmony", System::HarmonyOs),
    ("Windows Phone", System::WindowsPhone),
    ("Xbox", System::Xbox),
    ("PlayStation", System::PlayStation),
    ("PLAYSTATION", System::PlayStation),
    ("Nintendo", System::Nintendo),
    ("AppleTV", System::TvOs),
    ("Apple TV", System::TvOs),
    ("iPad", System::IpadOs),
    ("iPhone", System::Ios),
    ("iPod", System::Ios),
    ("Tizen", System::Tizen),
    ("Web0S", System::WebOs),
    ("webOS", System::WebOs),
    ("WEBOS", System::WebOs),
    ("KAIOS", System::KaiOs),
    ("CrOS ", System::ChromeOs),
    ("Android", System::Android),
    ("Windows", System::Windows),
    ("Macintosh", System::MacOs),
    ("Mac OS X", System::MacOs),
    ("FreeBSD", System::Bsd),
    ("OpenBSD", System::Bsd),
    ("NetBSD", System::Bsd),
    ("DragonFly", System::Bsd),
    ("Linux", System::Linux),
    ("X11", System::Linux),
];

/// Whatever calls itself a television set, or stands beside one.
const TELEVISIONS: &[&str] = &[
    "SMART-TV",
    "SmartTV",
    "Smart TV",
    "Smart-TV",
    "GoogleTV",
    "Google TV",
    "Android TV",
    "AndroidTV",
    "BRAVIA",
    "HbbTV",
    "CrKey",
    "NetCast",
    "NETTV",
    "VIDAA",
    "Roku",
    "MiTV",
    "MIBOX",
    "MiBOX",
    "; AFT",
    "AQUOS",
    " TV ",
];

/// What a user agent says about the one who sent it.
pub(super) fn browser(agent: &str) -> Browser {
    match first(agent, BROWSERS) {
        Some(browser) => browser,
        None if !agent.contains("AppleWebKit/") => Browser::Other,
        // Safari gives its version; an app on Apple's telephones and tablets leaves it out, or Safari.
        None if agent.contains("Version/") && agent.contains("Safari/") => Browser::Safari,
        None if agent.contains("iPhone") || agent.contains("iPad") || agent.contains("iPod") => {
            Browser::IosApp
        }
        None => Browser::Other,
    }
}

pub(super) fn system(agent: &str) -> System {
    first(agent, SYSTEMS).unwrap_or(System::Other)
}

/// The device that a `system` with these words runs on.
pub(super) fn device(agent: &str, system: System) -> Device {
    let says = |word: &str| agent.contains(word);
    if matches!(system, System::PlayStation | System::Xbox | System::Nintendo) {
        return Device::Console;
    }
    if matches!(system, System::TvOs | System::WebOs) || TELEVISIONS.iter().any(|word| says(word)) {
        return Device::Tv;
    }
    // "Tablet PC" is what Windows calls a computer with a pen.
    let tablet = says("Tablet") && !says("Tablet PC");
    let mobile = says("Mobi") || says("Opera Mini") || says("MIDP");
    match system {
        System::IpadOs => Device::Tablet,
        System::Ios | System::WindowsPhone | System::KaiOs => Device::Mobile,
        _ if tablet => Device::Tablet,
        _ if mobile => Device::Mobile,
        // A telephone says that it is mobile; a tablet says nothing.
        System::Android => Device::Tablet,
        System::HarmonyOs if says("Phone;") => Device::Mobile,
        System::HarmonyOs if says("PC;") => Device::Desktop,
        System::Tizen => Device::Tv,
        System::Windows | System::MacOs | System::Linux | System::ChromeOs | System::Bsd => Device::Desktop,
        _ => Device::Other,
    }
}

fn first<T: Copy>(agent: &str, table: &[(&str, T)]) -> Option<T> {
    table.iter().find(|(fragment, _)| agent.contains(fragment)).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of browser, system, device and agent.
    fn check(lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mut parts = line.splitn(4, " | ");
            let expected = [parts.next(), parts.next(), parts.next()].map(Option::unwrap_or_default);
            let agent = parts.next().unwrap_or_default();
            let system = system(agent);
            let found = [browser(agent).as_str(), system.as_str(), device(agent, system).as_str()];
            assert_eq!(found, expected, "{agent}");
        }
    }

    #[test]
    fn computers() {
        check(
            "
            Chrome | Windows | desktop | Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36
            Edge | Windows | desktop | Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0
            Edge | Windows | desktop | Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763
            Opera | Windows | desktop | Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36 OPR/124.0.0.0
            Cốc Cốc | Windows | desktop | Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/141.0.148 Chrome/135.0.0.0 Safari/537.36
            Yandex Browser | Windows | desktop | Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 YaBrowser/25.8 Safari/537.36
            Vivaldi | Windows | desktop | Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Vivaldi/7.5
            Firefox | Windows | desktop | Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0
            Internet Explorer | Windows | desktop | Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko
            Internet Explorer | Windows | desktop | Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0; Tablet PC 2.0)
            Safari | macOS | desktop | Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15
            Firefox | macOS | desktop | Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0
            DuckDuckGo | macOS | desktop | Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15 Ddg/17.4
            Firefox | Linux | desktop | Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0
            Chrome | Linux | desktop | Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36
            Firefox | BSD | desktop | Mozilla/5.0 (X11; FreeBSD amd64; rv:140.0) Gecko/20100101 Firefox/140.0
            Chrome | ChromeOS | desktop | Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36
            Huawei Browser | HarmonyOS | desktop | Mozilla/5.0 (PC; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 HuaweiBrowser/5.0.4
            ",
        );
    }

    #[test]
    fn telephones() {
        check(
            "
            Chrome | Android | mobile | Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36
            Edge | Android | mobile | Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36 EdgA/142.0.0.0
            Samsung Internet | Android | mobile | Mozilla/5.0 (Linux; Android 14; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36
            Firefox | Android | mobile | Mozilla/5.0 (Android 14; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0
            UC Browser | Android | mobile | Mozilla/5.0 (Linux; U; Android 12; vi; RMX3231) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/100.0 UCBrowser/13.4.0 Mobile Safari/537.36
            MIUI Browser | Android | mobile | Mozilla/5.0 (Linux; Android 14; 23106RN0DA) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/123.0 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.21
            HeyTap Browser | Android | mobile | Mozilla/5.0 (Linux; Android 13; CPH2359) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/115.0 Mobile Safari/537.36 HeyTapBrowser/45.11
            vivo Browser | Android | mobile | Mozilla/5.0 (Linux; Android 12; V2111) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/110.0 Mobile Safari/537.36 VivoBrowser/20.2
            Android Browser | Android | mobile | Mozilla/5.0 (Linux; U; Android 4.1.2; vi-vn; GT-I8190) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30
            Opera Mini | Android | mobile | Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; vi) Presto/2.12.423 Version/12.16
            Opera Mini | (other) | mobile | Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera Mobi/23.348; U; en) Presto/2.5.25 Version/10.54
            Huawei Browser | Android | mobile | Mozilla/5.0 (Linux; Android 10; MAR-LX1A; HMSCore 6.13) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0 HuaweiBrowser/15.0 Mobile Safari/537.36
            Huawei Browser | HarmonyOS | mobile | Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.0.4
            Safari | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1
            Chrome | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1
            Firefox | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/144.0 Mobile/15E148 Safari/604.1
            Edge | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 EdgiOS/142.0 Mobile/15E148 Safari/604.1
            Opera | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1 OPT/5.6
            Firefox | KaiOS | mobile | Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5
            Edge | Windows Phone | mobile | Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/52.0 Mobile Safari/537.36 Edge/15.15254
            ",
        );
    }

    #[test]
    fn apps_that_show_pages() {
        check(
            "
            Zalo | Android | mobile | Mozilla/5.0 (Linux; Android 13; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/128.0.0.0 Mobile Safari/537.36 Zalo android/12100742 ZaloTheme/light ZaloLanguage/vi
            Zalo | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Zalo iOS/621 ZaloTheme/light ZaloLanguage/vn
            Facebook | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.31.107;FBBV/613051530;FBDV/iPhone12,1;FBLC/vi_VN]
            Facebook | Android | mobile | Mozilla/5.0 (Linux; Android 13; V2206 Build/TP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/468.0.0.54.105;]
            Instagram | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 333.0.0 (iPhone12,1; iOS 17_5; vi_VN)
            TikTok | Android | mobile | Mozilla/5.0 (Linux; Android 12) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/110.0 Mobile Safari/537.36 trill_320 BytedanceWebview/d8a21c6 musical_ly TikTok
            LINE | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.9.0
            WeChat | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.49 Language/vi
            Google app | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/395.0 Mobile/15E148 Safari/604.1
            Android app | Android | mobile | Mozilla/5.0 (Linux; Android 13; SM-A135F; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/128.0.0.0 Mobile Safari/537.36
            iOS app | iOS | mobile | Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148
            ",
        );
    }

    #[test]
    fn tablets_television_sets_and_consoles() {
        check(
            "
            Safari | iPadOS | tablet | Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1 Mobile/15E148 Safari/604.1
            Chrome | Android | tablet | Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36
            Firefox | Android | tablet | Mozilla/5.0 (Android 14; Tablet; rv:144.0) Gecko/144.0 Firefox/144.0
            Silk | Android | tablet | Mozilla/5.0 (Linux; Android 11; KFTRWI) AppleWebKit/537.36 (KHTML, like Gecko) Silk/138.1 like Chrome/138.0 Safari/537.36
            (other) | webOS | tv | Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/108.0 Safari/537.36 WebAppManager
            Samsung Internet | Tizen | tv | Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/2.2 Chrome/94.0 TV Safari/537.36
            Chrome | Android | tv | Mozilla/5.0 (Linux; Android 12; BRAVIA 4K VH2) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36
            Silk | Android | tv | Mozilla/5.0 (Linux; Android 9; AFTKA) AppleWebKit/537.36 (KHTML, like Gecko) Silk/112.3 like Chrome/112.0 Safari/537.36
            (other) | PlayStation | console | Mozilla/5.0 (PlayStation; PlayStation 5/9.00) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Safari/605.1.15
            Edge | Xbox | console | Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Safari/537.36 Edg/138.0
            (other) | Nintendo | console | Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/613.0 (KHTML, like Gecko) NF/6.0.3.27.1 NintendoBrowser/5.1.0.35914
            ",
        );
    }

    #[test]
    fn what_nobody_knows_is_another() {
        check(
            "
            (other) | (other) | (other) | Mozilla/5.0 (Haiku x86_64) Something/1
            ",
        );
    }
}
