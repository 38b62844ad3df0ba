//! The certificates that TLS listeners show: read, matched with their keys, chosen by name, changed while
//! serving.
//!
//! Which one a client gets follows the name it asks for (SNI, RFC 6066); without a name, or for one that no
//! certificate has, it is the first. One that has expired is shown all the same: browsers say so in words,
//! which helps more than silence.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert, ServerConfig,
};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, InconsistentKeys};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use crate::words::UnixMillis;

/// A chain of four certificates takes 8 KiB; whatever is longer than this is another file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Renewal is due long before: a tenth of a certificate's life, and two weeks at most.
const SOON_MS_MAX: u64 = 14 * DAY_MS;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Where TLS is spoken, and what with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Addresses of listeners that speak TLS.
    pub listen: Vec<super::Address>,
    /// Certificates with their chains, in PEM.
    pub certificate_files: Vec<PathBuf>,
    /// Their keys, in PEM, in the same order.
    pub key_files: Vec<PathBuf>,
    /// How long a handshake may take, in milliseconds.
    pub handshake_timeout_ms: u64,
}

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}{}", path.display(), readable(path, source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no file of this kind.
    #[error("{}: holds no {what} in PEM; {remedy}", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The certificate cannot be understood.
    #[error("{}: the certificate cannot be understood: {why}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The key cannot be used.
    #[error("{}: the key cannot be used: {why}; RSA, ECDSA and Ed25519 keys can", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        why: rustls::Error,
    },
    /// The two do not belong together.
    #[error(
        "{} is not the key of the certificate in {}; name the two files that were issued together, in the same order",
        key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A TLS listener has nothing to show.
    #[error(
        "TLS is to be spoken, but tls.certificate_files is empty; name a certificate and its key in [tls], or stop who \
         hands the port over: systemctl disable --now headcount-tls.socket"
    )]
    None,
    /// The library refuses.
    #[error("TLS cannot be spoken: {0}")]
    Tls(#[from] rustls::Error),
}

/// What to do about a file that cannot be read. A credential that nobody hands over has no path, only its name.
fn readable(path: &Path, error: &io::Error) -> &'static str {
    if path.to_str().is_some_and(|path| path.starts_with("credential:")) {
        return "; a service manager hands it over: start the service, or name the file itself";
    }
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; let headcount's user read it, or hand it over with LoadCredential= in the unit and write credential:NAME"
        }
        io::ErrorKind::NotFound => {
            "; correct the name in [tls], or hand the file over with LoadCredential= in the unit"
        }
        _ => "",
    }
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Held {
    key: Arc<CertifiedKey>,
    term: Term,
}

/// How long a certificate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The file it was read from.
    pub file: PathBuf,
    /// From when it holds.
    pub from: UnixMillis,
    /// When it ends.
    pub until: UnixMillis,
}

impl Term {
    /// What is wrong with it at a moment, in words.
    #[must_use]
    pub fn warning(&self, now: UnixMillis) -> Option<String> {
        let file = self.file.display();
        if now >= self.until {
            let days = now.since(self.until) / DAY_MS;
            return Some(format!(
                "the certificate in {file} has expired, {days} days ago: browsers refuse to connect; renew it"
            ));
        }
        if now < self.from {
            return Some(format!(
                "the certificate in {file} is not valid yet: browsers refuse to connect; look at the clock"
            ));
        }
        let soon = (self.until.since(self.from) / 10).min(SOON_MS_MAX);
        let left = self.until.since(now);
        (left < soon).then(|| {
            format!(
                "the certificate in {file} expires in {} hours and was not renewed; headcount takes the new one over \
                 when the files change",
                left / (60 * 60 * 1_000)
            )
        })
    }
}

/// Reads certificates and keys, each pair of files.
///
/// # Errors
/// When a file cannot be read, or a key is not its certificate's.
pub fn read_certificates(options: &TlsOptions) -> Result<Vec<Held>, CertificateError> {
    let pairs = options.certificate_files.iter().zip(&options.key_files);
    pairs.map(|(certificate, key)| read(certificate, key)).collect()
}

