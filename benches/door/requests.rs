//! Requests as browsers send them, through a proxy that names the client.

use std::sync::Arc;

const VISITORS: u32 = 5_000;
const PAGES: u32 = 500;
/// Divisible by neither: every visitor meets many pages.
const REQUESTS: u32 = 20_011;

/// Header lines of a browser's own, in its own order.
const BROWSERS: [&str; 6] = [
    "sec-ch-ua-platform: \"Windows\"\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\nsec-ch-ua: \"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\nContent-Type: text/plain;charset=UTF-8\r\nsec-ch-ua-mobile: ?0\r\nAccept: */*\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: vi-VN,vi;q=0.9,en-US;q=0.8,en;q=0.7\r\n",
    "sec-ch-ua-platform: \"Android\"\r\nUser-Agent: Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36\r\nsec-ch-ua: \"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\nContent-Type: text/plain;charset=UTF-8\r\nsec-ch-ua-mobile: ?1\r\nAccept: */*\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: vi-VN,vi;q=0.9\r\n",
    "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0\r\nAccept: */*\r\nAccept-Language: vi-VN,vi;q=0.8,en-US;q=0.5,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nContent-Type: text/plain;charset=UTF-8\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nPriority: u=4\r\n",
    "Content-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\nSec-Fetch-Site: same-origin\r\nAccept-Language: vi-VN,vi;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\nSec-Fetch-Mode: cors\r\nUser-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1\r\nSec-Fetch-Dest: empty\r\nPriority: u=3, i\r\n",
    "Content-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\nSec-Fetch-Site: same-origin\r\nAccept-Language: en-GB,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\nSec-Fetch-Mode: cors\r\nUser-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15\r\nSec-Fetch-Dest: empty\r\nPriority: u=3, i\r\n",
    "sec-ch-ua-platform: \"Windows\"\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0\r\nsec-ch-ua: \"Chromium\";v=\"142\", \"Microsoft Edge\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\nContent-Type: text/plain;charset=UTF-8\r\nsec-ch-ua-mobile: ?0\r\nAccept: */*\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9,vi;q=0.8\r\n",
];

/// Words that paths of a news site are made of.
const WORDS: [&str; 8] =
    ["tin-tuc", "thong-bao", "van-ban", "gioi-thieu", "cai-cach", "hoat-dong", "lich-cong-tac", "hoi-dap"];

/// Views of 5,000 visitors on 500 pages.
pub(crate) fn prebuilt() -> Arc<Vec<Vec<u8>>> {
    Arc::new((0..REQUESTS).map(request).collect())
}

fn request(n: u32) -> Vec<u8> {
    let (visitor, page) = (n.wrapping_mul(2_654_435_761) % VISITORS, n.wrapping_mul(40_503) % PAGES);
    let pick = |list: &'static [&'static str], n: u32| list[usize::try_from(n).unwrap_or(0) % list.len()];
    let path = format!("/{}/{}-{page}", pick(&WORDS, page), pick(&WORDS, page / 8));
    let (referrer, width) =
        if n.is_multiple_of(3) { ("https%3A%2F%2Fwww.google.com%2F", 390) } else { ("", 1920) };
    let body = format!(
        "s=vks&k=view&w={width}&u=https%3A%2F%2Fwww.example.vn{}&r={referrer}",
        path.replace('/', "%2F")
    );
    format!(
        "POST /hit HTTP/1.1\r\nHost: www.example.vn\r\nX-Forwarded-For: 203.{}.{}.{}\r\nX-Forwarded-Proto: https\r\nContent-Length: {}\r\n{}Origin: https://www.example.vn\r\nReferer: https://www.example.vn{path}\r\n\r\n{body}",
        visitor / 2_000,
        visitor / 200 % 10,
        visitor % 200,
        body.len(),
        pick(&BROWSERS, visitor),
    )
    .into_bytes()
}
