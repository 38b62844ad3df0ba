//! `/live/{site}`: the numbers as server-sent events, for as long as somebody reads them.
//!
//! The format is that of the HTML standard (section "Server-sent events"). An event is named
//! `numbers`; its data is the reply of `/snippet/{site}.json` with the same `page` and `lang`, its id a
//! checksum of all of that but the moment. So a reader that comes back with `Last-Event-ID` is not
//! told again what it knows, even by another process, and a moment alone makes no event.
//!
//! Every stream looks at the numbers in memory once a second, by a timer of its own runtime, and what
//! it finds is rendered once for all streams that ask alike. Nothing is queued: a stream that cannot
//! be written is not asked for more, and when it can be written again it sends what is true by then.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use hyper::header::HeaderName;
use hyper::{HeaderMap, Method, Response};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::reply::{self, Refusal};
use super::wire::Pulse;
use super::{Rooms, hit, show};
use crate::sites::{Placed, SiteNumber};
use crate::snippet::{self, View};
use crate::visitor::{Network, Peer};
use crate::words::{Numbers, PagePath, UnixMillis};

/// How often a stream looks, and so how often it sends at most.
const TICK: Duration = Duration::from_secs(1);
/// Ticks without an event after which a comment goes out, so that proxies keep the connection and a
/// reader that is gone is noticed. Browsers and nginx give up after 60 s of silence.
const QUIET_TICKS_MAX: u32 = 15;
/// What is rendered serves all streams for this long: a tick, less what timers are late.
const RENDERED_MS: u64 = 950;
/// The first bytes of a stream: how many milliseconds a browser waits before it comes back.
const RETRY: &[u8] = b"retry: 5000\n\n";
/// What keeps a quiet stream alive: a comment.
const HEARTBEAT: &[u8] = b":\n\n";
/// How many characters of a query and of `Accept-Language` a stream remembers for a reload.
const ASKED_CHARACTERS_MAX: usize = 8 << 10;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

const FULL: Refusal = Refusal::Busy("all live streams are taken; the numbers are at /snippet/SITE.json too");
const NETWORK_FULL: Refusal =
    Refusal::Busy("your network has too many live streams; the numbers are at /snippet/SITE.json too");

