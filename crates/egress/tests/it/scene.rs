//! Receivers, name servers and authorities that do as they are told.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use app::ports::{Outbound, Post, Purpose, Reply, Target};
use bytes::Bytes;
use domain::{delivery::Failure, ids::WebhookNo};
use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use milepost_egress::{Allowance, Egress, EgressConfig};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::Instant,
};

/// A receiver on a loopback port that treats every connection in the same way.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    /// `behave` gets each connection and how many came before it.
    pub(crate) async fn new<F, B>(behave: F) -> Self
    where
        F: Fn(TcpStream, usize) -> B + Send + 'static,
        B: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(behave(stream, counter.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { address, connections }
    }

    /// Answers every request with the same bytes and leaves the connection open.
    pub(crate) async fn answering(answer: impl Into<Bytes>) -> Self {
        let answer = answer.into();
        Self::new(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                while read_request(&mut stream).await.is_some() {
                    let _ = stream.write_all(&answer).await;
                }
            }
        })
        .await
    }

    /// Answers the first request of every connection with the same bytes and closes it in an orderly way.
    pub(crate) async fn closing_after(answer: impl Into<Bytes>) -> Self {
        let answer = answer.into();
        Self::new(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                read_request(&mut stream).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                read_to_end(&mut stream).await;
            }
        })
        .await
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads one request with its body; nothing at the end of the stream.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?;
            if body.len() >= length.parse().unwrap() {
                return Some(text.into_owned());
            }
        }
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
    }
}

pub(crate) async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 4_096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

/// The configuration of these tests: loopback is allowed, as in a demo.
pub(crate) fn loopback() -> EgressConfig {
    EgressConfig { allow: vec![allowance("127.0.0.0/8"), allowance("::1/128")], ..EgressConfig::default() }
}

pub(crate) fn allowance(network: &str) -> Allowance {
    Allowance { network: network.parse().unwrap(), port: None, host: None }
}

pub(crate) fn open() -> Egress {
    Egress::new(loopback()).unwrap()
}

pub(crate) fn post_to(target: Target, deadline: Duration) -> Post {
    Post {
        target: Arc::new(target),
        signature: Some("0123abcd".to_owned()),
        agent: "Milepost/test",
        headers: Arc::from([]),
        purpose: Purpose::Delivery,
        webhook: WebhookNo(1),
        body: Bytes::from_static(b"{\"eventId\":\"1\"}"),
        deadline,
        keep: 16,
    }
}

/// Posts with five seconds of patience.
pub(crate) async fn post(egress: &Egress, uri: &str) -> Result<Reply, Failure> {
    post_within(egress, uri, Duration::from_secs(5)).await
}

pub(crate) async fn post_within(egress: &Egress, uri: &str, deadline: Duration) -> Result<Reply, Failure> {
    egress.post(post_to(egress.parse(uri).unwrap(), deadline)).await
}

pub(crate) async fn status(egress: &Egress, uri: &str) -> Result<u16, Failure> {
    post(egress, uri).await.map(|reply| reply.status)
}

pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// Posts with [`SHORT`] patience and checks that all of it was used and not much more.
pub(crate) async fn post_until_deadline(egress: &Egress, uri: &str) -> Result<Reply, Failure> {
    let began = Instant::now();
    let result = post_within(egress, uri, SHORT).await;
    let took = began.elapsed();
    assert!(took >= SHORT && took < SHORT + Duration::from_millis(250), "took {took:?}");
    result
}

#[expect(clippy::disallowed_methods, reason = "receivers and name servers live in real time")]
pub(crate) async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// What the name server says about one name.
#[derive(Clone)]
pub(crate) enum Say {
    Addresses(Vec<IpAddr>),
    Alias(String),
    NotFound,
    Broken,
    Silence,
    /// Over UDP, that the answer does not fit.
    OnlyByTcp(Vec<IpAddr>),
}

/// A name server on loopback that follows a script: each question for IPv4 addresses moves a name to its next answer.
#[derive(Clone)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
}

struct Script {
    ttl: u32,
    names: HashMap<String, Vec<Say>>,
    otherwise: Say,
    turns: parking_lot::Mutex<HashMap<String, usize>>,
    /// Whatever is asked, the answer is that something is wrong.
    is_broken: AtomicBool,
}

