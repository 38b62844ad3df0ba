//! Certificates, and a client that speaks TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::{FIREFOX, PATIENCE, Reply, parse};

/// Writes `NAME.crt` and `NAME.key` for this host, valid from one year's first day to another's. Gives the
/// certificate.
pub fn certificate(directory: &Path, name: &str, host: &str, years: (i32, i32)) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    // One after the other, as whoever renews them does.
    std::fs::write(directory.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    std::fs::write(directory.join(format!("{name}.crt")), certificate.pem()).unwrap();
    certificate.der().clone()
}

/// Takes whatever certificate it is shown; the handshake's signature is checked all the same.
#[derive(Debug)]
struct Anything(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// How a client speaks TLS: any certificate will do, and these protocols are offered.
pub fn client(protocols: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let directory = tempfile::tempdir().unwrap();
    roots.add(certificate(directory.path(), "any", "any", (2020, 2040))).unwrap();
    let known = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let verifier = Arc::new(Anything(known.build().unwrap()));
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A connection with TLS.
pub struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    /// Connects and finishes the handshake.
    pub fn open(address: SocketAddr, host: &str, config: &Arc<ClientConfig>) -> std::io::Result<Secure> {
        let mut tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut tcp)?;
        }
        Ok(Secure(StreamOwned::new(connection, tcp)))
    }

    /// The certificate that was shown.
    pub fn shown(&self) -> CertificateDer<'static> {
        self.0.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// The protocol that was agreed on.
    pub fn protocol(&self) -> Option<String> {
        self.0.conn.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned())
    }

    /// Whether the session of an earlier connection went on.
    pub fn is_resumed(&self) -> bool {
        self.0.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Reads some bytes; none at the end.
    pub fn read(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 16 << 10];
        let length = self.0.read(&mut bytes).unwrap_or(0);
        bytes.truncate(length);
        bytes
    }

    /// A GET on a connection that stays open; the reply has a length.
    pub fn get(&mut self, path: &str) -> Option<Reply> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: counter.test\r\nUser-Agent: {FIREFOX}\r\n\r\n");
        self.send(request.as_bytes()).ok()?;
        let mut bytes = Vec::new();
        loop {
            let more = self.read();
            if more.is_empty() {
                return None;
            }
            bytes.extend(more);
            let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let length: usize = parse(&bytes).headers.get("content-length")?.parse().ok()?;
            if bytes.len() >= head + 4 + length {
                return Some(parse(&bytes));
            }
        }
    }
}
