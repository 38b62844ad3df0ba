//! What a user agent says: robot or not, by a parser crate and our own dated list (`config/robots.txt`);
//! browser, system and device, by the tables beside this file. A bounded cache remembers.
//!
//! The cache has two generations: what was asked for lately and what was asked for before that. When the
//! young one is full it becomes the old one, and the old one is forgotten; so nothing is ever searched for
//! a victim. Keys are keyed hashes: a verdict cannot be planted for somebody else's user agent.

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use siphasher::sip::{SipHasher13, SipHasher24};
use woothee::parser::{Parser, WootheeResult};

use super::browser;
use crate::details::{Browser, Device, System};

/// The bytes of a user agent that are looked at; real ones have 100 to 400.
const AGENT_BYTES_MAX: usize = 1_024;

/// So many that worker threads seldom meet at a lock.
const SHARDS: usize = 16;

/// Our own list; its head says how its lines are read.
static ROBOTS: LazyLock<List> = LazyLock::new(|| List::parse(include_str!("../../config/robots.txt")));

/// The part of a user agent that counts.
pub(super) fn shortened(agent: &[u8]) -> &[u8] {
    agent.get(..AGENT_BYTES_MAX).unwrap_or(agent)
}

/// What is remembered of a user agent. 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Agent {
    /// Stands for the user agent in visitor ids, and is the same in every process life: hashing a hundred
    /// bytes anew for every id would cost more than all else that makes one.
    pub(super) digest: u64,
    /// Whether a robot sends it; then nothing else is looked for.
    pub(super) robot: bool,
    pub(super) browser: Browser,
    pub(super) system: System,
    pub(super) device: Device,
}

/// User agents, judged and remembered.
#[derive(Debug)]
pub(super) struct Agents {
    shards: [Mutex<Shard>; SHARDS],
    key: [u8; 16],
    generation_max: usize,
}

#[derive(Debug, Default)]
struct Shard {
    young: foldhash::HashMap<u64, Agent>,
    old: foldhash::HashMap<u64, Agent>,
}

impl Agents {
    /// Remembers at most about `agents_max` user agents.
    pub(super) fn new(agents_max: usize, key: [u8; 16]) -> Agents {
        let generation_max = (agents_max / SHARDS / 2).max(1);
        Agents { shards: std::array::from_fn(|_| Mutex::default()), key, generation_max }
    }

    /// What `agent` says. No user agent at all is a robot's.
    pub(super) fn judge(&self, agent: &[u8]) -> Agent {
        let hash = SipHasher13::new_with_key(&self.key).hash(agent);
        let shard = &self.shards[usize::try_from(hash >> 60).unwrap_or(0)];
        if let Some(verdict) = locked(shard).find(hash, self.generation_max) {
            return verdict;
        }
        // Judged outside of the lock: it takes as long as a few hundred look-ups.
        let digest = SipHasher24::new().hash(agent);
        let verdict = Agent { digest, ..judge(&String::from_utf8_lossy(agent)) };
        locked(shard).remember(hash, verdict, self.generation_max);
        verdict
    }

    /// User agents remembered now.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).len()).sum()
    }
}

impl Shard {
    fn find(&mut self, hash: u64, generation_max: usize) -> Option<Agent> {
        if let Some(verdict) = self.young.get(&hash) {
            return Some(*verdict);
        }
        let verdict = self.old.remove(&hash)?;
        self.remember(hash, verdict, generation_max);
        Some(verdict)
    }

