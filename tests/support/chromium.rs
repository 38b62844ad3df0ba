//! A real Chromium behind its own driver, driven through `WebDriver`: what a reader's browser does.
//!
//! Each [`Browser`] is a process of its own with a fresh profile, ended when it is dropped. Where
//! Chromium is missing, tests fail under `CI`, and elsewhere say so loudly and pass.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::{ParseError, Url};

use super::PATIENCE;

/// Two ordinary browsers: headless Chromium would call itself a robot.
pub const CHROME_LINUX: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";
pub const CHROME_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 \
     (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36";

/// A window of a browser that nobody else uses.
pub struct Browser {
    client: Option<Client>,
    runtime: Runtime,
    driver: Child,
    console: RefCell<Vec<String>>,
    _profile: TempDir,
}

impl Browser {
    /// An ordinary browser; `None`, after saying so, where there is no Chromium.
    pub fn open() -> Option<Browser> {
        Browser::open_as(CHROME_LINUX, &json!({}))
    }

    /// A browser of this name and with these preferences.
    pub fn open_as(agent: &str, preferences: &Value) -> Option<Browser> {
        if !["chromium", "chromedriver"].into_iter().all(is_installed) {
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        let (driver, port) = start_driver(&profile);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let capabilities = capabilities(agent, preferences, &profile);
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await
        });
        let client = Some(client.expect("the driver starts a browser"));
        Some(Browser { client, runtime, driver, console: RefCell::default(), _profile: profile })
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("is open until it is dropped")
    }

    /// Opens an address and waits until the page has loaded.
    pub fn visit(&self, address: &str) {
        self.runtime.block_on(self.client().goto(address)).unwrap();
    }

    /// Goes back one page, as the button does.
    pub fn back(&self) {
        self.runtime.block_on(self.client().back()).unwrap();
    }

    /// Runs the body of a function in the page and gives what it returns.
    pub fn run(&self, body: &str) -> Value {
        self.runtime.block_on(self.client().execute(body, Vec::new())).unwrap()
    }

    /// The text that a reader sees of the first element of this selector; empty while it is hidden.
    pub fn text(&self, selector: &str) -> String {
        let script = format!("let e = document.querySelector({selector:?}); return e ? e.innerText : null");
        match self.run(&script) {
            Value::String(text) if self.shows(selector) => text,
            _ => String::new(),
        }
    }

    /// Whether the first element of this selector takes up room on the page.
    pub fn shows(&self, selector: &str) -> bool {
        let script =
            format!("let e = document.querySelector({selector:?}); return !!e && e.checkVisibility()");
        self.run(&script) == true
    }

    /// Waits until the element's text is this.
    pub fn wait_for_text(&self, selector: &str, expected: &str) {
        let began = Instant::now();
        while self.text(selector) != expected {
            let last = self.text(selector);
            let told =
                || format!("{selector} reads {last:?}, not {expected:?}; console: {:?}", self.console());
            assert!(began.elapsed() < PATIENCE, "{}", told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes what follows happen within the first frame of the page.
    pub fn enter_frame(&self) {
        self.runtime.block_on(self.client().enter_frame(0)).unwrap();
    }

    /// Back from a frame to the page around it.
    pub fn leave_frame(&self) {
        self.runtime.block_on(self.client().enter_parent_frame()).unwrap();
    }

    /// Closes the tab, and with it the page; the browser stays, with an empty one.
    pub fn close_tab(&self) {
        self.runtime.block_on(async {
            let client = self.client();
            let other = client.new_window(true).await.unwrap().handle;
            client.close_window().await.unwrap();
            client.switch_to_window(other).await.unwrap();
        });
    }

    /// Everything that the console has said so far: warnings, errors, refusals of a policy.
    pub fn console(&self) -> Vec<String> {
        let command = Vendor { path: "se/log", body: json!({"type": "browser"}) };
        let entries = self.runtime.block_on(self.client().issue_cmd(command)).unwrap();
        let mut console = self.console.borrow_mut();
        let messages = entries.as_array().into_iter().flatten().filter_map(|entry| entry["message"].as_str());
        console.extend(messages.map(str::to_owned));
        console.clone()
    }

    /// Light or dark, as the reader's system says, and how wide the window is, in pixels. Nothing moves, so
    /// that a picture does not depend on its moment.
    pub fn dress(&self, scheme: &str, width_px: u32, height_px: u32) {
        let feature = |name: &str, value: &str| json!({"name": name, "value": value});
        let features = [feature("prefers-color-scheme", scheme), feature("prefers-reduced-motion", "reduce")];
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
        let size = json!({"width": width_px, "height": height_px, "deviceScaleFactor": 2, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What a screen reader meets on the page, in its order: a line for each role and name.
    pub fn spoken(&self) -> String {
        let tree = self.devtools("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().into_iter().flatten();
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        let heard = nodes.filter(|node| node["ignored"] != true);
        let lines = heard.map(|node| format!("{}: {}", text(&node["role"]), text(&node["name"])));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A PNG of the whole page, or of the first element of this selector with a margin around it.
    pub fn picture(&self, selector: Option<&str>, margin_px: u32) -> Vec<u8> {
        let clip = selector.map(|selector| {
            let script = format!(
                "let r = document.querySelector({selector:?}).getBoundingClientRect(), m = {margin_px};\
                 return {{x: r.x + scrollX - m, y: r.y + scrollY - m,\
                 width: r.width + 2 * m, height: r.height + 2 * m, scale: 1}}"
            );
            self.run(&script)
        });
        let whole = json!({"format": "png", "captureBeyondViewport": true, "clip": clip.unwrap_or_else(|| {
            self.run("let e = document.documentElement;\
                      return {x: 0, y: 0, width: e.scrollWidth, height: e.scrollHeight, scale: 1}")
        })});
        let answer = self.devtools("Page.captureScreenshot", &whole);
        decode_base64(answer["data"].as_str().expect("a picture"))
    }

    fn devtools(&self, name: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": name, "params": parameters});
        self.runtime.block_on(self.client().issue_cmd(Vendor { path: "goog/cdp/execute", body })).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            self.runtime.block_on(client.close()).ok();
        }
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

/// Whether a program is there; where it is not, tests fail under `CI`, and elsewhere this says so.
pub fn is_installed(program: &str) -> bool {
    let mut command = Command::new(program);
    let found = command.arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "{program} is missing; tests/run installs it");
    if !found {
        eprintln!("!!! NOT TESTED: {program} is missing; tests/run installs it as root on Debian");
    }
    found
}

fn start_driver(home: &TempDir) -> (Child, u16) {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").env("HOME", home.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = command.spawn().unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port =
        lines.find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
    // The rest of what it says must go somewhere, or the pipe fills.
    std::thread::spawn(move || lines.for_each(drop));
    (driver, port.expect("the driver names its port"))
}

fn capabilities(agent: &str, preferences: &Value, profile: &TempDir) -> Capabilities {
    let profile = profile.path().join("profile");
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
        "--ignore-certificate-errors",
        &format!("--user-agent={agent}"),
        &format!("--user-data-dir={}", profile.display()),
    ];
    let wanted = json!({
        "browserName": "chrome",
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {"args": arguments, "prefs": preferences},
    });
    wanted.as_object().cloned().unwrap_or_default()
}

/// A command of Chromium's own driver.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let sextet = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let sextets: Vec<u8> = text.bytes().filter_map(sextet).collect();
    let group = |group: &[u8]| {
        let bits = (0..4).fold(0_u32, |bits, at| bits << 6 | u32::from(group.get(at).copied().unwrap_or(0)));
        bits.to_be_bytes()[1..group.len()].to_vec()
    };
    sextets.chunks(4).flat_map(group).collect()
}
