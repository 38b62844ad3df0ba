//! The servers: headcount, a bare hyper server, nginx; each a process of its own on one core.

use std::convert::Infallible;
use std::fs;
use std::future::ready;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::requests;

/// As the daemon does by default; limits are off, since all requests come at once.
const CONFIGURATION: &str = r#"
workers = 1
[limits]
views_per_network_per_second = 0
new_visitors_per_network_per_hour = 0
[[site]]
id = "vks"
hosts = ["www.example.vn"]
time_zone = "Asia/Ho_Chi_Minh"
language = "vi"
"#;

/// A process that serves.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) pid: u32,
    /// How long after a turn something may still be put off.
    pub(crate) settles: Duration,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    /// User and system time of the whole process so far, in clock ticks.
    pub(crate) fn cpu_ticks(&self) -> Result<u32> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields = stat.rsplit_once(')').context("stat")?.1.split_whitespace();
        fields.skip(11).take(2).map(|field| field.parse::<u32>().context("stat")).sum()
    }

    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.split_whitespace().next().context("VmRSS")?.parse()?)
    }

    /// What headcount says it counted.
    pub(crate) fn counted(&self) -> Result<String> {
        if self.name != "headcount" {
            return Ok(String::new());
        }
        let answer =
            ask(self.address, b"GET /snippet/vks.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let total = answer.split_once("\"total\":").map_or("", |(_, rest)| rest);
        Ok(format!(", counted {}", total.split_inclusive('}').next().unwrap_or("")))
    }
}

/// Headcount first; nginx only where it is installed.
pub(crate) fn start_all(directory: &Path, core: &str) -> Result<Vec<Server>> {
    let headcount = start_headcount(directory, core)?;
    let replay = directory.join("answer");
    let first = requests::prebuilt()[0].clone();
    let answer = ask(headcount.address, &[&first[..], b""].concat())?;
    if !answer.contains("\"counted\":true") {
        bail!("headcount did not count: {answer}");
    }
    fs::write(&replay, answer)?;
    let mut servers = vec![headcount, start_bare(&replay, core)?];
    for (name, log) in [("nginx-log", true), ("nginx", false)] {
        match start_nginx(name, directory, log, core) {
            Ok(server) => servers.push(server),
            Err(error) => eprintln!("without {name}: {error:#}"),
        }
    }
    Ok(servers)
}

fn pinned(core: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

fn start_headcount(directory: &Path, core: &str) -> Result<Server> {
    let configuration = directory.join("headcount.toml");
    fs::write(&configuration, CONFIGURATION)?;
    let program = std::env::var_os("HEADCOUNT").unwrap_or_else(|| env!("CARGO_BIN_EXE_headcount").into());
    let mut child = pinned(core, program)
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config"])
        .arg(&configuration)
        .arg("--state-directory")
        .arg(directory.join("state"))
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("stderr")?).lines();
    let address = loop {
        let line = lines.next().context("headcount ended")??;
        if let Some((_, address)) = line.split_once("serving address=") {
            break address.split_whitespace().next().context("address")?.parse()?;
        }
    };
    // Whatever it says later is read, so that it never waits for us.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
    Ok(Server { name: "headcount", address, pid: child.id(), settles: Duration::from_millis(1_200), child })
}

fn start_bare(replay: &Path, core: &str) -> Result<Server> {
    let mut child =
        pinned(core, std::env::current_exe()?).arg("--bare").arg(replay).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
    Ok(Server {
        name: "bare",
        address: line.trim().parse()?,
        pid: child.id(),
        settles: Duration::from_millis(50),
        child,
    })
}

fn start_nginx(name: &'static str, directory: &Path, log: bool, core: &str) -> Result<Server> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let prefix: PathBuf = directory.join(name);
    fs::create_dir(&prefix)?;
    let access = if log { "access.log" } else { "off" };
    let access = if log { prefix.join(access).display().to_string() } else { access.to_owned() };
    let configuration = format!(
        "daemon off; master_process off; worker_processes 1; pid {p}/pid; error_log {p}/error.log;
         events {{ worker_connections 1024; }}
         http {{ access_log {access}; keepalive_requests 1000000000; keepalive_timeout 600s;
           client_body_temp_path {p}/body; proxy_temp_path {p}/proxy; fastcgi_temp_path {p}/fastcgi;
           uwsgi_temp_path {p}/uwsgi; scgi_temp_path {p}/scgi;
           server {{ listen {address}; location / {{ return 204; }} }} }}",
        p = prefix.display()
    );
    let file = prefix.join("nginx.conf");
    fs::write(&file, configuration)?;
    let child = pinned(core, "nginx").arg("-p").arg(&prefix).arg("-c").arg(&file).spawn()?;
    let mut server = Server { name, address, pid: child.id(), settles: Duration::from_millis(50), child };
    for _ in 0..500 {
        if TcpStream::connect(address).is_ok() {
            return Ok(server);
        }
        if let Some(status) = server.child.try_wait()? {
            bail!("nginx ended with {status}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("nginx does not listen")
}

fn ask(address: SocketAddr, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The bare server: one thread, hyper with the daemon's settings, the same bytes to everybody.
pub(crate) fn serve_bare(replay: &Path) -> Result<()> {
    let answer = fs::read_to_string(replay)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    let mut headers = HeaderMap::new();
    for line in head.lines().skip(1) {
        let (name, value) = line.split_once(": ").context("a header")?;
        if !["content-length", "date", "connection"].contains(&name) {
            headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
        }
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (headers, body) = (headers.clone(), body.clone());
            let service = service_fn(move |_| {
                let mut response = Response::new(Full::new(body.clone()));
                for (name, value) in &headers {
                    response.headers_mut().insert(name, value.clone());
                }
                ready(Ok::<_, Infallible>(response))
            });
            let connection = http1::Builder::new()
                .half_close(true)
                .max_buf_size(16 << 10)
                .writev(false)
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move { connection.await.ok() });
        }
    })
}