fn read(certificate: &Path, key: &Path) -> Result<Held, CertificateError> {
    let nothing =
        |path: &Path, what, remedy| CertificateError::Nothing { path: path.to_owned(), what, remedy };
    let text = contents(certificate)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|error| {
            CertificateError::Certificate { path: certificate.to_owned(), why: error.to_string() }
        })?;
    let remedy = "name the file with the certificate and its chain (certbot calls it fullchain.pem)";
    let first = chain.first().ok_or_else(|| nothing(certificate, "certificate", remedy))?;
    let term = term(certificate, first)?;
    let remedy = "name the file with the key, without a password (certbot calls it privkey.pem)";
    let private =
        PrivateKeyDer::from_pem_slice(&contents(key)?).map_err(|_| nothing(key, "private key", remedy))?;
    let provider = ring::default_provider();
    let certified = CertifiedKey::from_der(chain, private, &provider).map_err(|why| match why {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            CertificateError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
        }
        rustls::Error::InvalidCertificate(_) => {
            CertificateError::Certificate { path: certificate.to_owned(), why: why.to_string() }
        }
        why => CertificateError::Key { path: key.to_owned(), why },
    })?;
    Ok(Held { key: Arc::new(certified), term })
}

fn contents(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn term(path: &Path, certificate: &CertificateDer<'_>) -> Result<Term, CertificateError> {
    let parsed = Certificate::from_der(certificate)
        .map_err(|error| CertificateError::Certificate { path: path.to_owned(), why: error.to_string() })?;
    let validity = parsed.tbs_certificate().validity();
    let moment =
        |time: x509_cert::time::Time| UnixMillis(time.to_unix_duration().as_secs().saturating_mul(1_000));
    Ok(Term { file: path.to_owned(), from: moment(validity.not_before), until: moment(validity.not_after) })
}

/// The certificates in force; empty where no TLS is spoken.
#[derive(Debug, Default)]
pub struct Certificates {
    held: RwLock<Arc<Vec<Held>>>,
}

impl Certificates {
    /// These certificates.
    #[must_use]
    pub fn new(held: Vec<Held>) -> Certificates {
        Certificates { held: RwLock::new(Arc::new(held)) }
    }

    /// Shows others from now on; connections that are open go on.
    pub fn replace(&self, held: Vec<Held>) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(held);
    }

    /// How long each of them holds.
    #[must_use]
    pub fn terms(&self) -> Vec<Term> {
        self.held().iter().map(|held| held.term.clone()).collect()
    }

    /// What is wrong with them at a moment, in words.
    #[must_use]
    pub fn warnings(&self, now: UnixMillis) -> Vec<String> {
        self.held().iter().filter_map(|held| held.term.warning(now)).collect()
    }

    /// How TLS is spoken with them: versions 1.2 and 1.3, HTTP/2 before HTTP/1.1, sessions resumed by tickets
    /// that every worker understands.
    ///
    /// # Errors
    /// When there is no certificate.
    pub fn server(self: &Arc<Certificates>) -> Result<Arc<ServerConfig>, CertificateError> {
        if self.held().is_empty() {
            return Err(CertificateError::None);
        }
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Certificates>::clone(self);
        let mut server = builder.with_no_client_auth().with_cert_resolver(resolver);
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.ticketer = ring::Ticketer::new()?;
        Ok(Arc::new(server))
    }

    fn held(&self) -> Arc<Vec<Held>> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn named(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let held = self.held();
        let name = name.and_then(|name| ServerName::try_from(name).ok());
        let fits = |held: &&Held| {
            let Some(certificate) = held.key.cert.first() else { return false };
            let parsed = ParsedCertificate::try_from(certificate);
            parsed.is_ok_and(|parsed| {
                name.as_ref().is_some_and(|name| verify_server_name(&parsed, name).is_ok())
            })
        };
        // Nearly everybody has one.
        let chosen = if held.len() > 1 { held.iter().find(fits) } else { None };
        chosen.or(held.first()).map(|held| Arc::clone(&held.key))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.named(hello.server_name())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// Writes a certificate of these names and its key, valid for the year 2026 (or as rcgen likes).
    fn write(directory: &Path, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("good names");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 4, 1);
        let certificate = params.self_signed(&key).expect("a certificate");
        let (crt, pem) = (directory.join(format!("{name}.crt")), directory.join(format!("{name}.key")));
        std::fs::write(&crt, certificate.pem()).expect("is written");
        std::fs::write(&pem, key.serialize_pem()).expect("is written");
        (crt, pem)
    }

    fn options(pairs: &[(&Path, &Path)]) -> TlsOptions {
        TlsOptions {
            listen: Vec::new(),
            certificate_files: pairs.iter().map(|(certificate, _)| (*certificate).to_owned()).collect(),
            key_files: pairs.iter().map(|(_, key)| (*key).to_owned()).collect(),
            handshake_timeout_ms: 1,
        }
    }

    #[test]
    fn the_name_chooses_and_the_first_stands_in() {
        let directory = tempfile::tempdir().expect("a directory");
        let (a, b) =
            (write(directory.path(), "a", &["a.vn"]), write(directory.path(), "b", &["b.vn", "*.b.vn"]));
        let held = read_certificates(&options(&[(&a.0, &a.1), (&b.0, &b.1)])).expect("are good");
        let [first, second] = [0, 1].map(|place: usize| Arc::clone(&held[place].key));
        let certificates = Certificates::new(held);
        for (name, expected) in [
            (Some("a.vn"), &first),
            (Some("b.vn"), &second),
            (Some("www.b.vn"), &second),
            (Some("B.VN"), &second),
            (Some("c.vn"), &first),
            (None, &first),
        ] {
            let chosen = certificates.named(name).expect("there is one");
            assert!(Arc::ptr_eq(&chosen, expected), "{name:?}");
        }
        assert!(Arc::new(certificates).server().is_ok());
        assert!(matches!(Arc::new(Certificates::default()).server(), Err(CertificateError::None)));
    }

    #[test]
    fn mistakes_name_the_files_and_the_remedy() {
        let directory = tempfile::tempdir().expect("a directory");
        let (a, b) = (write(directory.path(), "a", &["a.vn"]), write(directory.path(), "b", &["b.vn"]));
        let refused = |certificate: &Path, key: &Path| {
            read_certificates(&options(&[(certificate, key)])).expect_err("is refused").to_string()
        };
        let said = refused(&a.0, &b.1);
        assert!(
            said.contains("b.key is not the key of the certificate in") && said.contains("a.crt"),
            "{said}"
        );
        let said = refused(&a.1, &a.0);
        assert!(said.contains("a.key: holds no certificate in PEM"), "{said}");
        let said = refused(&a.0, &a.0);
        assert!(said.contains("a.crt: holds no private key in PEM"), "{said}");
        let said = refused(&directory.path().join("none"), &a.1);
        assert!(said.contains("none: cannot be read: No such file"), "{said}");
        let broken = directory.path().join("broken");
        std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n")
            .expect("is written");
        let said = refused(&broken, &a.1);
        assert!(said.contains("broken: the certificate cannot be understood"), "{said}");
    }

    #[test]
    fn a_term_warns_before_and_after_its_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let a = write(directory.path(), "a", &["a.vn"]);
        let held = read_certificates(&options(&[(&a.0, &a.1)])).expect("is good");
        let term = Certificates::new(held).terms().remove(0);
        assert_eq!(term.until.since(term.from), 90 * DAY_MS);
        assert_eq!(term.until.second(), 1_775_001_600);
        let warning = |at: UnixMillis| term.warning(at).unwrap_or_default();
        assert_eq!(warning(term.until.minus(9 * DAY_MS)), "");
        assert!(warning(term.until.minus(9 * DAY_MS - 1)).contains("expires in 215 hours"));
        assert!(warning(term.until).contains("has expired, 0 days ago"));
        assert!(warning(term.until.plus(3 * DAY_MS)).contains("has expired, 3 days ago"));
        assert!(warning(term.from.minus(1)).contains("is not valid yet"));
    }
}
