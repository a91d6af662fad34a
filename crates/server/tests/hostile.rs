//! The witness over the whole server: wherever a callback URI enters, and whenever one is sent to, no address that is denied
//! ever sees a connection.
//!
//! In a network namespace of its own every address on earth is local, and a sentinel accepts on every port that the corpus
//! uses. What it saw is compared with a list of its own, so the test trusts none of the code that it checks.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    process::Command,
    sync::Arc,
    time::Duration,
};

use common::{PATIENCE, Server, eventually, hourly, items, pause, text};
use futures::{StreamExt, stream};
use hickory_proto::{
    op::Message,
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use hyper::Method;
use ipnet::IpNet;
use lab::{Receiver, ReceiverOptions};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};
use url::Url;

const CORPUS: &str = include_str!("../../egress/tests/hostile.txt");
const INSIDE: &str = "MILEPOST_HOSTILE_INSIDE";
const REACHABLE: [&str; 2] = ["93.184.216.0/24", "2606:2800:220:1::/64"];
const CONTROLS: [&str; 3] =
    ["https://93.184.216.34/", "https://[2606:2800:220:1::9]:8443/", "https://good.example.net/"];

/// A name that leads to a receiver which the operator has allowed, until it leads elsewhere.
const FLIPPING: &str = "flip.example.net";
const FLIPPING_FROM: &str = "93.184.216.50:18088";
const FLIPPING_TO: [&str; 4] = ["127.0.0.1", "169.254.169.254", "10.0.0.1", "::1"];

/// Workers that enter URIs at once.
const AT_ONCE: usize = 12;

