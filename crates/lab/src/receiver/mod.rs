//! The receiver that can misbehave: an endpoint for webhooks that answers like a good one, or in any of the ways in which
//! real ones go wrong, and remembers what it got.
//!
//! It reads HTTP/1.1 from the socket itself. So a misbehaviour is exactly the bytes it should be, and a good answer is one
//! write of bytes that were ready before. It knows the wire from outside only: digests, bodies and times are judged by
//! code of its own.
//!
//! It answers 200 to events whatever their signature, because it is a witness: bad signatures are counted, not turned away.

mod connection;
mod journal;
mod log;
mod request;
mod routes;
mod script;
mod tls;

pub use journal::read_journal;
pub use log::{Counts, Log, Received, Tally};
pub use script::{Answer, Outcome};
pub use tls::Tls;

use crate::arrival::{Arrival, Signature};
use crate::behaviour::Behaviour;
use crate::clock;
use crate::event::{self, Content, Event};
use crate::id::Id;
use crate::latency::Stopwatch;
use crate::secret::Secret;
use bytes::Bytes;
use connection::Taken;
use journal::Journal;
use request::Request;
use routes::{Endpoint, Routes};
use script::Challenge;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A TLS handshake takes no longer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// When the system has no more sockets, the next is tried after this.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(10);

/// How a receiver starts. The default listens on a free port of loopback, knows no token, answers 200 and keeps requests.
pub struct ReceiverOptions {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Speak TLS with this certificate.
    pub tls: Option<Tls>,
    /// Tokens known on every path, to begin with. Challenges are answered with the one that signed them, else the first.
    pub secrets: Vec<String>,
    /// The behaviour on every path, to begin with.
    pub behaviour: Behaviour,
    /// Answer verifications well even when told to misbehave otherwise, so that a webhook can be verified first and then fail.
    pub honest_verification: bool,
    /// What to remember.
    pub recording: Recording,
    /// Append each occurrence to this file, on stable storage before the answer.
    pub journal: Option<PathBuf>,
    /// Connections at once; more wait to be accepted.
    pub most_connections: usize,
    /// Bytes of a body; larger ones are refused with 413.
    pub most_body: usize,
}

impl Default for ReceiverOptions {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: None,
            secrets: Vec::new(),
            behaviour: Behaviour::GOOD,
            honest_verification: false,
            recording: Recording::Full { requests: 10_000, bytes: 64 * 1024 * 1024 },
            journal: None,
            most_connections: 20_000,
            most_body: 1024 * 1024,
        }
    }
}

/// What a receiver remembers besides counts.
pub enum Recording {
    /// The newest requests, whole.
    Full {
        /// At most this many of them.
        requests: usize,
        /// At most this many bytes of bodies and headers.
        bytes: usize,
    },
    /// Ids only: the fast path for benchmarks.
    Lean {
        /// Whether to verify signatures.
        check_signatures: bool,
        /// Ids to keep; ids beyond are counted.
        ids: usize,
        /// Stopped for each vehicle that arrives.
        stopwatch: Option<Arc<Stopwatch>>,
    },
}

