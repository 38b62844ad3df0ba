//! Behind a real nginx with TLS, under a path of the site: the block of the README, word for word.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{VKS, numbers, reads, total, ways::way};
use crate::support::chromium::{Browser, is_installed};
use crate::support::site::document;
use crate::support::{Daemon, free_port, wait_for};

const NOTHING: &[String] = &[];

/// A page: its path, lines of the README, and the policy beside them.
type Page = (&'static str, String, String);

/// A site that nginx serves from a directory, with headcount under `/hc/`.
struct Site {
    _directory: TempDir,
    origin: String,
    daemon: Daemon,
    nginx: Child,
}

impl Site {
    fn start(pages: &[Page]) -> Site {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let origin = format!("https://www.localhost:{port}");
        let daemon = Daemon::start(&format!("public_url = \"{origin}/hc\"\n{VKS}"));
        make_certificate(&directory);
        for (path, lines, _) in pages {
            let html = document(&lines.replace("https://www.example.vn", &origin));
            std::fs::write(directory.path().join(&path[1..]), html).unwrap();
        }
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, configuration(&directory, port, &daemon, pages)).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(directory.path()).arg("-c").arg(file).args(["-e", "stderr"]);
        let nginx = command.spawn().unwrap();
        wait_for(|| TcpStream::connect(("127.0.0.1", port)).ok());
        Site { _directory: directory, origin, daemon, nginx }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.nginx.kill().ok();
        self.nginx.wait().ok();
    }
}

fn make_certificate(directory: &TempDir) {
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]);
    command.args(["-subj", "/CN=www.localhost", "-keyout", "key.pem", "-out", "certificate.pem"]);
    let made = command.current_dir(directory.path()).stderr(Stdio::null()).status().unwrap();
    assert!(made.success());
}

/// The README's block, with the daemon's real port.
fn location(daemon: &Daemon) -> String {
    let readme = include_str!("../../README.md");
    let block = readme.split_once("```nginx\n").and_then(|(_, rest)| rest.split_once("```"));
    let block = block.expect("the README has a block for nginx").0;
    assert!(block.contains("http://127.0.0.1:8080/;"));
    block.replace("127.0.0.1:8080", &daemon.public().to_string())
}

fn configuration(directory: &TempDir, port: u16, daemon: &Daemon, pages: &[Page]) -> String {
    let here = directory.path().display();
    let location = location(daemon);
    let policy = |(path, _, policy): &Page| format!("{path} \"{policy}\";\n");
    let policies = pages.iter().map(policy).collect::<Vec<_>>().concat();
    format!(
        "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{}}\n\
         http {{\naccess_log off;\n\
         client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n\
         map $request_uri $policy {{\n{policies}}}\n\
         server {{\nlisten 127.0.0.1:{port} ssl;\nserver_name www.localhost;\n\
         ssl_certificate {here}/certificate.pem;\nssl_certificate_key {here}/key.pem;\n\
         add_header Content-Security-Policy $policy;\nadd_header X-Frame-Options DENY;\n\
         location / {{\nroot {here};\nssi on;\ndefault_type text/html;\n}}\n\
         location = /favicon.ico {{\nreturn 204;\n}}\n\
         {location}}}\n}}\n"
    )
}

fn scene(pages: &[Page]) -> Option<(Browser, Site)> {
    let browser = Browser::open()?;
    is_installed("nginx").then(|| (browser, Site::start(pages)))
}

#[test]
fn every_way_works_under_a_path_of_the_site_with_the_readmes_policies() {
    let page = |path, number: usize| {
        let way = way(number);
        (path, way.lines[0].clone(), way.policies[0].clone())
    };
    let silent = format!("{}\n{}", way(5).lines[0], way(2).lines[1]);
    let pages = [
        page("/1", 1),
        page("/2", 2),
        page("/3", 3),
        page("/4", 4),
        ("/5", silent, way(2).policies[0].clone()),
    ];
    let Some((browser, site)) = scene(&pages) else { return };
    let block = reads(1, 1);
    for (path, views) in [("/1", 1), ("/2", 2), ("/3", 3), ("/4", 4), ("/5", 5)] {
        browser.visit(&site.at(path));
        match path {
            "/1" => browser.wait_for_text("[data-headcount-block]", &block),
            "/3" => {
                browser.enter_frame();
                assert_eq!(browser.text("p.headcount"), block);
                assert_ne!(
                    browser.run("return getComputedStyle(document.body).margin"),
                    "8px",
                    "the style came"
                );
                browser.leave_frame();
            }
            "/4" => assert_eq!(browser.run("return document.images[0].naturalWidth > 200"), true),
            _ => browser.wait_for_text("p.headcount", &block),
        }
        wait_for(|| (total(&site.daemon) == (views, 1)).then_some(()));
    }
    assert_eq!(numbers(&site.daemon, "/5")["page"]["views"], 1, "the script knows its page");
    browser.close_tab();
    wait_for(|| {
        (site.daemon.metric("headcount_beacons_total{kind=\"leave\",outcome=\"counted\",reason=\"\"}") >= 3.0)
            .then_some(())
    });
    assert_eq!(browser.console(), NOTHING);
}

#[test]
fn the_welcome_page_works_under_a_path_of_the_site() {
    let Some((browser, site)) = scene(&[]) else { return };
    browser.visit(&site.at("/hc"));
    browser.wait_for_text("p.headcount [data-headcount=total]", "1");
    browser.wait_for_text("p.headcount [data-headcount=online]", "1");
    let text = browser.text("main");
    assert!(
        text.contains(&format!("<script defer src=\"{}/hc/headcount.js\" data-site=\"vks\">", site.origin))
    );
    assert!(text.contains("<!--#include virtual=\"/hc/snippet/vks.html\" -->"));
    assert!(!text.contains("proxy_pass"), "readers can reach it, so nothing is to be mended");
    browser.run("document.querySelector('iframe').scrollIntoView()");
    browser.enter_frame();
    assert!(browser.text("p.headcount").starts_with("Số lượt truy cập: "));
    browser.leave_frame();
    let loaded = "return [...document.images].every(i => i.naturalWidth > 0) && \
                  document.styleSheets[0].cssRules.length > 20";
    wait_for(|| (browser.run(loaded) == true).then_some(()));
    assert_eq!((total(&site.daemon), browser.console()), ((1, 1), NOTHING.to_vec()));
}
