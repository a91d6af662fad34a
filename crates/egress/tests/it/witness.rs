//! The witness: no address that is denied ever sees a connection.
//!
//! In a network namespace of its own every address on earth is made local, a sentinel accepts on every port that the corpus
//! uses, and the corpus goes through the real thing. What the sentinel logs is compared with a list of its own, so the
//! test trusts none of the code that it checks. Where no namespace can be made, the last look before a dial takes the
//! sentinel's place.

use std::{
    collections::{BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    process::Command,
    sync::Arc,
    time::Duration,
};

use app::ports::{Outbound, Target};
use futures::{StreamExt, stream};
use ipnet::IpNet;
use milepost_egress::{Egress, EgressConfig, OnDial};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::{
    scene::{self, NameServer, Say, allowance, pause, post_to, say},
    spelling,
};

const CORPUS: &str = include_str!("../hostile.txt");
const INSIDE: &str = "MILEPOST_WITNESS_INSIDE";
const REACHABLE: [&str; 2] = ["93.184.216.0/24", "2606:2800:220:1::/64"];
const DENIED_BY_OPERATOR: &str = "198.100.8.0/24";
const CONTROLS: [&str; 3] =
    ["https://93.184.216.34/", "https://[2606:2800:220:1::9]:8443/", "https://good.example.net/"];

/// How often the long version goes through the corpus.
const ROUNDS: usize = 20;
/// How many spellings the long version tries.
const SPELLINGS: u64 = 100_000;

type Reached = Arc<Mutex<BTreeSet<IpAddr>>>;

struct Line {
    class: &'static str,
    uri: String,
    answers: Option<&'static str>,
}

#[tokio::test]
async fn the_corpus_holds_hundreds_of_uris_of_every_class() {
    let mut classes = HashMap::new();
    for line in corpus() {
        *classes.entry(line.class).or_insert(0) += 1;
    }
    for class in
        ["numeric", "ipv6", "special", "metadata", "own", "dns", "url", "scheme", "port", "unicode", "name"]
    {
        assert!(classes.get(class).is_some_and(|&count| count >= 10), "{class} of {classes:?}");
    }
    assert!(classes.values().sum::<i32>() >= 300);
}

#[tokio::test]
async fn witness() {
    if std::env::var_os(INSIDE).is_some() {
        return inside().await;
    }
    let Some(namespace) = namespace() else {
        println!("no network namespace can be made here: only what is about to be dialled is checked");
        return without_namespace().await;
    };
    run_inside(namespace, "witness::witness");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tries a hundred thousand spellings, for minutes"]
async fn soak_addresses_of_every_spelling() {
    if std::env::var_os(INSIDE).is_some() {
        return inside_for_long().await;
    }
    let namespace = namespace().expect("the soak needs a network namespace");
    run_inside(namespace, "witness::soak_addresses_of_every_spelling");
}

/// Runs a test of this file in a network of its own.
fn run_inside(namespace: &[&str], test: &str) {
    let output = scene::again(namespace, test, INSIDE);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("the sentinel saw"), "{text}{errors}");
    println!("{text}");
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
    let reached = lone_network().await;
    let egress = egress(None).await;
    run(&egress).await;
    check(&reached);
    an_allowed_target_is_reached(&reached).await;
}

/// The corpus again and again, and spellings of addresses that are denied.
async fn inside_for_long() {
    let reached = lone_network().await;
    let egress = egress(None).await;
    for _ in 0..ROUNDS / 2 {
        run(&egress).await;
    }
    let spellings = (0..SPELLINGS).map(spelling::of_a_denied_address);
    stream::iter(spellings).for_each_concurrent(64, |uri| attack(&egress, uri)).await;
    check(&reached);
    println!(
        "soak: {} hostile URIs in {ROUNDS} rounds and {SPELLINGS} spellings of denied addresses, none reached",
        corpus().len()
    );
}

/// A network in which every address on earth is local, and what its sentinel sees.
async fn lone_network() -> Reached {
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
    reached
}

/// Without this the test could not fail.
async fn the_sentinel_sees_everything(reached: &Reached) {
    for address in [
        "127.0.0.1:443",
        "169.254.169.254:443",
        "[fd00:ec2::254]:443",
        "[::ffff:7f00:1]:443",
        "10.0.0.1:6379",
    ] {
        let address: SocketAddr = address.parse().unwrap();
        TcpStream::connect(address).await.unwrap();
        eventually(reached, address.ip().to_canonical()).await;
    }
    reached.lock().clear();
}

async fn an_allowed_target_is_reached(reached: &Reached) {
    let allow = vec![allowance("10.0.0.0/8")];
    let egress = Egress::new(EgressConfig { allow, ..EgressConfig::default() }).unwrap();
    let target = egress.parse("http://10.9.8.7:6379/").unwrap();
    let _ = egress.post(post_to(target, Duration::from_millis(500))).await;
    eventually(reached, "10.9.8.7".parse().unwrap()).await;
}

async fn eventually(reached: &Reached, address: IpAddr) {
    while !reached.lock().contains(&address) {
        pause(Duration::from_millis(5)).await;
    }
}

async fn without_namespace() {
    let reached = Reached::default();
    let seen = Arc::clone(&reached);
    let on_dial: OnDial = Arc::new(move |addresses| {
        seen.lock().extend(addresses.iter().map(SocketAddr::ip));
        false
    });
    run(&egress(Some(on_dial)).await).await;
    // The machine has other addresses than the corpus assumes, and they are not in anybody's way.
    reached
        .lock()
        .retain(|address| !["198.100.7.7", "2a0a:e5c0:7::7"].contains(&address.to_string().as_str()));
    check(&reached);
}

/// Nothing was reached but what may be, and what may be was.
fn check(reached: &Reached) {
    let reached = reached.lock();
    let reachable = REACHABLE.map(|network| network.parse::<IpNet>().unwrap());
    let escapes: Vec<_> = reached
        .iter()
        .filter(|address| !reachable.iter().any(|network| network.contains(*address)))
        .collect();
    assert!(escapes.is_empty(), "reached although denied: {escapes:?}");
    for control in ["93.184.216.34", "2606:2800:220:1::9", "93.184.216.99"] {
        assert!(reached.contains(&control.parse().unwrap()), "{control} is not denied and was not reached");
    }
    println!("the sentinel saw {reached:?}");
}

/// A listener on every port that a URI of the corpus gives, for every address there is.
async fn sentinel() -> Reached {
    let reached = Reached::default();
    for port in ports() {
        let listener = TcpListener::bind(("::", port)).await.unwrap();
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

fn ports() -> BTreeSet<u16> {
    let explicit =
        corpus().into_iter().filter_map(|line| Url::parse(&line.uri).ok()?.port_or_known_default());
    explicit.chain([80, 443, 8443]).filter(|&port| port != 0).collect()
}

async fn egress(on_dial: Option<OnDial>) -> Egress {
    let otherwise = say(&["127.0.0.1", "169.254.169.254"]);
    let scripted = corpus().into_iter().filter_map(|line| {
        let host = Url::parse(&line.uri).ok()?.host_str()?.trim_end_matches('.').to_owned();
        Some((host, script(line.answers?)))
    });
    let good = ("good.example.net".to_owned(), vec![say(&["93.184.216.99"])]);
    let names = NameServer::with_default(0, scripted.chain([good]), otherwise).await;
    Egress::new(EgressConfig {
        nameservers: Some(vec![names.address]),
        deny: vec![DENIED_BY_OPERATOR.parse().unwrap()],
        connect_timeout: Duration::from_millis(500),
        on_dial,
        ..EgressConfig::default()
    })
    .unwrap()
}

fn script(answers: &str) -> Vec<Say> {
    let turn = |turn: &str| match turn.strip_prefix('=') {
        Some(alias) => Say::Alias(alias.to_owned()),
        None => say(&turn.split(',').collect::<Vec<_>>()),
    };
    answers.split('|').map(turn).collect()
}

/// The corpus twice: answers that flip have flipped by the second time.
async fn run(egress: &Egress) {
    for _ in 0..2 {
        let uris = corpus().into_iter().map(|line| line.uri).chain(CONTROLS.map(str::to_owned));
        stream::iter(uris).for_each_concurrent(16, |uri| attack(egress, uri)).await;
        pause(Duration::from_millis(1_100)).await;
    }
}

/// Enters the URI and sends to it, and sends to what a careless parser would have let through.
async fn attack(egress: &Egress, uri: String) {
    let careful = egress.parse(&uri).ok();
    if let Some(target) = &careful {
        let _ = egress.vet(target).await;
    }
    for target in careful.into_iter().chain(carelessly(&uri)) {
        let _ = egress.post(post_to(target, Duration::from_secs(1))).await;
    }
}

fn carelessly(uri: &str) -> Option<Target> {
    let url = Url::parse(uri).ok()?;
    Some(Target {
        tls: url.scheme() != "http",
        host: url.host_str()?.to_owned(),
        port: url.port_or_known_default()?,
        path: "/".to_owned(),
    })
}

fn corpus() -> Vec<Line> {
    let lines = CORPUS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut fields = line.split('\t');
            let mut next = || fields.next();
            Line { class: next().unwrap(), uri: unescaped(next().unwrap()), answers: next() }
        })
        .collect()
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (c, after) = match after.strip_prefix("u{") {
            Some(hex) => {
                let (hex, after) = hex.split_once('}').unwrap();
                (char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap(), after)
            }
            None => (escaped(after.as_bytes()[0]), &after[1..]),
        };
        plain.push(c);
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