    fn remember(&mut self, hash: u64, verdict: Agent, generation_max: usize) {
        if self.young.len() >= generation_max {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(hash, verdict);
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// A verdict is whole before it is stored, so a panic elsewhere leaves nothing half done.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn judge(agent: &str) -> Agent {
    if is_robot(agent) {
        return Agent { robot: true, ..Agent::default() };
    }
    let system = browser::system(agent);
    let (browser, device) = (browser::browser(agent), browser::device(agent, system));
    Agent { browser, system, device, ..Agent::default() }
}

fn is_robot(agent: &str) -> bool {
    let named = ROBOTS.without_honest_names(agent);
    if named.trim().is_empty() || ROBOTS.names(&named) {
        return true;
    }
    // Its other questions are about browsers and systems, and compile some thirty expressions to ask them.
    Parser::new().try_crawler(&named, &mut WootheeResult::new())
}

/// The lines of `config/robots.txt`, in lower case, by how they are compared.
#[derive(Debug, Default)]
struct List {
    anywhere: Vec<String>,
    beginnings: Vec<String>,
    whole: Vec<String>,
    honest: Vec<String>,
}

impl List {
    fn parse(text: &str) -> List {
        let mut list = List::default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines.map(str::to_ascii_lowercase) {
            match line.split_at_checked(1) {
                Some(("^", fragment)) => list.beginnings.push(fragment.to_owned()),
                Some(("=", agent)) => list.whole.push(agent.to_owned()),
                Some(("!", fragment)) => list.honest.push(fragment.to_owned()),
                _ => list.anywhere.push(line),
            }
        }
        list
    }

    /// The user agent without the names of honest devices, otherwise as it was.
    fn without_honest_names(&self, agent: &str) -> String {
        let mut rest = agent.to_owned();
        for name in &self.honest {
            while let Some(at) = rest.to_ascii_lowercase().find(name) {
                rest.replace_range(at..at + name.len(), "");
            }
        }
        rest
    }

    fn names(&self, agent: &str) -> bool {
        let lower = agent.trim().to_ascii_lowercase();
        self.anywhere.iter().any(|fragment| lower.contains(fragment))
            || self.beginnings.iter().any(|fragment| lower.starts_with(fragment))
            || self.whole.contains(&lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_and_apps_of_people_are_no_robots() {
        for agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/395.0 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/141.0.148 Chrome/135.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 14; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 11; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/100.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 13; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/128.0.0.0 Mobile Safari/537.36 Zalo android/12100742 ZaloTheme/light ZaloLanguage/vi",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Zalo iOS/621 ZaloTheme/light ZaloLanguage/vn",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.31.107;FBBV/613051530;FBDV/iPhone12,1;FBLC/vi_VN]",
            "Mozilla/5.0 (Linux; Android 13; V2206 Build/TP1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/468.0.0.54.105;]",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 333.0.0 (iPhone12,1; iOS 17_5; vi_VN)",
            "Mozilla/5.0 (Linux; Android 12) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/110.0 Mobile Safari/537.36 trill_320 BytedanceWebview/d8a21c6 musical_ly TikTok",
            "Mozilla/5.0 (Linux; U; Android 12; vi; RMX3231) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/100.0 UCBrowser/13.4.0 Mobile Safari/537.36",
            "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; vi) Presto/2.12.423 Version/12.16",
            "LAVA_KKT35 (MAUI/KKT35_S116_20130820;WAP Browser/MAUI (HTTPS)) Release/2013.08.20 WAP Browser/MAUI (HTTPS) Profile/",
            "Lynx/2.8.7rel.2 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/1.0.1f",
            "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80 (S60; SymbOS; Opera Mobi/23.348; U; en) Presto/2.5.25 Version/10.54",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36 OPR/124.0.0.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 YaBrowser/25.8 Safari/537.36",
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
            "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/49.0 Safari/537.36 SE 2.X MetaSr 1.0",
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/108.0 Safari/537.36 WebAppManager",
            "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/2.2 Chrome/94.0 TV Safari/537.36",
            "Mozilla/5.0 (PlayStation; PlayStation 5/9.00) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.0 Safari/605.1.15",
            "Mozilla/5.0 (Linux; Android 10; MAR-LX1A; HMSCore 6.13) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0 HuaweiBrowser/15.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 14; 23106RN0DA) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/123.0 Mobile Safari/537.36 XiaoMi/MiuiBrowser/14.21",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.49 Language/vi",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.9.0",
        ] {
            assert!(!is_robot(agent), "{agent}");
        }
    }

    #[test]
    fn crawlers_monitors_and_programs_are_robots() {
        for agent in [
            "",
            "   ",
            "-",
            "Mozilla/5.0",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Mobile Safari/537.36 (compatible; GoogleOther)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.3; +https://openai.com/gptbot)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; OAI-SearchBot/1.0; +https://openai.com/searchbot",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0; +Claude-User@anthropic.com)",
            "anthropic-ai",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Perplexity-User/1.0)",
            "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/600.2.5 (KHTML, like Gecko) Version/8.0.2 Safari/600.2.5 (Applebot/0.1)",
            "CCBot/2.0 (https://commoncrawl.org/faq/)",
            "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Mozilla/5.0 (compatible; MistralAI-User/1.0; +https://docs.mistral.ai/robots)",
            "cohere-ai",
            "omgili/0.5",
            "Mozilla/5.0 (compatible; coccocbot-web/1.0; +http://help.coccoc.com/searchengine)",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
            "TelegramBot (like TwitterBot)",
            "WhatsApp/2.23.20.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36 Chrome-Lighthouse",
            "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
            "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
            "kube-probe/1.33",
            "curl/8.5.0",
            "Wget/1.21.4",
            "python-requests/2.32.3",
            "Python/3.12 aiohttp/3.9",
            "Go-http-client/1.1",
            "libwww-perl/6.77",
            "okhttp/4.12.0",
            "Java/17.0.2",
            "node",
            "axios/1.7.2",
            "PostmanRuntime/7.39.0",
            "Mozilla/5.0 (compatible; somebot on a cubot)",
        ] {
            assert!(is_robot(agent), "{agent}");
        }
    }

    #[test]
    fn every_line_of_the_list_makes_a_robot() {
        for agent in ROBOTS.anywhere.iter().chain(&ROBOTS.beginnings).chain(&ROBOTS.whole) {
            assert!(is_robot(agent), "{agent}");
        }
        assert!(ROBOTS.anywhere.len() > 100 && !ROBOTS.honest.is_empty());
    }

    #[test]
    fn verdicts_are_remembered_within_bounds() {
        let agents = Agents::new(64, [7; 16]);
        for round in 0..3 {
            for n in 0..300_u32 {
                let agent = [b"Mozilla/5.0 (X11) no. ".as_slice(), n.to_string().as_bytes()].concat();
                assert!(!agents.judge(&agent).robot, "{round} {n}");
                assert!(agents.judge(b"curl/8.5.0").robot);
                assert!(agents.len() <= 64, "{}", agents.len());
            }
        }
        assert!(agents.len() > 16);
    }

    #[test]
    fn what_is_asked_for_often_survives_a_change_of_generations() {
        let mut shard = Shard::default();
        let robot = |robot| Agent { robot, ..Agent::default() };
        shard.remember(1, robot(true), 2);
        for hash in 2..100 {
            shard.remember(hash, robot(false), 2);
            assert_eq!(shard.find(1, 2), Some(robot(true)), "{hash}");
        }
        assert_eq!(shard.find(2, 2), None);
        assert!(shard.len() <= 4);
    }

    #[test]
    fn overlong_and_broken_user_agents_are_judged_by_their_beginning() {
        let long = [b"Mozilla/5.0 (".as_slice(), &[b'x'; 2_000], b"bot"].concat();
        assert_eq!(shortened(&long).len(), AGENT_BYTES_MAX);
        let agents = Agents::new(64, [7; 16]);
        assert!(!agents.judge(shortened(&long)).robot);
        assert!(!agents.judge(b"Mozilla/5.0 (\xff\xfe) Gecko/1 Firefox/1").robot);
    }
}
