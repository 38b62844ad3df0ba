//! The PROXY protocol: a balancer that passes bytes on says first for whom.
//!
//! The format is haproxy's `doc/proxy-protocol.txt`, versions 1 (a line) and 2 (bytes). Listed peers must
//! send a header, others must not: whoever may send one says who he is. Not a byte behind the header is
//! taken, and what it may hold is bounded before it is read.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use ppp::{v1, v2};
use tokio::io::AsyncReadExt;

use super::socket::Raw;
use super::strangers::Strange;
use crate::visitor::PeerAddress;

/// The longest line of version 1, by its definition.
const LINE_BYTES_MAX: usize = 107;
/// Addresses of unix sockets take 216 bytes; the rest is for what balancers add, such as names and
/// identifiers of a cloud.
const BODY_BYTES_MAX: usize = 2_048;
/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, and the length of the rest.
const HEAD_BYTES: usize = 16;
/// What version 1 begins with.
const LINE: &[u8] = b"PROXY ";

/// Peers whose connections begin with a PROXY header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcers {
    /// By their addresses.
    pub networks: Vec<IpNet>,
    /// Whoever comes through a unix socket.
    pub unix: bool,
}

impl Announcers {
    /// Whether this peer is one.
    #[must_use]
    pub fn include(&self, peer: PeerAddress) -> bool {
        match peer {
            PeerAddress::Unix => self.unix,
            PeerAddress::Ip(_) if self.networks.is_empty() => false,
            PeerAddress::Ip(address) => {
                let address = address.to_canonical();
                self.networks.iter().any(|network| network.contains(&address))
            }
        }
    }
}

/// Whether bytes begin as a PROXY header does; a piece of one is enough.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    let begins = |with: &[u8]| bytes.len() > 4 && (bytes.starts_with(with) || with.starts_with(bytes));
    begins(LINE) || begins(SIGNATURE)
}

/// Reads the header of a listed peer: for whom it asks, or itself when it asks for nobody, as a balancer
/// does to see whether we are well.
///
/// # Errors
/// When there is none, or none that can be read.
pub(super) async fn announced<S: Raw>(stream: &mut S, peer: PeerAddress) -> Result<PeerAddress, Strange> {
    let mut head = [0; HEAD_BYTES];
    let begin = SIGNATURE.len();
    stream.read_exact(&mut head[..begin]).await.map_err(|_| Strange::ProxyMissing)?;
    let address = if head.starts_with(SIGNATURE) {
        bytes(stream, head).await
    } else if head.starts_with(LINE) {
        line(stream, &head[..begin]).await
    } else {
        return Err(Strange::ProxyMissing);
    };
    match address {
        Ok(Some(address)) => Ok(PeerAddress::Ip(address)),
        Ok(None) => Ok(peer),
        Err(_) => Err(Strange::ProxyMalformed),
    }
}

/// Version 2, whose signature is there already.
async fn bytes<S: Raw>(stream: &mut S, mut head: [u8; HEAD_BYTES]) -> io::Result<Option<IpAddr>> {
    stream.read_exact(&mut head[SIGNATURE.len()..]).await?;
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > BODY_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut whole = vec![0; HEAD_BYTES + length];
    whole[..HEAD_BYTES].copy_from_slice(&head);
    stream.read_exact(&mut whole[HEAD_BYTES..]).await?;
    let header = v2::Header::try_from(whole.as_slice()).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(ends)) => Some(IpAddr::V4(ends.source_address)),
        (v2::Command::Proxy, v2::Addresses::IPv6(ends)) => Some(IpAddr::V6(ends.source_address)),
        _ => None,
    })
}

