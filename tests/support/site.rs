//! The web server of a page that embeds the counter: static pages, and server-side includes.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::get;

/// A page: its html, and its `Content-Security-Policy` if it has one.
#[derive(Clone)]
struct Page {
    html: String,
    policy: Option<String>,
}

/// A site on a free loopback port; every `*.localhost` name leads to it.
pub struct Site {
    address: SocketAddr,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    closing: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Site {
    /// A site without pages. Includes under `/hc/` come from the daemon at `headcount`.
    pub fn start(headcount: SocketAddr) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (pages, closing) = (Arc::<Mutex<HashMap<_, _>>>::default(), Arc::<AtomicBool>::default());
        let server = std::thread::spawn({
            let (pages, closing) = (Arc::clone(&pages), Arc::clone(&closing));
            move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    if closing.load(Ordering::Acquire) {
                        break;
                    }
                    // A browser opens connections that it then does not use; they must not keep others waiting.
                    let pages = Arc::clone(&pages);
                    std::thread::spawn(move || answer(&stream, &pages, headcount));
                }
            }
        });
        Site { address, pages, closing, server: Some(server) }
    }

    /// Puts a page at a path: what is given stands in its body.
    pub fn put(&self, path: &str, body: &str) {
        self.page(path, body, None);
    }

    /// Puts a page at a path that a policy guards.
    pub fn put_guarded(&self, path: &str, body: &str, policy: &str) {
        self.page(path, body, Some(policy.to_owned()));
    }

    fn page(&self, path: &str, body: &str, policy: Option<String>) {
        let page = Page { html: document(body), policy };
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a page, under this host name.
    pub fn on(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    /// The address of a page, under the site's own name.
    pub fn at(&self, path: &str) -> String {
        self.on("www.localhost", path)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        TcpStream::connect(self.address).ok();
        if let Some(server) = self.server.take() {
            server.join().ok();
        }
    }
}

/// A Vietnamese page.
pub fn document(body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"vi\">\n<head><meta charset=\"utf-8\"><title>a page</title></head>\n<body>\n{body}\n</body>\n</html>\n"
    )
}

fn answer(mut stream: &TcpStream, pages: &Mutex<HashMap<String, Page>>, headcount: SocketAddr) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    lines.by_ref().find(String::is_empty);
    let path = request.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/");
    let page = pages.lock().unwrap().get(path).cloned();
    let reply = match page {
        None if path == "/favicon.ico" => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        Some(Page { html, policy }) => {
            let html = included(&html, headcount);
            let policy =
                policy.map(|policy| format!("Content-Security-Policy: {policy}\r\n")).unwrap_or_default();
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n{policy}Connection: close\r\n\r\n{html}",
                html.len()
            )
        }
    };
    stream.write_all(reply.as_bytes()).ok();
}

/// Puts what they name in the places of server-side includes.
fn included(html: &str, headcount: SocketAddr) -> String {
    let Some((before, rest)) = html.split_once("<!--#include virtual=\"/hc") else { return html.to_owned() };
    let (path, after) = rest.split_once("\" -->").expect("an include ends");
    [before, &get(headcount, path, &[]).text(), &included(after, headcount)].concat()
}