/// What is sent to a client: something whole, or something that goes on.
pub(super) enum Body {
    /// All of it is known.
    Whole(Full<Bytes>),
    /// Events.
    Live(Box<Stream>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Body::Whole(whole) => Pin::new(whole).poll_frame(context),
            Body::Live(stream) => stream.poll_next(context).map(|bytes| bytes.map(|b| Ok(Frame::data(b)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(whole) => whole.is_end_stream(),
            Body::Live(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(whole) => whole.size_hint(),
            Body::Live(_) => SizeHint::default(),
        }
    }
}

/// The streams of the process: how many are open, and what they have in common.
#[derive(Default)]
pub(super) struct Streams {
    open: AtomicUsize,
    networks: Mutex<HashMap<u64, usize>>,
    variants: Mutex<HashMap<Key, Arc<Variant>>>,
}

/// One way of asking.
type Key = (SiteNumber, View);

/// What all streams that ask alike send.
struct Variant {
    key: Key,
    latest: Mutex<Latest>,
}

#[derive(Default)]
struct Latest {
    numbers: Option<Numbers>,
    rendered_at: UnixMillis,
    event: Bytes,
    id: u64,
}

impl Streams {
    /// Variants in use.
    pub(super) fn variants_len(&self) -> usize {
        lock(&self.variants).len()
    }

    fn variant(&self, key: Key) -> Arc<Variant> {
        let mut variants = lock(&self.variants);
        if let Some(variant) = variants.get(&key) {
            return Arc::clone(variant);
        }
        let variant = Arc::new(Variant { key: key.clone(), latest: Mutex::default() });
        variants.insert(key, Arc::clone(&variant));
        variant
    }

    /// Gives a variant back; the last one to do so takes it from the map.
    fn release(&self, variant: Arc<Variant>) {
        let mut variants = lock(&self.variants);
        let key = variant.key.clone();
        drop(variant);
        if variants.get(&key).is_some_and(|variant| Arc::strong_count(variant) == 1) {
            variants.remove(&key);
        }
    }
}

impl Latest {
    /// Takes the numbers of this moment: they are rendered if something shown differs from what was
    /// rendered last, and that was long enough ago.
    fn take(&mut self, numbers: Numbers, view: &View, now: UnixMillis) {
        let last = self.numbers.as_ref();
        let is_same = last.is_some_and(|last| at_the_moment_of(last, &numbers) == *last);
        if is_same || (last.is_some() && now.since(self.rendered_at) < RENDERED_MS) {
            return;
        }
        let format = snippet::format("json").expect("json is one of the formats");
        let timeless = (format.render)(&Numbers { at: Arc::from(""), ..numbers.clone() }, view);
        let length = u64::try_from(timeless.len()).unwrap_or(u64::MAX);
        self.id = (u64::from(crc32c::crc32c(&timeless)) << 16) | (length & 0xffff);
        let json = (format.render)(&numbers, view);
        let mut event = format!("id: {:012x}\nevent: numbers\ndata: ", self.id).into_bytes();
        event.extend_from_slice(json.trim_ascii_end());
        event.extend_from_slice(b"\n\n");
        self.event = Bytes::from(event);
        self.rendered_at = now;
        self.numbers = Some(numbers);
    }
}

/// The numbers as if they were those of the moment of `last`.
fn at_the_moment_of(last: &Numbers, numbers: &Numbers) -> Numbers {
    Numbers { at: Arc::clone(&last.at), ..numbers.clone() }
}

/// A place among the streams, free again when it is dropped.
struct Slot {
    rooms: Arc<Rooms>,
    network: Option<u64>,
}

impl Slot {
    fn take(rooms: &Arc<Rooms>, network: Network) -> Result<Slot, Refusal> {
        let streams = &rooms.live;
        let network = match network {
            Network::Known { narrow, .. } if rooms.options.live_streams_per_network > 0 => Some(narrow),
            _ => None,
        };
        if streams.open.fetch_add(1, Ordering::AcqRel) >= rooms.options.live_streams {
            streams.open.fetch_sub(1, Ordering::AcqRel);
            return Err(FULL);
        }
        // From here on the drop of the slot gives back what was taken.
        rooms.metrics.live_streams.inc();
        let mut slot = Slot { rooms: Arc::clone(rooms), network: None };
        if let Some(network) = network {
            let mut networks = lock(&streams.networks);
            let taken = networks.entry(network).or_default();
            if *taken >= rooms.options.live_streams_per_network {
                return Err(NETWORK_FULL);
            }
            *taken += 1;
            slot.network = Some(network);
        }
        Ok(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let streams = &self.rooms.live;
        if let Some(network) = self.network {
            let mut networks = lock(&streams.networks);
            if let Some(taken) = networks.get_mut(&network) {
                *taken -= 1;
                if *taken == 0 {
                    networks.remove(&network);
                }
            }
        }
        streams.open.fetch_sub(1, Ordering::AcqRel);
        self.rooms.metrics.live_streams.dec();
    }
}

/// What a reader asked for, kept so that a reload can be followed.
struct Asked {
    site: Box<str>,
    query: Box<str>,
    accept_language: Option<Box<str>>,
}

impl Asked {
    /// The site as it is configured now, and the variant that serves this reader.
    fn variant(&self, rooms: &Arc<Rooms>) -> Result<(Placed, Held), Refusal> {
        let placed = rooms.site(&self.site).ok_or(Refusal::UnknownSite)?;
        let pairs = show::pairs(&self.query)?;
        let known = pairs.iter().filter(|(name, _)| ["page", "lang", "page_lang"].contains(&name.as_str()));
        let asked = known.map(|(name, value)| (name.as_str(), value.as_str()));
        let view = View::parse(asked, &placed.site, self.accept_language.as_deref());
        let mut view = view.map_err(Refusal::no("live stream"))?;
        let page = show::page_of(&placed, &view)?;
        view.page = page.map(|page| Box::from(page.as_str()));
        let variant = rooms.live.variant((placed.number, view));
        Ok((placed, Held { rooms: Arc::clone(rooms), variant: Some(variant) }))
    }
}

/// `/live/{site}`
pub(super) fn answer(
    rooms: &Arc<Rooms>,
    (site, query): (&str, &str),
    (method, headers): (&Method, &HeaderMap),
    peer: &Peer,
    pulse: &Arc<Pulse>,
) -> Result<Response<Body>, Refusal> {
    let accept_language = hit::accept_language(headers);
    if query.len() + accept_language.map_or(0, str::len) > ASKED_CHARACTERS_MAX {
        return Err(Refusal::Query("it is too long"));
    }
    let asked = Asked {
        site: Box::from(site),
        query: Box::from(query),
        accept_language: accept_language.map(Box::from),
    };
    let (placed, variant) = asked.variant(rooms)?;
    if method == Method::HEAD {
        return Ok(reply::live(Body::Whole(Full::default())));
    }
    let slot = Slot::take(rooms, rooms.visitors.network_of(peer, headers))
        .inspect_err(|_| rooms.metrics.live_streams_refused.inc())?;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pulse.begin_live();
    let known = headers.get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    Ok(reply::live(Body::Live(Box::new(Stream {
        asked,
        placed,
        variant,
        ticks,
        sent: known.and_then(|id| u64::from_str_radix(id, 16).ok()),
        quiet_ticks: None,
        pulse: Arc::clone(pulse),
        slot,
    }))))
}

/// A variant in use, given back when it is dropped.
struct Held {
    rooms: Arc<Rooms>,
    /// There until the drop.
    variant: Option<Arc<Variant>>,
}

impl Deref for Held {
    type Target = Variant;

    fn deref(&self) -> &Variant {
        self.variant.as_ref().expect("it is taken by the drop alone")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(variant) = self.variant.take() {
            self.rooms.live.release(variant);
        }
    }
}

/// One reader's events.
pub(super) struct Stream {
    asked: Asked,
    placed: Placed,
    variant: Held,
    ticks: Interval,
    /// The id of what the reader knows.
    sent: Option<u64>,
    /// Which tick after something was sent comes next; `None` before anything was.
    quiet_ticks: Option<u32>,
    pulse: Arc<Pulse>,
    slot: Slot,
}

impl Stream {
    /// The next bytes to send; `None` when the daemon stops or the site is gone.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if !self.slot.rooms.state.serving.load(Ordering::Acquire) {
                return Poll::Ready(None);
            }
            ready!(self.ticks.poll_tick(context));
            if !self.follow_reload() {
                return Poll::Ready(None);
            }
            let bytes = match (self.quiet_ticks, self.news()) {
                (None, news) => Some([RETRY, news.as_deref().unwrap_or(HEARTBEAT)].concat().into()),
                (Some(QUIET_TICKS_MAX..), None) => Some(Bytes::from_static(HEARTBEAT)),
                (Some(_), news) => news,
            };
            if bytes.is_some() {
                self.quiet_ticks = Some(1);
                self.pulse.beat();
                return Poll::Ready(bytes);
            }
            self.quiet_ticks = self.quiet_ticks.map(|ticks| ticks + 1);
        }
    }

    /// Takes over the site's present configuration, if it has changed; whether there is the site still.
    fn follow_reload(&mut self) -> bool {
        let rooms = &self.slot.rooms;
        let Some(placed) = rooms.site(&self.asked.site) else { return false };
        if Arc::ptr_eq(&placed.site, &self.placed.site) {
            return true;
        }
        let Ok((placed, variant)) = self.asked.variant(rooms) else { return false };
        self.placed = placed;
        self.variant = variant;
        true
    }

    /// What is true now, unless the reader knows it.
    fn news(&mut self) -> Option<Bytes> {
        let rooms = &self.slot.rooms;
        let now = rooms.clock.now();
        let (site, view) = &self.variant.key;
        let numbers = rooms.counts.numbers(*site, view.page.as_deref().map(PagePath::from_folded), now)?;
        let mut latest = lock(&self.variant.latest);
        latest.take(numbers, view, now);
        if self.sent == Some(latest.id) {
            return None;
        }
        self.sent = Some(latest.id);
        Some(latest.event.clone())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.pulse.end_live();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{SiteId, Tally};

    fn view() -> View {
        let site = crate::sites::Site::plain("vks");
        View::of(&site, None, None)
    }

    fn numbers(online: u32, second: u64) -> Numbers {
        let tally = Tally::default();
        Numbers {
            site: SiteId::parse("vks").expect("a good name"),
            at: Arc::from(format!("2026-11-22T00:00:{second:02}Z")),
            online,
            online_window_seconds: 300,
            total: tally,
            today: tally,
            today_visitors: 0,
            yesterday: tally,
            yesterday_visitors: 0,
            this_week: tally,
            last_week: tally,
            this_month: tally,
            last_month: tally,
            this_year: tally,
            last_hour: tally,
            last_24_hours: tally,
            peak_online: None,
            page: None,
        }
    }

    #[test]
    fn a_moment_alone_is_no_change() {
        let mut latest = Latest::default();
        latest.take(numbers(1, 0), &view(), UnixMillis(0));
        let (first, id) = (latest.event.clone(), latest.id);
        latest.take(numbers(1, 5), &view(), UnixMillis(5_000));
        assert_eq!(latest.event, first);
        latest.take(numbers(2, 6), &view(), UnixMillis(6_000));
        assert_ne!((latest.event.clone(), latest.id), (first, id));
        // Another process, at another moment, gives the same numbers the same id.
        let mut other = Latest::default();
        other.take(numbers(1, 30), &view(), UnixMillis(30_000));
        assert_eq!(other.id, id);
    }

    #[test]
    fn what_is_rendered_serves_everybody_for_a_second() {
        let mut latest = Latest::default();
        latest.take(numbers(1, 0), &view(), UnixMillis(10_000));
        let first = latest.id;
        latest.take(numbers(2, 0), &view(), UnixMillis(10_500));
        assert_eq!(latest.id, first);
        latest.take(numbers(3, 1), &view(), UnixMillis(11_000));
        assert_ne!(latest.id, first);
    }

    #[test]
    fn those_who_ask_alike_share_a_variant_until_the_last_has_gone() {
        let streams = Streams::default();
        let key = || (SiteNumber(0), view());
        let (first, second) = (streams.variant(key()), streams.variant(key()));
        assert!(Arc::ptr_eq(&first, &second));
        let other = streams.variant((SiteNumber(0), View { page: Some("/a".into()), ..view() }));
        assert_eq!(streams.variants_len(), 2);
        streams.release(first);
        streams.release(other);
        assert_eq!(streams.variants_len(), 1);
        streams.release(second);
        assert_eq!(streams.variants_len(), 0);
    }
}