/// Version 1, whose first bytes are there already. What has come is looked at before it is taken, so that
/// nothing behind the line is.
async fn line<S: Raw>(stream: &mut S, begin: &[u8]) -> io::Result<Option<IpAddr>> {
    let mut line = [0; LINE_BYTES_MAX];
    let mut length = begin.len();
    line[..length].copy_from_slice(begin);
    while line[length - 1] != b'\n' {
        let seen = stream.peek(&mut line[length..]).await?;
        let coming = &line[length..length + seen];
        let wanted = coming.iter().position(|byte| *byte == b'\n').map_or(seen, |end| end + 1);
        if wanted == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.read_exact(&mut line[length..length + wanted]).await?;
        length += wanted;
    }
    let header = v1::Header::try_from(&line[..length]).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(ends) => Some(IpAddr::V4(ends.source_address)),
        v1::Addresses::Tcp6(ends) => Some(IpAddr::V6(ends.source_address)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    use super::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(work)
    }

    /// What is read of these bytes, sent in two pieces cut at `cut`, and what is left behind them.
    fn read(sent: &[u8], cut: usize) -> (Result<Option<String>, Strange>, Vec<u8>) {
        run(async {
            let (mut theirs, mut ours) = UnixStream::pair().expect("a pair");
            let (first, rest) = (sent[..cut].to_vec(), sent[cut..].to_vec());
            let sending = tokio::spawn(async move {
                theirs.write_all(&first).await.ok();
                tokio::task::yield_now().await;
                theirs.write_all(&rest).await.ok();
            });
            let reading =
                tokio::time::timeout(Duration::from_secs(20), announced(&mut ours, PeerAddress::Unix));
            let peer = reading.await.expect("it ends, since the sender does").map(|peer| match peer {
                PeerAddress::Unix => None,
                PeerAddress::Ip(address) => Some(address.to_string()),
            });
            sending.await.expect("has sent");
            let mut left = Vec::new();
            ours.read_to_end(&mut left).await.ok();
            (peer, left)
        })
    }

    fn second(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("is short").to_be_bytes();
        [SIGNATURE.as_slice(), &[0x20 | command, family], &length, body].concat()
    }

    #[test]
    fn headers_of_both_versions_name_the_client_and_nothing_behind_them_is_taken() {
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 80];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 9;
        let with_more = [v4.as_slice(), &[0x04, 0, 2, 1, 2]].concat();
        let cases: [(Vec<u8>, Option<&str>); 8] = [
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 12345 80\r\n".to_vec(), Some("203.0.113.7")),
            (b"PROXY TCP6 2001:db8::9 ::1 12345 80\r\n".to_vec(), Some("2001:db8::9")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (second(1, 0x11, &v4), Some("203.0.113.7")),
            (second(1, 0x11, &with_more), Some("203.0.113.7")),
            (second(1, 0x21, &v6), Some("2001:db8::9")),
            (second(0, 0x00, &[]), None),
            (second(1, 0x31, &[7; 216]), None),
        ];
        for (header, client) in cases {
            let sent = [header.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
            for cut in 0..header.len() {
                let (peer, left) = read(&sent, cut);
                assert_eq!(peer, Ok(client.map(str::to_owned)), "{}", String::from_utf8_lossy(&header));
                assert_eq!(left, b"GET / HTTP/1.1\r\n");
            }
        }
    }

    #[test]
    fn what_is_missing_or_cannot_be_read_is_refused() {
        let cases: [(Vec<u8>, Strange); 9] = [
            (b"".to_vec(), Strange::ProxyMissing),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Strange::ProxyMissing),
            (b"PROXY TCP4 nobody 10.0.0.1 1 2\r\n".to_vec(), Strange::ProxyMalformed),
            (b"PROXY TCP9 203.0.113.7 10.0.0.1 1 2\r\n".to_vec(), Strange::ProxyMalformed),
            ([b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(), Strange::ProxyMalformed),
            (b"PROXY TCP4 203.0.113.7".to_vec(), Strange::ProxyMalformed),
            (second(1, 0x11, &[1; 4]), Strange::ProxyMalformed),
            (second(1, 0x11, &[1; BODY_BYTES_MAX + 1]), Strange::ProxyMalformed),
            (second(9, 0x11, &[1; 12]), Strange::ProxyMalformed),
        ];
        for (sent, strange) in cases {
            assert_eq!(read(&sent, 0).0, Err(strange), "{}", String::from_utf8_lossy(&sent));
        }
    }

    #[test]
    fn only_listed_peers_announce() {
        let networks = vec!["10.0.0.0/8".parse().expect("a network")];
        let announcers = Announcers { networks, unix: false };
        let ip = |text: &str| PeerAddress::Ip(text.parse().expect("an address"));
        assert!(announcers.include(ip("10.1.2.3")) && announcers.include(ip("::ffff:10.1.2.3")));
        assert!(!announcers.include(ip("192.0.2.1")) && !announcers.include(PeerAddress::Unix));
        assert!(Announcers { unix: true, ..announcers }.include(PeerAddress::Unix));
    }

    #[test]
    fn a_header_is_known_by_its_first_bytes() {
        assert!(is_header(b"PROXY TCP4 1.2") && is_header(SIGNATURE) && is_header(b"\r\n\r\n\0"));
        assert!(!is_header(b"POST /hit HTTP/1.1") && !is_header(b"P") && !is_header(b""));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(any::<u8>(), 0..120), second in any::<bool>()) {
            let begin = if second { SIGNATURE.as_slice() } else { LINE };
            read(&[begin, &line].concat(), 0).0.ok();
        }
    }
}
