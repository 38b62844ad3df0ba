//! Where the shared store is: the value of `shared_store`, parsed.
//!
//! | written as | means |
//! |---|---|
//! | `redis://host:6379/0` | one server |
//! | `redis+unix:///run/redis/redis.sock` | one server, by a unix socket |
//! | `redis+sentinel://host:26379,host:26379/name` | the primary that Sentinels know by that name |
//! | `redis+cluster://host:6379,host:6379` | a Cluster, by any of its members |
//!
//! `rediss` instead of `redis` speaks TLS. A user and a password may stand before the first host, and
//! are better kept in `fleet.user` and `fleet.password_file`.

use std::fmt;
use std::path::PathBuf;

/// The port of a server that names none.
const PORT: u16 = 6_379;
/// The port of a Sentinel that names none.
const SENTINEL_PORT: u16 = 26_379;

/// Where the shared store is.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Of what kind, and its hosts.
    pub place: Place,
    /// Whether to speak TLS.
    pub tls: bool,
    /// Who we are; empty is the server's default user.
    pub user: String,
    /// The password in the address itself, if there is one.
    pub password: Option<String>,
    /// The database number; a Cluster has only 0.
    pub database: i64,
}

/// What kind of store it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One server.
    Server(Host),
    /// One server behind a unix socket.
    Unix(PathBuf),
    /// The primary that Sentinels know by that name.
    Sentinel(Vec<Host>, String),
    /// A Cluster, by some of its members.
    Cluster(Vec<Host>),
}

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// A name or an address, without brackets.
    pub name: String,
    /// The port.
    pub port: u16,
}

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Begins with something else.
    #[error(
        "begins with none of redis://, rediss://, redis+unix://, redis+sentinel://, redis+cluster://, rediss+sentinel://, rediss+cluster://"
    )]
    Scheme,
    /// No host.
    #[error("names no host")]
    Host,
    /// A port that is none.
    #[error("has a port that is no number from 1 to 65535: {0:?}")]
    Port(String),
    /// One server has one host.
    #[error(
        "names several hosts for one server: write redis+sentinel://host,host/name if these are Sentinels, \
         redis+cluster://host,host if they are of a Cluster, else the primary alone"
    )]
    Several,
    /// A Sentinel's primary has a name.
    #[error(
        "needs the name that the Sentinels know the primary by, as in redis+sentinel://host:26379/mymaster"
    )]
    Name,
    /// A database that is none.
    #[error("has a database that is no number from 0 on: {0:?}")]
    Database(String),
    /// A Cluster has one database.
    #[error("names a database, and a Cluster has none but 0")]
    ClusterDatabase,
}

impl Address {
    /// Parses what stands in the configuration.
    ///
    /// # Errors
    /// When it is none of the forms above.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let (tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, kind),
            None => (false, scheme.strip_prefix("redis").ok_or(AddressError::Scheme)?),
        };
        if kind == "+unix" && !tls {
            return Address::parse_unix(rest);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let port = if kind == "+sentinel" { SENTINEL_PORT } else { PORT };
        let hosts =
            hosts.split(',').map(|host| Host::parse(host.trim(), port)).collect::<Result<Vec<_>, _>>()?;
        let first = hosts.first().cloned().ok_or(AddressError::Host)?;
        let (place, database) = match kind {
            "" if hosts.len() > 1 => return Err(AddressError::Several),
            "" => (Place::Server(first), database(path)?),
            "+sentinel" => {
                let (name, rest) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(AddressError::Name);
                }
                (Place::Sentinel(hosts, name.to_owned()), database(rest)?)
            }
            "+cluster" if database(path)? != 0 => return Err(AddressError::ClusterDatabase),
            "+cluster" => (Place::Cluster(hosts), 0),
            _ => return Err(AddressError::Scheme),
        };
        let (user, password) = login_of(login);
        Ok(Address { place, tls, user, password, database })
    }

    fn parse_unix(rest: &str) -> Result<Address, AddressError> {
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !path.starts_with('/') {
            return Err(AddressError::Host);
        }
        let number = query.split('&').find_map(|part| part.strip_prefix("db=")).unwrap_or("");
        let place = Place::Unix(PathBuf::from(path));
        Ok(Address { place, tls: false, user: String::new(), password: None, database: database(number)? })
    }
}