/// A running receiver. Stops when shut down or dropped.
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    scheme: &'static str,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Receiver {
    /// Starts one with the default options and this token.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn with_secret(secret: &str) -> io::Result<Self> {
        Self::start(ReceiverOptions { secrets: vec![secret.to_owned()], ..ReceiverOptions::default() }).await
    }

    /// Starts to listen.
    ///
    /// # Errors
    ///
    /// When the address is taken, the certificate cannot be used or the journal cannot be opened.
    pub async fn start(options: ReceiverOptions) -> io::Result<Self> {
        let acceptor = options.tls.as_ref().map(Tls::acceptor).transpose()?;
        let journal = options.journal.as_deref().map(Journal::open).transpose()?;
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let secrets = secrets(&options.secrets);
        let shared = Arc::new(Shared {
            routes: Routes::new(secrets, options.behaviour),
            log: Log::new(options.recording.bounds()),
            recording: options.recording,
            journal,
            honest_verification: options.honest_verification,
            most_body: options.most_body,
        });
        let (stop, stopped) = oneshot::channel();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let most = options.most_connections;
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&shared), most, stopped));
        Ok(Self { shared, address, scheme, stop, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The callback URI of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}/{}", self.scheme, self.address, path.trim_start_matches('/'))
    }

    /// From the next request on, this path behaves so.
    pub fn behave(&self, path: &str, behaviour: Behaviour) {
        self.shared.routes.behave(path, behaviour);
    }

    /// From the next request on, every path behaves so, also those that were told otherwise.
    pub fn behave_everywhere(&self, behaviour: &Behaviour) {
        self.shared.routes.behave_everywhere(behaviour);
    }

    /// The tokens that this path knows from now on; several when webhooks share it.
    pub fn set_secrets(&self, path: &str, tokens: &[impl AsRef<str>]) {
        self.shared.routes.set_secrets(path, secrets(tokens));
    }

    /// The tokens that every path knows from now on.
    pub fn set_secrets_everywhere(&self, tokens: &[impl AsRef<str>]) {
        self.shared.routes.set_secrets_everywhere(secrets(tokens));
    }

    /// What it got.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Stops to listen and drops all connections; returns when the port is free.
    pub async fn shutdown(self) {
        let _ = self.stop.send(());
        if let Err(end) = self.accepting.await
            && end.is_panic()
        {
            std::panic::resume_unwind(end.into_panic());
        }
    }
}

fn secrets(tokens: &[impl AsRef<str>]) -> Vec<Secret> {
    tokens.iter().map(|token| Secret::new(token.as_ref())).collect()
}

/// Accepts until told to stop, or until nobody is left who could tell.
async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    most: usize,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(ended) = connections.join_next() => ended.expect("a connection does not panic"),
            accepted = listener.accept(), if connections.len() < most => match accepted {
                Ok((socket, _)) => drop(connections.spawn(serve(socket, acceptor.clone(), Arc::clone(&shared)))),
                Err(_) => clock::pause(OUT_OF_SOCKETS).await,
            },
        }
    }
    connections.shutdown().await;
}

async fn serve(socket: TcpStream, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // Small answers must not wait for more to send. It fails only on a socket that is gone already.
    let _ = socket.set_nodelay(true);
    match acceptor {
        None => connection::serve(socket, &shared).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(socket)).await {
            Ok(Ok(stream)) => connection::serve(stream, &shared).await,
            Ok(Err(_)) | Err(_) => shared.log.refused(),
        },
    }
}

impl Recording {
    fn bounds(&self) -> log::Bounds {
        match *self {
            Self::Full { requests, bytes } => log::Bounds { requests, bytes, ids: 0 },
            Self::Lean { ids, .. } => log::Bounds { requests: 0, bytes: 0, ids },
        }
    }
}

/// What all connections of a receiver share.
struct Shared {
    routes: Routes,
    log: Log,
    recording: Recording,
    journal: Option<Journal>,
    honest_verification: bool,
    most_body: usize,
}

impl Shared {
    /// Notes a request and decides how it is answered.
    fn take(&self, request: &Request<'_, '_>) -> Taken {
        let endpoint = self.routes.find(request.path());
        match &self.recording {
            Recording::Full { .. } => self.take_whole(request, &endpoint),
            Recording::Lean { check_signatures, stopwatch, .. } => {
                self.take_lean(request, &endpoint, *check_signatures, stopwatch.as_deref())
            }
        }
    }