impl NameServer {
    pub(crate) async fn new(ttl: u32, names: impl IntoIterator<Item = (String, Vec<Say>)>) -> Self {
        Self::with_default(ttl, names, Say::NotFound).await
    }

    /// Says `otherwise` about every other name.
    pub(crate) async fn with_default(
        ttl: u32,
        names: impl IntoIterator<Item = (String, Vec<Say>)>,
        otherwise: Say,
    ) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let script = Script {
            ttl,
            names: names.into_iter().collect(),
            otherwise,
            turns: Default::default(),
            is_broken: AtomicBool::new(false),
        };
        let server = Self { address, script: Arc::new(script) };
        tokio::spawn(server.clone().serve_udp(udp));
        tokio::spawn(server.clone().serve_tcp(tcp));
        server
    }

    /// One name that leads to these addresses.
    pub(crate) async fn with(name: &str, addresses: &[&str]) -> Self {
        Self::new(300, [(name.to_owned(), vec![say(addresses)])]).await
    }

    /// How often IPv4 addresses of the name were asked for.
    pub(crate) fn questions(&self, name: &str) -> usize {
        self.script.turns.lock().get(name).copied().unwrap_or(0)
    }

    /// Fails whatever is asked, until [`NameServer::recover`].
    pub(crate) fn fail(&self) {
        self.script.is_broken.store(true, Ordering::SeqCst);
    }

    pub(crate) fn recover(&self) {
        self.script.is_broken.store(false, Ordering::SeqCst);
    }

    async fn serve_udp(self, socket: UdpSocket) {
        let mut buffer = [0; 4_096];
        loop {
            let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
            if let Some(answer) = self.answer(&buffer[..length], true) {
                let _ = socket.send_to(&answer, peer).await;
            }
        }
    }

    async fn serve_tcp(self, listener: TcpListener) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let server = self.clone();
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut question = vec![0; length.into()];
                    stream.read_exact(&mut question).await.unwrap();
                    if let Some(answer) = server.answer(&question, false) {
                        let _ = stream.write_u16(u16::try_from(answer.len()).unwrap()).await;
                        let _ = stream.write_all(&answer).await;
                    }
                }
            });
        }
    }

    fn answer(&self, question: &[u8], by_udp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let name = query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        match self.say(&name, query.query_type()) {
            Say::Silence => return None,
            Say::NotFound => answer.metadata.response_code = ResponseCode::NXDomain,
            Say::Broken => answer.metadata.response_code = ResponseCode::ServFail,
            Say::OnlyByTcp(_) if by_udp => answer.metadata.truncation = true,
            Say::Addresses(addresses) | Say::OnlyByTcp(addresses) => {
                self.add(&mut answer, query.name(), query.query_type(), addresses);
            }
            Say::Alias(other) => {
                let data = RData::CNAME(CNAME(Name::from_ascii(format!("{other}.")).unwrap()));
                answer.add_answer(Record::from_rdata(query.name().clone(), self.script.ttl, data));
            }
        }
        Some(answer.to_vec().unwrap())
    }

    fn say(&self, name: &str, kind: RecordType) -> Say {
        if self.script.is_broken.load(Ordering::SeqCst) {
            return Say::Broken;
        }
        let Some(says) = self.script.names.get(name) else { return self.script.otherwise.clone() };
        let mut turns = self.script.turns.lock();
        let turn = turns.entry(name.to_owned()).or_default();
        let say = says[*turn % says.len()].clone();
        *turn += usize::from(kind == RecordType::A);
        say
    }

    fn add(&self, answer: &mut Message, name: &Name, kind: RecordType, addresses: Vec<IpAddr>) {
        for address in addresses {
            let data = RData::from(address);
            if data.record_type() == kind {
                answer.add_answer(Record::from_rdata(name.clone(), self.script.ttl, data));
            }
        }
    }
}

pub(crate) fn say(addresses: &[&str]) -> Say {
    Say::Addresses(addresses.iter().map(|address| address.parse().unwrap()).collect())
}

/// Runs one test of this binary once more, in a process of its own that finds `variable` in its environment.
pub(crate) fn again(prefix: &[&str], test: &str, variable: &str) -> Output {
    let this = std::env::current_exe().unwrap();
    let mut words = prefix.iter().map(std::ffi::OsStr::new).chain([this.as_os_str()]);
    Command::new(words.next().unwrap())
        .args(words)
        .args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(variable, "1")
        .output()
        .unwrap()
}