type Reached = Arc<Mutex<BTreeSet<IpAddr>>>;
type Answers = Arc<Mutex<HashMap<String, Script>>>;

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_uri_leads_anywhere_wherever_it_enters_the_server() {
    if std::env::var_os(INSIDE).is_some() {
        return inside().await;
    }
    let Some(namespace) = namespace() else {
        println!("not run: no network namespace can be made here");
        return;
    };
    let output = Command::new(namespace[0])
        .args(&namespace[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["no_hostile_uri_leads_anywhere_wherever_it_enters_the_server", "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("the sentinel saw"), "{told}{errors}");
    println!("{told}");
}

/// The command that runs another one in a network of its own.
fn namespace() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["unshare", "--net"], &["unshare", "--user", "--map-root-user", "--net"]];
    ways.into_iter().find(|way| {
        let tried = Command::new(way[0]).args(&way[1..]).args(["ip", "link", "set", "lo", "up"]).output();
        tried.is_ok_and(|output| output.status.success())
    })
}

async fn inside() {
    for change in [
        "link set lo up",
        "route add local default dev lo",
        "-6 route add local default dev lo",
        "addr add 198.100.7.7/32 dev lo",
        "-6 addr add 2a0a:e5c0:7::7/128 dev lo",
    ] {
        let done = Command::new("ip").args(change.split(' ')).output().unwrap();
        assert!(done.status.success(), "ip {change}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let reached = sentinel().await;
    the_sentinel_sees_everything(&reached).await;
    let (names, answers) = name_server().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("MILEPOST_EGRESS_NAMESERVERS", format!("[\"{names}\"]")),
        ("MILEPOST_EGRESS_DENY", r#"["198.100.8.0/24"]"#.to_owned()),
        ("MILEPOST_EGRESS_ALLOW", format!("[\"93.184.216.50/32:18088@{FLIPPING}\"]")),
        ("MILEPOST_DELIVERY_DEADLINE_S", "2".to_owned()),
    ];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    // Half a minute before an hour, six seconds of which are a whole one.
    let server =
        Server::serve_with(folder.path(), &settings, &["--clock-from", "1800010770", "--clock-speed", "600"])
            .await;
    every_way_in(&server).await;
    check(&reached);
    a_name_that_flips_between_sends_is_left_alone(&server, &answers).await;
    check(&reached);
    println!("the sentinel saw {:?}", reached.lock());
    server.stop().await;
}

/// Without this the test could not fail.
async fn the_sentinel_sees_everything(reached: &Reached) {
    for address in
        ["127.0.0.1:443", "169.254.169.254:80", "[fd00:ec2::254]:443", "10.0.0.1:6379", "10.0.0.1:18088"]
    {
        let address: SocketAddr = address.parse().unwrap();
        TcpStream::connect(address).await.unwrap();
        let seen = eventually(PATIENCE, async || reached.lock().contains(&address.ip())).await;
        assert!(seen, "the sentinel overlooks {address}");
    }
    reached.lock().clear();
}

/// The corpus twice, because answers that flip have flipped by the second time: as a new webhook, as an edit of one, and
/// as the target of every probe of those that were taken.
async fn every_way_in(server: &Server) {
    let application = server.post("/applications", json!({ "name": "Hostile" })).await;
    let application = text(&application, "id");
    let mut edited = Vec::new();
    for _ in 0..AT_ONCE {
        let body = hourly("Edited", CONTROLS[0], false);
        edited.push(
            text(&server.post(&format!("/applications/{application}/webhooks"), body).await, "id").to_owned(),
        );
    }
    for _ in 0..2 {
        let uris = corpus().into_iter().map(|line| line.uri).chain(CONTROLS.map(str::to_owned));
        let entered = stream::iter(uris.enumerate()).for_each_concurrent(AT_ONCE, async |(at, uri)| {
            enter(server, application, &edited[at % AT_ONCE], &uri).await;
        });
        entered.await;
    }
    let taken = items(&server.get(&format!("/applications/{application}/webhooks?limit=100")).await).to_vec();
    for _ in 0..3 {
        // A webhook is probed once a second at most, by a clock that no setting makes faster.
        pause(Duration::from_millis(1_050)).await;
        let probes = stream::iter(&taken).for_each_concurrent(AT_ONCE, async |webhook| {
            for probe in ["verify", "test"] {
                let path = format!("/webhooks/{}/{probe}", text(webhook, "id"));
                let probed = server.admin(Method::POST, &path, &json!({})).await;
                assert!(!probed.status.is_server_error(), "{webhook}: {}", probed.text());
            }
        });
        probes.await;
    }
}

async fn enter(server: &Server, application: &str, edited: &str, uri: &str) {
    let path = format!("/applications/{application}/webhooks");
    let made = server.admin(Method::POST, &path, &hourly("Made", uri, true)).await;
    judge(uri, made.status.as_u16(), &made.json());
    let path = format!("/webhooks/{edited}");
    let changed = server.admin(Method::PATCH, &path, &json!({ "callbackUri": uri })).await;
    judge(uri, changed.status.as_u16(), &changed.json());
}

/// It is refused with the field named, or taken and not verified by anybody.
fn judge(uri: &str, status: u16, answer: &Value) {
    match status {
        200 | 201 => assert_eq!(answer["verified"], false, "{uri}: {answer:#}"),
        409 | 429 => {}
        _ => assert_eq!((status, &answer["field"]), (400, &json!("callbackUri")), "{uri}: {answer:#}"),
    }
}

/// Data goes to the allowed receiver; once its name leads elsewhere, to nobody.
async fn a_name_that_flips_between_sends_is_left_alone(server: &Server, answers: &Answers) {
    let address = FLIPPING_FROM.parse().unwrap();
    let receiver = Receiver::start(ReceiverOptions { address, ..ReceiverOptions::default() }).await.unwrap();
    let made = server.post("/applications", json!({ "name": "Flips" })).await;
    receiver.set_secrets_everywhere(&[text(&made, "managementToken")]);
    let application = text(&made, "id");
    let uri = format!("http://{FLIPPING}:18088/hook");
    let path = format!("/applications/{application}/webhooks");
    let webhook = server.post(&path, hourly("Flips", &uri, true)).await;
    assert_eq!(webhook["verified"], true, "{webhook:#}");
    let webhook = text(&webhook, "id");
    let car = server.post("/simulator/vehicles", json!({ "make": "TESLA", "model": "Model 3" })).await;
    let path = format!("/simulator/vehicles/{}/connect", text(&car, "id"));
    let car = server.post(&path, json!({ "applicationId": application })).await;
    server
        .post(&format!("/webhooks/{webhook}/subscriptions"), json!({ "vehicleIds": [car["vehicleId"]] }))
        .await;
    assert!(receiver.log().wait_for_events(1, PATIENCE).await, "the control: data arrives before the flip");

    let elsewhere = FLIPPING_TO.map(|address| vec![address.parse().unwrap()]).to_vec();
    answers.lock().insert(FLIPPING.to_owned(), Script::new(elsewhere.into_iter().map(Say::Addresses)));
    // Connections that are kept lead to where they were vetted for; only a new one asks again.
    receiver.shutdown().await;
    let failed = async || {
        let page = server.get(&format!("/deliveries?webhookId={webhook}&status=failed")).await;
        items(&page).first().cloned()
    };
    assert!(eventually(PATIENCE, async || failed().await.is_some()).await, "its retries are used up");
    let detail = server.get(&format!("/deliveries/{}", text(&failed().await.unwrap(), "id"))).await;
    let attempts = detail["attempts"].as_array().unwrap();
    let blocked = attempts.iter().filter(|attempt| attempt["failure"] == "blocked").count();
    assert!(blocked >= attempts.len() - 1 && blocked > 1, "{detail:#}");
}

/// Nothing was reached but what may be, and what may be was.
fn check(reached: &Reached) {
    let reached = reached.lock();
    let reachable = REACHABLE.map(|network| network.parse::<IpNet>().unwrap());
    let may_be = |address: &&IpAddr| !reachable.iter().any(|network| network.contains(*address));
    let escapes: Vec<_> = reached.iter().filter(may_be).collect();
    assert!(escapes.is_empty(), "reached although denied: {escapes:?}");
    for control in ["93.184.216.34", "2606:2800:220:1::9", "93.184.216.99"] {
        assert!(reached.contains(&control.parse().unwrap()), "{control} is not denied and was not reached");
    }
}

/// A listener on every port that a URI of the corpus gives, for every address there is.
async fn sentinel() -> Reached {
    let reached = Reached::default();
    let corpus = corpus().into_iter().filter_map(|line| Url::parse(&line.uri).ok()?.port_or_known_default());
    let ports: BTreeSet<u16> = corpus.chain([80, 443, 8443]).filter(|&port| port != 0).collect();
    let everywhere = ports.into_iter().map(|port| SocketAddr::from(([0_u16; 8], port)));
    // The receiver has this port on its own address.
    let flipped = FLIPPING_TO.map(|address| SocketAddr::new(address.parse().unwrap(), 18_088));
    for address in everywhere.chain(flipped) {
        let listener = TcpListener::bind(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
        let log = Arc::clone(&reached);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                log.lock().insert(stream.local_addr().unwrap().ip().to_canonical());
            }
        });
    }
    reached
}

/// What the name server says about a name at one look-up.
#[derive(Clone)]
enum Say {
    Addresses(Vec<IpAddr>),
    Alias(String),
}

/// What it says at one look-up after the other, round and round.
struct Script {
    says: Vec<Say>,
    turn: usize,
}

impl Script {
    fn new(says: impl IntoIterator<Item = Say>) -> Self {
        Self { says: says.into_iter().collect(), turn: 0 }
    }

    /// A question for IPv4 addresses moves it on.
    fn say(&mut self, kind: RecordType) -> Say {
        let say = self.says[self.turn % self.says.len()].clone();
        self.turn += usize::from(kind == RecordType::A);
        say
    }
}

/// A name server that follows the script of the corpus; every other name leads to where it hurts.
async fn name_server() -> (SocketAddr, Answers) {
    let scripted = corpus().into_iter().filter_map(|line| {
        let host = Url::parse(&line.uri).ok()?.host_str()?.trim_end_matches('.').to_owned();
        Some((host, Script::new(line.answers?.split('|').map(say))))
    });
    let own = [("good.example.net", "93.184.216.99"), (FLIPPING, "93.184.216.50")];
    let own = own.map(|(name, address)| (name.to_owned(), Script::new([say(address)])));
    let answers = Answers::new(Mutex::new(scripted.chain(own).collect()));
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).await.unwrap();
    let by_udp = Arc::clone(&answers);
    tokio::spawn(async move {
        let mut question = [0; 4_096];
        loop {
            let (length, peer) = udp.recv_from(&mut question).await.unwrap();
            udp.send_to(&answer(&by_udp, &question[..length]), peer).await.unwrap();
        }
    });
    let by_tcp = Arc::clone(&answers);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = tcp.accept().await.unwrap();
            while let Ok(length) = stream.read_u16().await {
                let mut question = vec![0; length.into()];
                stream.read_exact(&mut question).await.unwrap();
                let answer = answer(&by_tcp, &question);
                stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        }
    });
    (address, answers)
}