    fn take_whole(&self, request: &Request<'_, '_>, endpoint: &Endpoint) -> Taken {
        let (signature, signer) = judge(request, endpoint);
        let event = Event::parse(request.body);
        let (play, answer) = self.decide(endpoint, event.as_ref(), signer);
        let received = Received {
            at: clock::wall(),
            instant: clock::now(),
            method: request.method.to_owned(),
            target: request.target.to_owned(),
            headers: request.headers.iter().map(owned).collect(),
            body: Bytes::copy_from_slice(request.body),
            signature,
            event,
            answer,
        };
        let to_record = self.to_record(|| Arrival::of(&received));
        self.log.keep(received);
        Taken { play, to_record, last: request.is_last() }
    }

    fn take_lean(
        &self,
        request: &Request<'_, '_>,
        endpoint: &Endpoint,
        check: bool,
        stopwatch: Option<&Stopwatch>,
    ) -> Taken {
        let at = clock::now();
        let may_verify = event::may_be_verification(request.body);
        let (signature, signer) =
            if check || may_verify { judge(request, endpoint) } else { (Signature::Unchecked, None) };
        // Only what needs to be understood is read in full.
        let event = (may_verify || self.journal.is_some()).then(|| Event::parse(request.body)).flatten();
        let (play, answer) = self.decide(endpoint, event.as_ref(), signer);
        let ids = scan(request.body, at, stopwatch);
        let verification = event.as_ref().is_some_and(Event::is_verification);
        let to_record = self.to_record(|| {
            event
                .map(|event| Arrival::from_event(&event, clock::wall(), signature, answer))
                .unwrap_or_default()
        });
        self.log.count(at, signature, verification, if verification { &[] } else { &ids });
        Taken { play, to_record, last: request.is_last() }
    }

    fn decide(
        &self,
        endpoint: &Endpoint,
        event: Option<&Event>,
        signer: Option<&Secret>,
    ) -> (script::Play, Answer) {
        match event.map(|event| &event.content) {
            Some(Content::Challenge(text)) => {
                let secret = signer.or(endpoint.secrets.first());
                let challenge = Some(Challenge { text, secret });
                if secret.is_none() {
                    script::play(&Behaviour::Respond(500), 0, challenge)
                } else if self.honest_verification && !endpoint.behaviour.is_about_verification() {
                    script::play(&Behaviour::GOOD, 0, challenge)
                } else {
                    script::play(&endpoint.behaviour, endpoint.turn(), challenge)
                }
            }
            _ => script::play(&endpoint.behaviour, endpoint.turn(), None),
        }
    }

    fn to_record(&self, arrivals: impl FnOnce() -> Vec<Arrival>) -> Vec<Arrival> {
        if self.journal.is_some() { arrivals() } else { Vec::new() }
    }

    /// Waits until the arrivals are on stable storage, where that was asked for.
    async fn record(&self, arrivals: &[Arrival]) -> io::Result<()> {
        match &self.journal {
            Some(journal) if !arrivals.is_empty() => journal.append(arrivals).await,
            _ => Ok(()),
        }
    }
}

/// What the signature of a request is worth, and which of the endpoint's tokens made it.
fn judge<'e>(request: &Request<'_, '_>, endpoint: &'e Endpoint) -> (Signature, Option<&'e Secret>) {
    let Some(signature) = request.header("sc-signature") else { return (Signature::Missing, None) };
    if endpoint.secrets.is_empty() {
        return (Signature::Unchecked, None);
    }
    match endpoint.secrets.iter().find(|secret| secret.signed(request.body, signature)) {
        Some(secret) => (Signature::Good, Some(secret)),
        None => (Signature::Bad, None),
    }
}

