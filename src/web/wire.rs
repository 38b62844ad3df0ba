//! A connection's socket, and the pulse by which it is known whether anything still happens on it.
//!
//! An ordinary reply is written and done; a live stream stays. While one is open the socket is also
//! listened to: a reader that hangs up, or says that it will send no more, ends it at once, and so
//! does a daemon that stops while the reader does not take what is written.
//!
//! A client that still sends the body of a request which was answered without it is heard out within bounds
//! before the socket closes: a system that closes with unread bytes resets the connection, and the client
//! may lose the answer with it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::ReadBuf;

use super::socket::Stream;
use super::strangers::Strange;
use super::{Rooms, proxied};

/// A live stream that could send nothing for this long, not even a heartbeat, is cut: its reader has
/// stopped reading. Four heartbeats.
const STALLED: Duration = Duration::from_mins(1);

/// What is read of a body that nobody wants before the socket or its stream closes: as large a form as is sent by mistake.
pub(super) const UNWANTED_BYTES_MAX: usize = 1 << 20;

/// The first bytes of a connection are looked at: nearly every request is shorter than this.
const FIRST_BYTES_MAX: usize = 2 << 10;
/// The first byte of TLS, and the second (RFC 8446, section 5.1).
const TLS: [u8; 2] = [0x16, 0x03];

/// The signs of life of one connection.
#[derive(Default)]
pub(super) struct Pulse {
    beats: AtomicU64,
    live_streams: AtomicUsize,
    is_heard_out: AtomicBool,
}

impl Pulse {
    /// A request was answered, or a live stream has sent something.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How many signs there were.
    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// A live stream begins.
    pub(super) fn begin_live(&self) {
        self.live_streams.fetch_add(1, Ordering::Relaxed);
    }

    /// One that began has ended.
    pub(super) fn end_live(&self) {
        self.live_streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request was answered and its body was not read: the socket closes only once that has come.
    pub(super) fn hear_out(&self) {
        self.is_heard_out.store(true, Ordering::Relaxed);
    }

    /// How long the connection may stay without a sign.
    pub(super) fn patience(&self, idle_timeout_ms: u64) -> Duration {
        let idle = Duration::from_millis(idle_timeout_ms);
        if self.is_live() { idle.max(STALLED) } else { idle }
    }

    fn is_live(&self) -> bool {
        self.live_streams.load(Ordering::Relaxed) > 0
    }
}

/// The socket as the protocol reads and writes it.
pub(super) struct Wire<S> {
    io: TokioIo<S>,
    pulse: Arc<Pulse>,
    rooms: Arc<Rooms>,
    /// It has carried a live stream, and what the system holds is bounded.
    is_narrow: bool,
    /// Nothing was read yet.
    is_fresh: bool,
    /// How much was read of what nobody wants.
    unwanted_bytes: usize,
}

impl<S: Stream> Wire<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>, rooms: Arc<Rooms>) -> Wire<S> {
        Wire { io: TokioIo::new(stream), pulse, rooms, is_narrow: false, is_fresh: true, unwanted_bytes: 0 }
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut TokioIo<S>> {
        Pin::new(&mut self.get_mut().io)
    }

    /// Reads the first bytes, and hangs up on a balancer that is not listed and says for whom it asks. A
    /// client that wants TLS is told of; the protocol answers it that this is no request.
    fn poll_first(
        &mut self,
        context: &mut Context<'_>,
        cursor: &mut ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; FIRST_BYTES_MAX];
        let length = cursor.remaining().min(FIRST_BYTES_MAX);
        let mut buffer = ReadBuf::new(&mut bytes[..length]);
        ready!(Pin::new(self.io.inner_mut()).poll_read(context, &mut buffer))?;
        self.is_fresh = false;
        let bytes = buffer.filled();
        if !proxied::is_header(bytes) {
            if bytes.starts_with(&TLS) {
                self.rooms.strangers.note(Strange::TlsOnPlain, &self.rooms.clock);
            }
            cursor.put_slice(bytes);
            return Poll::Ready(Ok(()));
        }
        self.rooms.strangers.note(Strange::ProxyUnlisted, &self.rooms.clock);
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }

    /// Reads and drops what still comes, until the client ends it or the bound is met. The connection's alarm
    /// bounds the time.
    fn poll_unwanted(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4 << 10];
        while self.unwanted_bytes < UNWANTED_BYTES_MAX && self.rooms.state.serving.load(Ordering::Acquire) {
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(self.io.inner_mut()).poll_read(context, &mut buffer))?;
            match buffer.filled().len() {
                0 => break,
                read => self.unwanted_bytes += read,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// An error instead of waiting for a reader that is slow, once the daemon stops.
    fn or_stopping<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let is_stopping = || !self.rooms.state.serving.load(Ordering::Acquire);
        if written.is_pending() && self.pulse.is_live() && is_stopping() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        written
    }
}

impl<S: Stream> Read for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_fresh {
            return self.poll_first(context, &mut buffer);
        }
        self.io().poll_read(context, buffer)
    }
}

impl<S: Stream> Write for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.as_mut().io().poll_write(context, bytes);
        self.or_stopping(written)
    }

    /// The protocol flushes whenever it has nothing more to write, so here a live stream waits.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pulse.is_live() {
            if !self.is_narrow {
                self.io.inner().narrow();
                self.is_narrow = true;
            }
            self.io.inner().poll_hang_up(context)?;
        }
        self.as_mut().io().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().io().poll_shutdown(context))?;
        if self.pulse.is_heard_out.load(Ordering::Relaxed) {
            self.poll_unwanted(context)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.as_mut().io().poll_write_vectored(context, slices);
        self.or_stopping(written)
    }
}