fn say(answers: &str) -> Say {
    match answers.strip_prefix('=') {
        Some(alias) => Say::Alias(alias.to_owned()),
        None => Say::Addresses(answers.split(',').map(|address| address.parse().unwrap()).collect()),
    }
}

fn answer(answers: &Answers, question: &[u8]) -> Vec<u8> {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries.first().unwrap().clone();
    let name = query.name().to_string().trim_end_matches('.').to_ascii_lowercase();
    let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    let said = answers.lock().get_mut(&name).map(|script| script.say(query.query_type()));
    let records: Vec<RData> = match said.unwrap_or_else(|| say("127.0.0.1,169.254.169.254")) {
        Say::Alias(other) => vec![RData::CNAME(CNAME(Name::from_ascii(format!("{other}.")).unwrap()))],
        Say::Addresses(addresses) => {
            let records = addresses.into_iter().map(RData::from);
            records.filter(|record| record.record_type() == query.query_type()).collect()
        }
    };
    for record in records {
        answer.add_answer(Record::from_rdata(query.name().clone(), 0, record));
    }
    answer.to_vec().unwrap()
}

struct Line {
    uri: String,
    answers: Option<&'static str>,
}

fn corpus() -> Vec<Line> {
    let lines = CORPUS.lines().filter(|line| !line.starts_with('#'));
    let line = |line: &'static str| {
        let mut fields = line.split('\t').skip(1);
        Line { uri: unescaped(fields.next().unwrap()), answers: fields.next() }
    };
    lines.map(line).collect()
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (letter, after) = match after.strip_prefix("u{") {
            Some(hex) => {
                let (hex, after) = hex.split_once('}').unwrap();
                (char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap(), after)
            }
            None => (escaped(after.as_bytes()[0]), &after[1..]),
        };
        plain.push(letter);
        rest = after;
    }
    plain + rest
}

fn escaped(letter: u8) -> char {
    match letter {
        b't' => '\t',
        b'r' => '\r',
        b'n' => '\n',
        b'\\' => '\\',
        other => panic!("the corpus knows no escape {}", char::from(other)),
    }
}
