//! A network that can be cut: what a node sends to a server goes through here.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A listener that hands everything on to one port, until it is cut.
pub struct Network {
    /// Where a node finds it.
    pub port: u16,
    state: Arc<State>,
}

struct State {
    to: u16,
    is_cut: AtomicBool,
    is_over: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Network {
    /// A network that reaches a port of this machine.
    pub fn to(port: u16) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            to: port,
            is_cut: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_over.load(Ordering::Acquire) {
                    break;
                }
                shared.take(&stream);
            }
        });
        Network { port: own, state }
    }

    /// Ends every connection and lets none through.
    pub fn cut(&self) {
        self.state.is_cut.store(true, Ordering::Release);
        for stream in self.state.streams.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.state.is_cut.store(false, Ordering::Release);
    }
}

impl State {
    fn take(&self, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.to)) else { return };
        let mut streams = self.streams.lock().unwrap();
        if self.is_cut.load(Ordering::Acquire) {
            return;
        }
        for (from, to) in [(client, &server), (&server, client)] {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            from.set_nodelay(true).ok();
            streams.push(from.try_clone().unwrap());
            std::thread::spawn(move || {
                let mut bytes = vec![0; 64 << 10];
                while let Ok(read) = from.read(&mut bytes) {
                    if read == 0 || to.write_all(&bytes[..read]).is_err() {
                        break;
                    }
                }
                to.shutdown(Shutdown::Both).ok();
            });
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Release);
        self.cut();
        // The listener wakes up, and ends.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}