fn owned(header: &httparse::Header<'_>) -> (String, String) {
    (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
}

/// The ids in a body, with the stopwatch stopped for their vehicles.
fn scan(body: &[u8], at: Instant, stopwatch: Option<&Stopwatch>) -> Vec<Id> {
    let mut ids = Vec::new();
    event::scan(body, |id, vehicle| {
        ids.push(id);
        if let (Some(stopwatch), Some(vehicle)) = (stopwatch, vehicle) {
            stopwatch.stop(vehicle, at);
        }
    });
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::samples::{schedule, unified_verify, v2_verify};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const SOON: Duration = Duration::from_secs(10);

    fn post(path: &str, secret: Option<&str>, body: &str) -> Vec<u8> {
        let signature =
            secret.map(|secret| format!("SC-Signature: {}\r\n", Secret::new(secret).hex(body.as_bytes())));
        let signature = signature.unwrap_or_default();
        format!("POST {path} HTTP/1.1\r\n{signature}Content-Length: {}\r\n\r\n{body}", body.len()).into()
    }

    async fn send(receiver: &Receiver, request: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(receiver.address()).await.unwrap();
        socket.write_all(request).await.unwrap();
        socket
    }

    /// The first bytes of the answer.
    async fn answer(receiver: &Receiver, request: &[u8]) -> String {
        read(&mut send(receiver, request).await).await
    }

    async fn read(socket: &mut TcpStream) -> String {
        let mut bytes = vec![0; 4096];
        let length = socket.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    /// Everything until the receiver closes.
    async fn whole_answer(receiver: &Receiver, request: &[u8]) -> io::Result<String> {
        let mut bytes = Vec::new();
        send(receiver, request).await.read_to_end(&mut bytes).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn misbehaving(text: &str) -> Receiver {
        let behaviour = text.parse().unwrap();
        let secrets = vec!["amt".to_owned()];
        Receiver::start(ReceiverOptions { behaviour, secrets, ..ReceiverOptions::default() }).await.unwrap()
    }

    #[tokio::test]
    async fn verifications_of_both_dialects_are_answered() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        for body in [v2_verify("challenge"), unified_verify("challenge")] {
            for secret in [Some("amt"), None] {
                let answer = answer(&receiver, &post("/", secret, &body)).await;
                assert!(
                    answer.ends_with("9baf5a7464bd86740ad5a06e439dcf535a075022ed2c92d74efacf646d79328e\"}"),
                    "{answer}"
                );
            }
        }
        let counts = receiver.log().counts();
        assert_eq!((counts.verifications, counts.good, counts.unsigned), (4, 2, 2));
    }

    #[tokio::test]
    async fn webhooks_that_share_a_path_are_each_answered_with_their_own_token() {
        let receiver = Receiver::with_secret("elsewhere").await.unwrap();
        receiver.set_secrets("/shared", &["one", "two"]);
        for secret in ["one", "two"] {
            let answer = answer(&receiver, &post("/shared", Some(secret), &v2_verify("abc"))).await;
            assert!(answer.contains(&Secret::new(secret).hex(b"abc")), "{secret}: {answer}");
        }
        assert!(answer(&receiver, &post("/shared", Some("elsewhere"), &schedule())).await.contains("200"));
        assert_eq!((receiver.log().counts().good, receiver.log().counts().bad), (2, 1));
    }

    #[tokio::test]
    async fn a_receiver_without_a_token_cannot_verify() {
        let receiver = Receiver::start(ReceiverOptions::default()).await.unwrap();
        let answer = answer(&receiver, &post("/", Some("amt"), &v2_verify("abc"))).await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }

    #[tokio::test]
    async fn a_request_is_kept_as_it_was_sent() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        answer(&receiver, &post("/hook?a=1", Some("amt"), &schedule())).await;
        let received = receiver.log().events().remove(0);
        assert_eq!((received.target.as_str(), received.path()), ("/hook?a=1", "/hook"));
        assert_eq!(received.headers[0].0, "SC-Signature");
        assert_eq!((received.body.as_ref(), received.signature), (schedule().as_bytes(), Signature::Good));
        assert_eq!(received.event.as_ref().unwrap().name, "schedule");
        assert_eq!(receiver.log().arrivals()[0].outcome, Outcome::Accepted);
    }

    #[tokio::test]
    async fn the_signature_is_checked_over_the_bytes_as_they_are() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        let signed = post("/", Some("amt"), &schedule());
        let changed = String::from_utf8(signed).unwrap().replace("TESLA", "TESLO");
        answer(&receiver, changed.as_bytes()).await;
        answer(&receiver, &post("/", None, &schedule())).await;
        let counts = receiver.log().counts();
        assert_eq!((counts.good, counts.bad, counts.unsigned), (0, 1, 1));
    }

    #[tokio::test]
    async fn one_connection_takes_many_requests_even_in_one_piece() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        let three = post("/", Some("amt"), &schedule()).repeat(3);
        let mut socket = send(&receiver, &three).await;
        assert!(receiver.log().wait_for_events(3, SOON).await);
        socket.write_all(&post("/", None, "{}")).await.unwrap();
        assert!(receiver.log().wait_for_events(4, SOON).await);
        assert_eq!(receiver.log().counts().no_event, 1);
    }

    #[tokio::test]
    async fn behaviours_change_between_requests_and_differ_by_path() {
        let receiver = Receiver::with_secret("amt").await.unwrap();
        receiver.behave("/bad", Behaviour::RespondSequence { first: vec![500, 404], then: 202 });
        for (path, status) in [("/bad", 500), ("/good", 200), ("/bad", 404), ("/bad", 202), ("/bad", 202)] {
            let answer = answer(&receiver, &post(path, Some("amt"), &schedule())).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        }
        receiver.behave_everywhere(&Behaviour::Respond(410));
        assert!(answer(&receiver, &post("/bad", None, "{}")).await.starts_with("HTTP/1.1 410 "));
    }

    #[tokio::test]
    async fn an_honest_receiver_verifies_before_it_misbehaves() {
        let options = ReceiverOptions {
            secrets: vec!["amt".to_owned()],
            behaviour: Behaviour::Hang,
            honest_verification: true,
            ..ReceiverOptions::default()
        };
        let receiver = Receiver::start(options).await.unwrap();
        assert!(
            answer(&receiver, &post("/", Some("amt"), &v2_verify("abc"))).await.starts_with("HTTP/1.1 200 ")
        );
        receiver.behave_everywhere(&Behaviour::EmptyBody204);
        assert!(
            answer(&receiver, &post("/", Some("amt"), &v2_verify("abc"))).await.starts_with("HTTP/1.1 204 ")
        );
    }

    #[tokio::test]
    async fn silence_lasts_until_the_sender_gives_up() {
        for behaviour in ["hang", "half-close"] {
            let receiver = misbehaving(behaviour).await;
            let mut socket = send(&receiver, &post("/", None, "{}")).await;
            let quiet = tokio::time::timeout(Duration::from_millis(30), socket.read_u8()).await;
            // Half-closed: the end is seen at once, and nothing before it.
            assert_eq!(quiet.is_err(), behaviour == "hang");
            assert!(!quiet.is_ok_and(|byte| byte.is_ok()));
            socket.write_all(b"still taken").await.unwrap();
        }
    }

    #[tokio::test]
    async fn bytes_come_one_at_a_time() {
        for (behaviour, begin) in [
            ("slow-headers:5ms", "HTTP/1.1 200 OK\r\nx-slow: "),
            ("drip:5ms", "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"),
        ] {
            let receiver = misbehaving(behaviour).await;
            let mut socket = send(&receiver, &post("/", None, "{}")).await;
            let mut bytes = vec![0; begin.len() + 5];
            let begun = clock::now();
            socket.read_exact(&mut bytes).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&bytes), format!("{begin}aaaaa"));
            assert!(begun.elapsed() >= Duration::from_millis(20), "{behaviour}");
        }
    }

    #[tokio::test]
    async fn a_slow_answer_is_whole_and_late() {
        let receiver = misbehaving("slow:30ms").await;
        let begun = clock::now();
        assert!(answer(&receiver, &post("/", None, "{}")).await.starts_with("HTTP/1.1 200 "));
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }

    #[tokio::test]
    async fn answers_are_as_large_as_they_should_be() {
        for (behaviour, begin, least) in [
            ("endless", "HTTP/1.1 200 OK\r\n\r\naaaa", 5_000_000),
            ("huge:3MB", "HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\naaaa", 3_000_000),
            ("huge-headers", "HTTP/1.1 200 OK\r\nx-huge: aaaa", 1_000_000),
            ("many-headers", "HTTP/1.1 200 OK\r\nx-0: 0\r\nx-1: 1\r\n", 1_000_000),
            ("continue", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", 1_000_000),
            ("gzip-bomb", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n", 1_000_000),
        ] {
            let receiver = misbehaving(behaviour).await;
            let socket = send(&receiver, &post("/", None, "{}")).await;
            let mut bytes = Vec::new();
            socket.take(least).read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes.len() as u64, least, "{behaviour}");
            assert!(bytes.starts_with(begin.as_bytes()), "{behaviour}");
        }
    }

    #[tokio::test]
    async fn a_redirect_points_where_it_should() {
        let receiver = misbehaving("redirect:307:/there").await;
        let answer = answer(&receiver, &post("/", None, "{}")).await;
        assert!(answer.starts_with("HTTP/1.1 307 Temporary Redirect\r\nlocation: /there\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn connections_end_in_the_way_asked_for() {
        let request = post("/", None, "{}");
        assert_eq!(whole_answer(&misbehaving("close").await, &request).await.unwrap(), "");
        let reset = whole_answer(&misbehaving("reset").await, &request).await.unwrap_err();
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
        let cut = whole_answer(&misbehaving("close-mid-body").await, &request).await.unwrap();
        assert!(cut.ends_with("content-length: 1000\r\n\r\nonly this"), "{cut}");
    }

    #[tokio::test]
    async fn answers_break_the_protocol_in_the_way_asked_for() {
        for (behaviour, begin) in [
            ("garbage", "SSH-2.0-"),
            ("http09", "<html>"),
            ("bad-chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nnot a size"),
        ] {
            let receiver = misbehaving(behaviour).await;
            let answer = whole_answer(&receiver, &post("/", None, "{}")).await.unwrap();
            assert!(answer.starts_with(begin), "{answer}");
        }
        let receiver = misbehaving("ok").await;
        let body = Bytes::from_static(b"a body where none may be");
        receiver.behave_everywhere(&Behaviour::RespondWith { status: 204, headers: Vec::new(), body });
        assert!(answer(&receiver, &post("/", None, "{}")).await.ends_with("a body where none may be"));
    }

    /// The bytes that are there within a moment, and how the connection ended, if it did.
    async fn raw_answer(receiver: &Receiver, request: &[u8], least: usize) -> (Vec<u8>, Option<io::Result<usize>>) {
        let mut socket = send(receiver, request).await;
        let mut bytes = vec![0; least];
        socket.read_exact(&mut bytes).await.unwrap();
        let mut more = [0; 1];
        let end = tokio::time::timeout(Duration::from_millis(100), socket.read(&mut more)).await;
        (bytes, end.ok())
    }

    #[tokio::test]
    async fn odd_answers_have_the_form_asked_for_and_verify_all_the_same() {
        let body = unified_verify("challenge");
        let request = post("/", Some("amt"), &body);
        let digest = format!(r#"{{"challenge":"{}"}}"#, Secret::new("amt").hex(b"challenge"));
        let length = digest.len();
        let orderly = |more: &str| {
            format!(
                "HTTP/1.1 200 OK\r\n{more}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{digest}"
            )
        };
        let odd = format!(
            "HTTP/1.1 200 OK\r\nX-Policy: default-src 'self';\r\n\tscript-src 'none'\r\n: nameless\r\nno colon\r\n\
             X-Caf\u{e9}: \u{fc}\r\nDate: x\r\nDate: y\r\nContent-Length: {length}\r\n\r\n{digest}"
        );
        let marked = format!("\u{feff} \r\n{digest}\r\n");
        let marked = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{marked}",
            marked.len()
        );
        for (behaviour, expected, closes) in [
            ("odd-headers", odd, false),
            ("bare-lines", format!("HTTP/1.1 200\ncontent-length: {length}\n\n{digest}"), false),
            ("bom", marked, false),
            ("http10", format!("HTTP/1.0 200 OK\r\n\r\n{digest}"), true),
            ("no-length", format!("HTTP/1.1 200 OK\r\n\r\n{digest}"), false),
            ("stray", orderly("") + "HTTP/1.1 500 Stray\r\ncontent-length: 0\r\n\r\n", false),
            ("keep-alive-lie", orderly("connection: keep-alive\r\n"), true),
        ] {
            let receiver = misbehaving(behaviour).await;
            let (bytes, end) = raw_answer(&receiver, &request, expected.len()).await;
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{behaviour}");
            assert_eq!(end.is_some_and(|end| end.unwrap() == 0), closes, "{behaviour}");
        }
    }

    #[tokio::test]
    async fn an_answer_may_be_followed_by_a_reset() {
        let receiver = misbehaving("reset-after-answer").await;
        let expected = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n";
        let (bytes, end) = raw_answer(&receiver, &post("/", None, "{}"), expected.len()).await;
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        assert_eq!(end.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_compressed_answer_unpacks_to_the_digest() {
        let receiver = misbehaving("gzip").await;
        let digest = format!(r#"{{"challenge":"{}"}}"#, Secret::new("amt").hex(b"challenge"));
        // A stored block: header, mark, twice the length, the text, checksum and length.
        let packed = 10 + 1 + 4 + digest.len() + 8;
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: application/json\r\ncontent-length: {packed}\r\n\r\n"
        );
        let request = post("/", Some("amt"), &unified_verify("challenge"));
        let (bytes, _) = raw_answer(&receiver, &request, head.len() + packed).await;
        let (said, body) = bytes.split_at(head.len());
        assert_eq!(String::from_utf8_lossy(said), head);
        assert_eq!((&body[..3], &body[15..15 + digest.len()]), (&[0x1f, 0x8b, 8][..], digest.as_bytes()));
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_and_counted() {
        let receiver = misbehaving("ok").await;
        assert!(whole_answer(&receiver, b"\x16\x03\x01\r\n\r\n").await.unwrap().starts_with("HTTP/1.1 400 "));
        assert!(receiver.log().wait_until(SOON, |log| log.counts().refused == 1).await);
        assert_eq!(receiver.log().counts().requests, 0);
    }

    #[tokio::test]
    async fn a_counting_receiver_counts_ids_and_verifies_all_the_same() {
        let recording = Recording::Lean { check_signatures: true, ids: 10, stopwatch: None };
        let options =
            ReceiverOptions { secrets: vec!["amt".to_owned()], recording, ..ReceiverOptions::default() };
        let receiver = Receiver::start(options).await.unwrap();
        assert!(answer(&receiver, &post("/", Some("amt"), &v2_verify("abc"))).await.contains("challenge"));
        for _ in 0..2 {
            answer(&receiver, &post("/", Some("amt"), &schedule())).await;
        }
        let (counts, tally) = (receiver.log().counts(), receiver.log().tally());
        assert_eq!((counts.good, counts.verifications, counts.no_event), (3, 1, 0));
        assert_eq!((tally.ids.len(), tally.repeated()), (1, 1));
        assert!(receiver.log().received().is_empty());
    }

    #[tokio::test]
    async fn a_counting_receiver_stops_the_time_of_the_vehicles_that_arrive() {
        let stopwatch = Arc::new(Stopwatch::new(10));
        stopwatch.start(crate::event::samples::VEHICLE.parse().unwrap(), clock::now());
        let recording =
            Recording::Lean { check_signatures: false, ids: 0, stopwatch: Some(Arc::clone(&stopwatch)) };
        let receiver =
            Receiver::start(ReceiverOptions { recording, ..ReceiverOptions::default() }).await.unwrap();
        answer(&receiver, &post("/", None, &schedule())).await;
        assert_eq!((stopwatch.latencies().count(), stopwatch.under_way()), (1, 0));
        assert_eq!(receiver.log().tally().beyond, 1);
    }

    #[tokio::test]
    async fn what_was_answered_is_in_the_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("received.tsv");
        for lean in [false, true] {
            let mut options = ReceiverOptions {
                secrets: vec!["amt".to_owned()],
                journal: Some(path.clone()),
                ..ReceiverOptions::default()
            };
            if lean {
                options.recording = Recording::Lean { check_signatures: true, ids: 0, stopwatch: None };
            }
            let receiver = Receiver::start(options).await.unwrap();
            answer(&receiver, &post("/", Some("amt"), &schedule())).await;
            answer(&receiver, &post("/", Some("amt"), &v2_verify("abc"))).await;
            receiver.shutdown().await;
        }
        let journal = read_journal(&path).unwrap();
        assert_eq!(journal.len(), 2, "verifications are no deliveries");
        assert!(
            journal.iter().all(|arrival| arrival.signature == Signature::Good && arrival.webhook.is_some())
        );
        assert_eq!((journal[0].id, journal[0].fingerprint), (journal[1].id, journal[1].fingerprint));
    }

    #[tokio::test]
    async fn shutting_down_frees_the_port_and_ends_connections_that_hang() {
        let receiver = misbehaving("hang").await;
        let address = receiver.address();
        let mut hanging = send(&receiver, &post("/", None, "{}")).await;
        assert!(receiver.log().wait_for_events(1, SOON).await);
        receiver.shutdown().await;
        assert!(hanging.read_u8().await.is_err());
        let again = Receiver::start(ReceiverOptions { address, ..ReceiverOptions::default() }).await;
        assert_eq!(again.unwrap().address(), address);
    }

    #[tokio::test]
    async fn connections_beyond_the_bound_wait_for_their_turn() {
        let options = ReceiverOptions { most_connections: 1, ..ReceiverOptions::default() };
        let receiver = Receiver::start(options).await.unwrap();
        let first = send(&receiver, &post("/", None, "{}")).await;
        assert!(receiver.log().wait_for_events(1, SOON).await);
        let mut second = send(&receiver, &post("/", None, "{}")).await;
        assert!(!receiver.log().wait_for_events(2, Duration::from_millis(30)).await);
        drop(first);
        assert!(read(&mut second).await.starts_with("HTTP/1.1 200 "));
    }

    #[tokio::test]
    async fn tls_is_spoken_with_the_certificate_given() {
        use tokio_rustls::TlsConnector;
        use tokio_rustls::rustls::pki_types::ServerName;
        use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

        let made = rcgen::generate_simple_self_signed(["receiver.test".to_owned()]).unwrap();
        let tls = Tls { certificates_pem: made.cert.pem(), key_pem: made.signing_key.serialize_pem() };
        let options =
            ReceiverOptions { tls: Some(tls), secrets: vec!["amt".to_owned()], ..ReceiverOptions::default() };
        let receiver = Receiver::start(options).await.unwrap();
        assert!(receiver.url("/hook").starts_with("https://127.0.0.1:"));

        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        let connect = async |name: &'static str| {
            let socket = TcpStream::connect(receiver.address()).await.unwrap();
            connector.connect(ServerName::try_from(name).unwrap(), socket).await
        };
        let mut stream = connect("receiver.test").await.unwrap();
        stream.write_all(&post("/", Some("amt"), &schedule())).await.unwrap();
        let mut bytes = [0; 15];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"HTTP/1.1 200 OK");
        connect("another.test").await.unwrap_err();
        assert_eq!(receiver.log().counts().good, 1);
    }
}
