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
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::Rooms;

/// A live stream that could send nothing for this long, not even a heartbeat, is cut: its reader has
/// stopped reading. Four heartbeats.
const STALLED: Duration = Duration::from_mins(1);

/// What the system may hold of a live stream that is not read, about: some twenty events. Left to itself
/// it would let that grow to megabytes, and a reader that reads again would hear of the past first.
const UNREAD_BYTES_MAX: usize = 16 << 10;

/// What is read of a body that nobody wants before the socket closes: as large a form as is sent by mistake.
const UNWANTED_BYTES_MAX: usize = 1 << 20;

/// The signs of life of one connection.
#[derive(Default)]
pub(super) struct Pulse {
    beats: AtomicU64,
    is_live: AtomicBool,
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
        self.is_live.store(true, Ordering::Relaxed);
    }

    /// The live stream has ended.
    pub(super) fn end_live(&self) {
        self.is_live.store(false, Ordering::Relaxed);
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
        self.is_live.load(Ordering::Relaxed)
    }
}

/// The socket as the protocol reads and writes it.
pub(super) struct Wire {
    io: TokioIo<TcpStream>,
    pulse: Arc<Pulse>,
    rooms: Arc<Rooms>,
    /// It has carried a live stream, and what the system holds is bounded.
    is_narrow: bool,
    /// How much was read of what nobody wants.
    unwanted_bytes: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Pulse>, rooms: Arc<Rooms>) -> Wire {
        Wire { io: TokioIo::new(stream), pulse, rooms, is_narrow: false, unwanted_bytes: 0 }
    }

    fn io(self: Pin<&mut Self>) -> Pin<&mut TokioIo<TcpStream>> {
        Pin::new(&mut self.get_mut().io)
    }

    fn narrow(&mut self) {
        // Where the system refuses, it holds more.
        SockRef::from(self.io.inner()).set_send_buffer_size(UNREAD_BYTES_MAX).ok();
        self.is_narrow = true;
    }

    /// An error once the reader of a live stream has hung up. Until then the task is woken by it.
    fn poll_hang_up(&self, context: &mut Context<'_>) -> io::Result<()> {
        let mut byte = [0];
        match self.io.inner().poll_peek(context, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(_)) | Poll::Pending => Ok(()),
        }
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

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.io().poll_read(context, buffer)
    }
}

impl Write for Wire {
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
                self.narrow();
            }
            self.poll_hang_up(context)?;
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
