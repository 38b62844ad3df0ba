//! Real servers of the shared store on free loopback ports: one, a set behind Sentinels, a Cluster.
//!
//! Every server is a child of the tests, in a directory of its own, and is ended by its process id
//! when it goes out of scope, also while it is stopped by a signal.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{Client, FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::{PATIENCE, free_port, wait_for};

/// What every server is started with: nothing is kept unless a test saves it.
const PLAIN: [&str; 4] = ["--save", "", "--appendonly", "no"];
/// The replicas' own user, so that a test can take their link away.
const REPLICATION: [&str; 10] =
    ["--user", "repl", "on", ">link", "~*", "&*", "+@all", "--masteruser", "repl", "--masterauth"];

/// Whether a program can be started here.
pub fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// One server.
pub struct Server {
    /// Its directory.
    pub directory: TempDir,
    /// Its port.
    pub port: u16,
    program: String,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Server {
    /// A server with these arguments too, running.
    pub fn start(program: &str, arguments: &[&str]) -> Server {
        let mut server = Server::stopped(program, arguments);
        server.start_again();
        server
    }

    /// One that does not run yet.
    pub fn stopped(program: &str, arguments: &[&str]) -> Server {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let directory = tempfile::tempdir().unwrap();
        Server { directory, port: free_port(), program: program.to_owned(), arguments, child: None }
    }

    /// A Sentinel that watches this.
    pub fn sentinel(watch: &str) -> Server {
        // A Sentinel writes to its file, which is therefore its first argument.
        let mut server = Server::stopped("redis", &[]);
        let file = server.directory.path().join("sentinel.conf");
        fs::write(&file, watch).unwrap();
        server.arguments = vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
        server.start_again();
        server
    }

    /// Starts it where it was, and waits until it answers, be it that it is loading.
    pub fn start_again(&mut self) {
        self.start_with(&[]);
    }

    /// The same with these arguments too, in this life only.
    pub fn start_with(&mut self, more: &[&str]) {
        assert!(self.child.is_none(), "it is running");
        let mut command = Command::new(format!("{}-server", self.program));
        command.args(&self.arguments).args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--dir".into(), self.directory.path().to_owned()]).args(more);
        let log = fs::File::options().create(true).append(true).open(self.directory.path().join("log"));
        command.stdin(Stdio::null()).stdout(log.unwrap()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}-server: {error}", self.program));
        wait_for(|| {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {}", self.log());
            match self.ask::<String>(&["PING"]) {
                Ok(_) => Some(()),
                Err(error) => error.code().map(drop),
            }
        });
        self.child = Some(child);
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Sends a command on a connection of its own.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let client = Client::open(("127.0.0.1", self.port))?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(2))?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection)
    }

    /// Sends a command that must succeed.
    pub fn tell(&self, words: &[&str]) {
        let told = self.ask::<redis::Value>(words);
        assert!(told.is_ok(), "{words:?}: {told:?}");
    }

    /// Whether it was started and not ended.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it is not running").id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    /// Where it saves its data.
    pub fn dump(&self) -> PathBuf {
        self.directory.path().join("dump.rdb")
    }

    /// A field of what it says of itself.
    pub fn info(&self, field: &str) -> Option<String> {
        let info: String = self.ask(&["INFO"]).ok()?;
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.map(str::to_owned)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A shared store of one of the kinds that a fleet may have.
pub struct Store {
    /// What holds data.
    pub servers: Vec<Server>,
    /// Who watches over them.
    pub sentinels: Vec<Server>,
    /// What the configuration says.
    pub address: String,
}

impl Store {
    /// One server.
    pub fn single(program: &str) -> Store {
        let server = Server::start(program, &PLAIN);
        let address = format!("redis://127.0.0.1:{}", server.port);
        Store { servers: vec![server], sentinels: Vec::new(), address }
    }

    /// A primary, two replicas, three Sentinels.
    pub fn sentinel() -> Store {
        let first = replicable(&[]);
        let port = first.port.to_string();
        let follow = ["--replicaof", "127.0.0.1", &port];
        let servers = vec![first, replicable(&follow), replicable(&follow)];
        let watch = format!(
            "sentinel monitor hc 127.0.0.1 {port} 2\nsentinel down-after-milliseconds hc 1000\n\
             sentinel failover-timeout hc 5000\nsentinel parallel-syncs hc 1\n"
        );
        let sentinels: Vec<Server> = (0..3).map(|_| Server::sentinel(&watch)).collect();
        let seeds: Vec<String> =
            sentinels.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let address = format!("redis+sentinel://{}/hc", seeds.join(","));
        let store = Store { servers, sentinels, address };
        store.wait_for_watch();
        store
    }

    /// Waits until every Sentinel knows all the others and all replicas: before that none fails over.
    pub fn wait_for_watch(&self) {
        for sentinel in &self.sentinels {
            wait_for(|| {
                let known: Vec<String> = sentinel.ask(&["SENTINEL", "MASTER", "hc"]).ok()?;
                let field = |name: &str| known.chunks(2).find(|pair| pair[0] == name).map(|pair| &pair[1]);
                let full = field("num-slaves")? == "2" && field("num-other-sentinels")? == "2";
                (full && sentinel.ask::<String>(&["SENTINEL", "CKQUORUM", "hc"]).is_ok()).then_some(())
            });
        }
    }

    /// Three primaries with a replica each.
    pub fn cluster() -> Store {
        let clustered = [
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            "nodes.conf",
            "--cluster-node-timeout",
            "1500",
        ];
        let servers: Vec<Server> = (0..6).map(|_| replicable(&clustered)).collect();
        let places: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&places)
            .args(["--cluster-replicas", "1", "--cluster-yes"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        let address = format!("redis+cluster://{}", places[..3].join(","));
        let store = Store { servers, sentinels: Vec::new(), address };
        store.wait_for_cluster();
        store
    }

    /// Waits until every running server of a Cluster finds it whole, and every replica follows.
    pub fn wait_for_cluster(&self) {
        for server in self.servers.iter().filter(|server| server.is_running()) {
            wait_for(|| {
                let state: String = server.ask(&["CLUSTER", "INFO"]).ok()?;
                let follows = server.info("role")? == "master" || server.info("master_link_status")? == "up";
                (state.contains("cluster_state:ok") && follows).then_some(())
            });
        }
    }

    /// The running server that holds a site, or that is the primary.
    pub fn primary(&self, site: &str) -> usize {
        let holds = |server: &Server| {
            let role = server.info("role")?;
            if role != "master" {
                return None;
            }
            let Ok(slot) = server.ask::<u16>(&["CLUSTER", "KEYSLOT", &format!("{{{site}}}")]) else {
                return Some(());
            };
            let nodes: String = server.ask(&["CLUSTER", "NODES"]).ok()?;
            let mine = nodes.lines().find(|line| line.contains("myself"))?;
            let within = |range: &str| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                Some((from.parse::<u16>().ok()?..=to.parse().ok()?).contains(&slot))
            };
            mine.split(' ').skip(8).any(|range| within(range) == Some(true)).then_some(())
        };
        wait_for(|| self.servers.iter().position(|server| server.is_running() && holds(server).is_some()))
    }

    /// Moves a slot of a Cluster key by key, with something done between two keys.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize, mut between: impl FnMut()) {
        let [from, to] = [from, to].map(|n| &self.servers[n]);
        let [from_id, to_id] = [from, to].map(|server| server.ask::<String>(&["CLUSTER", "MYID"]).unwrap());
        let slot = slot.to_string();
        to.tell(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
        from.tell(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
        loop {
            let keys: Vec<String> = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "1"]).unwrap();
            let Some(key) = keys.first() else { break };
            // With half of the keys here and half there scripts are told to try again later.
            from.tell(&["MIGRATE", "127.0.0.1", &to.port.to_string(), key, "0", "5000"]);
            between();
        }
        for server in [to, from] {
            server.tell(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
        }
    }

    /// A replica of one that runs as a primary.
    pub fn replica_of(&self, primary: usize) -> usize {
        let port = self.servers[primary].port.to_string();
        let follows = |server: &Server| {
            server.is_running()
                && server.info("role").as_deref() == Some("slave")
                && server.info("master_port").as_deref() == Some(&port)
        };
        wait_for(|| self.servers.iter().position(follows))
    }
}

/// A server that may be a primary or a replica.
fn replicable(more: &[&str]) -> Server {
    let mut arguments = PLAIN.to_vec();
    arguments.extend(REPLICATION);
    arguments.extend(["link", "--repl-diskless-sync-delay", "0"]);
    arguments.extend(more);
    Server::start("redis", &arguments)
}
