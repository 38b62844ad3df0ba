//! The connection to the shared store: one server, the primary that Sentinels name, or a Cluster.
//!
//! A connection that fails is dropped and made anew by whoever calls next, not more often than
//! [`RECONNECT_PAUSE`]. A server that turned into a replica is treated alike: behind Sentinels the next
//! connection asks them for the primary. The client of a Cluster finds its own way by `MOVED` and `ASK`.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;

use super::address::{Address, Host, Place};
use super::error::CallError;
use super::script::Script;

/// A store that refuses connections is not asked for one more often.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);

/// A Cluster that is being mended is asked again this soon.
const RETRY_WAIT_MS_MAX: u64 = 100;

/// How to reach the shared store.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where it is.
    pub address: Address,
    /// Who we are; empty takes what the address says.
    pub user: String,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Certificates of the authorities that sign the servers' (PEM); without it the system's.
    pub ca_file: Option<PathBuf>,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// The connection.
pub(super) struct Engine {
    access: Access,
    link: Mutex<Link>,
    /// How many times a connection was made, the first left out.
    reconnects: AtomicU64,
}

#[derive(Default)]
struct Link {
    open: Option<(u64, Wire)>,
    made: u64,
    tried: Option<(Instant, CallError)>,
}

#[derive(Clone)]
enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Engine {
    pub(super) fn new(access: Access) -> Engine {
        Engine { access, link: Mutex::default(), reconnects: AtomicU64::new(0) }
    }

    /// How many times the connection was made again.
    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    /// Runs a script on the keys, which all lie in one slot.
    pub(super) async fn run(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[Vec<u8>],
    ) -> Result<Value, CallError> {
        let command = |name: &str, body: &str| {
            let mut command = redis::cmd(name);
            command.arg(body).arg(keys.len()).arg(keys);
            for argument in arguments {
                command.arg(&argument[..]);
            }
            command
        };
        match self.ask(&command("EVALSHA", script.hash())).await {
            Err(error) if error.is_unknown_script() => self.ask(&command("EVAL", script.text)).await,
            answer => answer,
        }
    }

    /// Sends a command and waits for its answer.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, CallError> {
        let (number, mut wire) = self.wire().await?;
        let timeout = self.access.timeout;
        let answer = match &mut wire {
            Wire::One(connection) => {
                tokio::time::timeout(timeout, connection.req_packed_command(command)).await
            }
            Wire::Cluster(connection) => {
                tokio::time::timeout(timeout, connection.req_packed_command(command)).await
            }
        };
        let failure = match answer {
            Ok(Ok(Value::ServerError(error))) => CallError::from(RedisError::from(error)),
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => CallError::from(error),
            Err(_) => CallError::Timeout,
        };
        if failure.breaks_connection() {
            self.drop_wire(number).await;
        }
        Err(failure)
    }

    async fn drop_wire(&self, number: u64) {
        let mut link = self.link.lock().await;
        if link.open.as_ref().is_some_and(|(open, _)| *open == number) {
            link.open = None;
        }
    }

    /// The connection, made if there is none. One caller makes it while the others wait.
    async fn wire(&self) -> Result<(u64, Wire), CallError> {
        let mut link = self.link.lock().await;
        if let Some((number, wire)) = &link.open {
            return Ok((*number, wire.clone()));
        }
        if let Some((at, error)) = &link.tried
            && at.elapsed() < RECONNECT_PAUSE
        {
            return Err(error.clone());
        }
        let made = match tokio::time::timeout(self.access.timeout * 2, self.access.connect()).await {
            Ok(made) => made,
            Err(_) => Err(CallError::Timeout),
        };
        match made {
            Ok(wire) => {
                if link.made > 0 {
                    self.reconnects.fetch_add(1, Ordering::Relaxed);
                }
                link.made += 1;
                link.tried = None;
                link.open = Some((link.made, wire.clone()));
                Ok((link.made, wire))
            }
            Err(error) => {
                link.tried = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

impl Access {
    async fn connect(&self) -> Result<Wire, CallError> {
        if self.address.tls {
            // Another part of the program may have chosen the same provider before.
            rustls::crypto::ring::default_provider().install_default().ok();
        }
        match &self.address.place {
            Place::Server(_) | Place::Unix(_) => self.connect_server().await,
            Place::Sentinel(hosts, name) => self.connect_sentinel(hosts, name).await,
            Place::Cluster(hosts) => self.connect_cluster(hosts).await,
        }
    }

    async fn connect_server(&self) -> Result<Wire, CallError> {
        let address = match &self.address.place {
            Place::Unix(path) => ConnectionAddr::Unix(path.clone()),
            Place::Server(host) => self.host(host),
            Place::Sentinel(..) | Place::Cluster(_) => return Err(CallError::Timeout),
        };
        let info = address.into_connection_info()?.set_redis_settings(self.login()?);
        let client = if self.address.tls {
            Client::build_with_tls(info, self.certificates()?)?
        } else {
            Client::open(info)?
        };
        Ok(Wire::One(client.get_multiplexed_async_connection_with_config(&self.settings()).await?))
    }

    async fn connect_sentinel(&self, hosts: &[Host], name: &str) -> Result<Wire, CallError> {
        let sentinels = hosts.iter().map(|host| self.host(host));
        let mut builder = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?
            .set_client_to_redis_db(self.address.database);
        let (user, password) = self.secret()?;
        if !user.is_empty() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = password {
            builder = builder.set_client_to_redis_password(password);
        }
        if self.address.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(self.certificates()?)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(self.certificates()?);
        }
        let mut client = builder.build()?;
        Ok(Wire::One(client.get_async_connection_with_config(&self.settings()).await?))
    }

    async fn connect_cluster(&self, hosts: &[Host]) -> Result<Wire, CallError> {
        let mut builder = ClusterClientBuilder::new(hosts.iter().map(|host| self.host(host)))
            .connection_timeout(self.timeout)
            .response_timeout(self.timeout)
            .overall_response_timeout(Some(self.timeout))
            .retries(3)
            // The client's own pauses are longer than an answer may take: all it could say would be that none came.
            .min_retry_wait(10)
            .max_retry_wait(RETRY_WAIT_MS_MAX);
        let (user, password) = self.secret()?;
        if !user.is_empty() {
            builder = builder.username(user);
        }
        if let Some(password) = password {
            builder = builder.password(password);
        }
        if self.address.tls {
            builder = builder.tls(TlsMode::Secure).certs(self.certificates()?);
        }
        Ok(Wire::Cluster(builder.build()?.get_async_connection().await?))
    }

    fn host(&self, host: &Host) -> ConnectionAddr {
        let (name, port) = (host.name.clone(), host.port);
        if self.address.tls {
            ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(name, port)
        }
    }

    fn settings(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
    }

    fn login(&self) -> Result<RedisConnectionInfo, CallError> {
        let (user, password) = self.secret()?;
        let mut login = RedisConnectionInfo::default().set_db(self.address.database);
        if !user.is_empty() {
            login = login.set_username(user);
        }
        if let Some(password) = password {
            login = login.set_password(password);
        }
        Ok(login)
    }

    /// User and password; the file is read at every connection, so that a new password needs no restart.
    fn secret(&self) -> Result<(String, Option<String>), CallError> {
        let user = if self.user.is_empty() { &self.address.user } else { &self.user };
        let Some(path) = &self.password_file else {
            return Ok((user.clone(), self.address.password.clone()));
        };
        let text = fs::read_to_string(path).map_err(|source| CallError::file(path, &source))?;
        Ok((user.clone(), Some(text.lines().next().unwrap_or("").to_owned())))
    }

    fn certificates(&self) -> Result<TlsCertificates, CallError> {
        let Some(path) = &self.ca_file else {
            return Ok(TlsCertificates { client_tls: None, root_cert: None });
        };
        let bytes = fs::read(path).map_err(|source| CallError::file(path, &source))?;
        if memchr::memmem::find(&bytes, b"-----BEGIN CERTIFICATE-----").is_none() {
            let why = "it holds no certificate (PEM)".to_owned();
            return Err(CallError::File { path: path.display().to_string(), why });
        }
        Ok(TlsCertificates { client_tls: None, root_cert: Some(bytes) })
    }
}

/// What a script answered: a status and what belongs to it.
pub(super) fn answer(value: Value) -> Result<(String, Vec<Value>), CallError> {
    let Value::Array(parts) = value else { return Err(CallError::Answer) };
    let mut parts = parts.into_iter();
    let status = text(&parts.next().ok_or(CallError::Answer)?).ok_or(CallError::Answer)?;
    let rest: Vec<Value> = parts.collect();
    if status == "TYPE" {
        let part = |place: usize| rest.get(place).and_then(text).unwrap_or_default();
        return Err(CallError::KeyType { key: part(0), found: part(1) });
    }
    Ok((status, rest))
}

/// A number in an answer, however it is written.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        other => text(other)?.parse().ok(),
    }
}

/// A text in an answer.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

/// Bytes in an answer.
pub(super) fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// The parts of an array in an answer.
pub(super) fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(parts) => Some(parts),
        _ => None,
    }
}

/// Turns a result of the client into ours.
impl From<RedisError> for CallError {
    fn from(error: RedisError) -> CallError {
        CallError::of(&error)
    }
}
