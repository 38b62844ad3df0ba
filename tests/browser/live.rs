//! A page that listens: its number changes when somebody else comes.

use serde_json::json;

use super::{VKS, base, script};
use crate::support::chromium::{Browser, CHROME_LINUX, CHROME_WINDOWS};
use crate::support::site::Site;
use crate::support::{Daemon, wait_for};

/// The lines of the README.
fn listener(daemon: &Daemon) -> String {
    let base = base(daemon);
    format!(
        "<p>Số người online: <span id=\"online\"></span></p>
<script>
  new EventSource(\"{base}/live/vks?page=\" + location.pathname).addEventListener(\"numbers\", function (event) {{
    document.getElementById(\"online\").textContent = JSON.parse(event.data).text.online;
  }});
</script>"
    )
}

#[test]
fn a_page_that_listens_sees_somebody_else_come() {
    let Some(listening) = Browser::open_as(CHROME_LINUX, &json!({})) else { return };
    let Some(coming) = Browser::open_as(CHROME_WINDOWS, &json!({})) else { return };
    let daemon = Daemon::start(VKS);
    let site = Site::start(daemon.public());
    site.put("/", &listener(&daemon));
    site.put("/counted", &script(&daemon, "data-hide"));
    listening.visit(&site.at("/"));
    listening.wait_for_text("#online", "0");
    coming.visit(&site.at("/counted"));
    listening.wait_for_text("#online", "1");
    assert_eq!(listening.console(), Vec::<String>::new());
    assert_eq!(daemon.metric("headcount_live_streams").to_string(), "1");
    // Who closes the page hangs up.
    listening.close_tab();
    wait_for(|| (daemon.metric("headcount_live_streams") == 0.0).then_some(()));
}