impl Host {
    fn parse(text: &str, default: u16) -> Result<Host, AddressError> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (name, port) = match bracketed {
            Some((name, rest)) => (name, rest.strip_prefix(':').unwrap_or("")),
            None => text.split_once(':').unwrap_or((text, "")),
        };
        if name.is_empty() {
            return Err(AddressError::Host);
        }
        let port = match port {
            "" => default,
            port => port.parse().ok().filter(|port| *port > 0).ok_or(AddressError::Port(port.to_owned()))?,
        };
        Ok(Host { name: name.to_owned(), port })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

impl fmt::Display for Address {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let list = |hosts: &[Host]| hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(",");
        match &self.place {
            Place::Server(host) => write!(f, "{scheme}://{host}/{}", self.database),
            Place::Unix(path) => write!(f, "redis+unix://{}?db={}", path.display(), self.database),
            Place::Sentinel(hosts, name) => write!(f, "{scheme}+sentinel://{}/{name}", list(hosts)),
            Place::Cluster(hosts) => write!(f, "{scheme}+cluster://{}", list(hosts)),
        }
    }
}

impl fmt::Debug for Address {
    /// As it is shown: a log line never holds a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn database(text: &str) -> Result<i64, AddressError> {
    match text {
        "" => Ok(0),
        text => text.parse().ok().filter(|n| *n >= 0).ok_or_else(|| AddressError::Database(text.to_owned())),
    }
}

fn login_of(login: Option<&str>) -> (String, Option<String>) {
    let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
    match login.map(|login| login.split_once(':')) {
        None => (String::new(), None),
        Some(None) => (login.map(decode).unwrap_or_default(), None),
        Some(Some((user, password))) => (decode(user), Some(decode(password))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_shown_without_its_secret() {
        for (text, shown) in [
            ("redis://127.0.0.1", "redis://127.0.0.1:6379/0"),
            ("rediss://hc:p%40ss@[::1]:7000/2", "rediss://[::1]:7000/2"),
            ("redis+unix:///run/redis.sock?db=3", "redis+unix:///run/redis.sock?db=3"),
            ("redis+sentinel://a,b:1/main", "redis+sentinel://a:26379,b:1/main"),
            ("rediss+cluster://a:1,b:2", "rediss+cluster://a:1,b:2"),
            ("redis+sentinel://u:p@ a , [::1] /main", "redis+sentinel://a:26379,[::1]:26379/main"),
        ] {
            let address = Address::parse(text).expect("an address");
            assert_eq!((address.to_string(), format!("{address:?}")), (shown.to_owned(), shown.to_owned()));
        }
        let address = Address::parse("rediss://hc:p%40ss@h").expect("an address");
        assert_eq!((address.user.as_str(), address.password.as_deref()), ("hc", Some("p@ss")));
    }

    #[test]
    fn what_is_no_address_is_named() {
        for (text, error) in [
            ("valkey://a", AddressError::Scheme),
            ("127.0.0.1:6379", AddressError::Scheme),
            ("redis+magic://a", AddressError::Scheme),
            ("redis://", AddressError::Host),
            ("redis://a,b", AddressError::Several),
            ("rediss://a:1,b:2/0", AddressError::Several),
            ("redis+cluster://a, ,b", AddressError::Host),
            ("redis://a:0", AddressError::Port("0".to_owned())),
            ("redis://a/x", AddressError::Database("x".to_owned())),
            ("redis+sentinel://a", AddressError::Name),
            ("redis+cluster://a/1", AddressError::ClusterDatabase),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
    }
}
