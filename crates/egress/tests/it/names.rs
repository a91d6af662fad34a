//! Names, and name servers that mean harm.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use app::ports::{Outbound, Post, Purpose, Target, UriRefused};
use domain::delivery::Failure;
use milepost_egress::{Allowance, Egress, EgressConfig, OnDial};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::scene::{NameServer, Receiver, Say, allowance, loopback, pause, post_to, say, status};

const NAME: &str = "hook.example.org";

/// Asks this name server and allows loopback.
fn asking(names: &NameServer) -> EgressConfig {
    EgressConfig { nameservers: Some(vec![names.address]), ..loopback() }
}

async fn scripted(says: Vec<Say>) -> NameServer {
    NameServer::new(300, [(NAME.to_owned(), says)]).await
}

async fn answering() -> Receiver {
    Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await
}

fn uri(receiver: &Receiver) -> String {
    format!("http://{NAME}:{}/", receiver.address.port())
}

#[tokio::test]
async fn row_n02_a_name_that_leads_to_a_denied_address_is_refused_when_entered_and_when_sent() {
    for addresses in [
        &["127.0.0.1"][..],
        &["10.0.0.1"],
        &["169.254.169.254"],
        &["93.184.216.34", "127.0.0.1"],
        &["2606:4700::1111", "93.184.216.34", "fd00::1"],
        &["::ffff:127.0.0.1"],
        &["168.63.129.16"],
    ] {
        let names = NameServer::with(NAME, addresses).await;
        let dialled = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&dialled);
        let egress = Egress::new(EgressConfig {
            nameservers: Some(vec![names.address]),
            on_dial: Some(Arc::new(move |addresses| {
                seen.lock().extend_from_slice(addresses);
                false
            })),
            ..EgressConfig::default()
        })
        .unwrap();
        let target = egress.parse(&format!("https://{NAME}/")).unwrap();
        assert_eq!(egress.vet(&target).await, Err(UriRefused::Address), "{addresses:?}");
        let sent = egress.post(post_to(target, Duration::from_secs(5))).await;
        assert_eq!(sent.unwrap_err(), Failure::Blocked, "{addresses:?}");
        assert!(dialled.lock().is_empty());
    }
}

#[tokio::test]
async fn a_target_that_was_stored_before_the_policy_changed_is_vetted_again() {
    let egress = Egress::new(EgressConfig::default()).unwrap();
    for (tls, host, port) in [
        (true, "127.0.0.1", 443),
        (true, "localhost", 443),
        (true, "[::1]", 443),
        (false, "93.184.216.34", 80),
        (true, "93.184.216.34", 22),
    ] {
        let target = Target { tls, host: host.to_owned(), port, path: "/".to_owned() };
        assert_eq!(egress.vet(&target).await, Err(UriRefused::Address));
        let sent = egress.post(post_to(target, Duration::from_secs(5))).await;
        assert_eq!(sent.unwrap_err(), Failure::Blocked, "{host}:{port}");
    }
}

#[tokio::test]
async fn an_unusual_port_or_plain_http_needs_every_address_on_the_allow_list() {
    let names = NameServer::with(NAME, &["127.0.0.1", "93.184.216.34"]).await;
    let egress = Egress::new(asking(&names)).unwrap();
    let target = egress.parse(&format!("http://{NAME}:9000/")).unwrap();
    assert_eq!(egress.vet(&target).await, Err(UriRefused::Address));
}

#[tokio::test]
async fn a_name_on_the_allow_list_may_be_one_of_a_local_network() {
    let names = NameServer::new(300, [("receiver".to_owned(), vec![say(&["127.0.0.1"])])]).await;
    let allow = vec![Allowance { host: Some("receiver".to_owned()), ..allowance("127.0.0.0/8") }];
    let egress = Egress::new(EgressConfig { allow, ..asking(&names) }).unwrap();
    let receiver = answering().await;
    let port = receiver.address.port();
    assert_eq!(status(&egress, &format!("http://receiver:{port}/")).await, Ok(200));
    assert_eq!(egress.parse(&format!("http://localhost:{port}/")), Err(UriRefused::Scheme));
}

#[tokio::test]
async fn the_hosts_file_is_asked_for_names_on_the_allow_list_only() {
    let Ok(hosts) = std::fs::read_to_string("/etc/hosts") else { return };
    let local = |line: &str| {
        let mut words = line.split_whitespace();
        let address: Ipv4Addr = words.next()?.parse().ok()?;
        words.find(|name| address.is_loopback() && *name != "localhost").map(str::to_owned)
    };
    let Some(name) = hosts.lines().find_map(local) else {
        println!("did not run: the hosts file has no name for this machine");
        return;
    };
    let names = NameServer::new(300, []).await;
    let receiver = answering().await;
    let target = Target {
        tls: false,
        host: name.to_ascii_lowercase(),
        port: receiver.address.port(),
        path: "/".to_owned(),
    };
    let without = Egress::new(asking(&names)).unwrap();
    assert_eq!(without.vet(&target).await, Err(UriRefused::NameNotFound));
    let allow = vec![Allowance { host: Some(name), ..allowance("127.0.0.0/8") }];
    let with = Egress::new(EgressConfig { allow, ..asking(&names) }).unwrap();
    assert_eq!(with.vet(&target).await, Ok(()));
}

#[tokio::test]
async fn without_a_name_server_that_can_be_asked_the_fault_is_ours() {
    let egress = Egress::new(EgressConfig { nameservers: Some(vec![]), ..loopback() }).unwrap();
    assert_eq!(status(&egress, "https://hook.example.org/").await, Err(Failure::Local));
}

#[tokio::test]
async fn row_r04_a_name_that_does_not_exist_is_a_failure() {
    let names = NameServer::new(300, []).await;
    let egress = Egress::new(asking(&names)).unwrap();
    assert_eq!(status(&egress, "https://gone.example.org/").await, Err(Failure::DnsNotFound));
}

#[tokio::test]
async fn fault_e11_absence_failure_and_silence_are_told_apart_in_bounded_time() {
    for (says, failure) in [
        (Say::NotFound, Failure::DnsNotFound),
        (Say::Addresses(vec![]), Failure::DnsNotFound),
        (Say::Broken, Failure::DnsFailed),
        (Say::Silence, Failure::DnsFailed),
        (Say::Alias(NAME.to_owned()), Failure::DnsNotFound),
    ] {
        let names = scripted(vec![says]).await;
        let egress = Egress::new(asking(&names)).unwrap();
        let began = Instant::now();
        let target = egress.parse(&format!("https://{NAME}/")).unwrap();
        let result = egress.post(post_to(target, Duration::from_secs(15))).await;
        assert_eq!(result.unwrap_err(), failure);
        assert!(began.elapsed() < Duration::from_millis(5_250), "took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_entered_is_told_apart_by_what_dns_says_of_it_and_by_nothing_else() {
    let names = NameServer::new(
        300,
        [
            ("private.example.org".to_owned(), vec![say(&["10.0.0.1"])]),
            ("metadata.example.org".to_owned(), vec![say(&["169.254.169.254"])]),
            ("broken.example.org".to_owned(), vec![Say::Broken]),
        ],
    )
    .await;
    let egress = Egress::new(asking(&names)).unwrap();
    for (name, refused) in [
        ("private", UriRefused::Address),
        ("metadata", UriRefused::Address),
        ("gone", UriRefused::NameNotFound),
        ("broken", UriRefused::NameNotResolved),
    ] {
        let target = egress.parse(&format!("https://{name}.example.org/")).unwrap();
        assert_eq!(egress.vet(&target).await, Err(refused), "{name}");
    }
}

#[tokio::test]
async fn a_failure_of_dns_that_passes_fails_neither_a_probe_nor_an_entry() {
    let receiver = answering().await;
    for is_probe in [false, true] {
        let names = NameServer::with(NAME, &["127.0.0.1"]).await;
        let egress = Egress::new(asking(&names)).unwrap();
        let target = egress.parse(&uri(&receiver)).unwrap();
        names.fail();
        let delivery = post_to(target.clone(), Duration::from_secs(5));
        assert_eq!(
            egress.post(delivery.clone()).await.unwrap_err(),
            Failure::DnsFailed,
            "its retry comes anyway"
        );
        let recovery = async {
            pause(Duration::from_millis(100)).await;
            names.recover();
        };
        let asked = async {
            match is_probe {
                true => egress.post(Post { purpose: Purpose::Probe, ..delivery }).await.map(drop).ok(),
                false => egress.vet(&target).await.ok(),
            }
        };
        assert_eq!(tokio::join!(asked, recovery).0, Some(()));
    }
}

#[tokio::test]
async fn fault_e11_silence_does_not_outlast_the_deadline() {
    let names = scripted(vec![Say::Silence]).await;
    let egress = Egress::new(asking(&names)).unwrap();
    let result = crate::scene::post_until_deadline(&egress, &format!("https://{NAME}/")).await;
    assert_eq!(result.unwrap_err(), Failure::TimedOut);
}

#[tokio::test]
async fn fault_e11_a_truncated_answer_is_asked_for_again_over_tcp() {
    let names = scripted(vec![Say::OnlyByTcp(vec![Ipv4Addr::LOCALHOST.into()])]).await;
    let receiver = answering().await;
    let egress = Egress::new(asking(&names)).unwrap();
    assert_eq!(status(&egress, &uri(&receiver)).await, Ok(200));
}

#[tokio::test]
async fn fault_e11_an_alias_is_followed_and_a_ring_of_aliases_is_not() {
    let names = NameServer::new(
        300,
        [
            (NAME.to_owned(), vec![Say::Alias("other.example.net".to_owned())]),
            ("other.example.net".to_owned(), vec![say(&["127.0.0.1"])]),
            ("a.example.net".to_owned(), vec![Say::Alias("b.example.net".to_owned())]),
            ("b.example.net".to_owned(), vec![Say::Alias("a.example.net".to_owned())]),
        ],
    )
    .await;
    let receiver = answering().await;
    let egress = Egress::new(asking(&names)).unwrap();
    assert_eq!(status(&egress, &uri(&receiver)).await, Ok(200));
    let began = Instant::now();
    assert!(status(&egress, "https://a.example.net/").await.is_err());
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn fault_e11_of_a_thousand_answers_all_are_judged_and_few_are_dialled() {
    let many: Vec<_> = (0..1_000).map(|n| Ipv4Addr::from_bits(0x7f00_0001 + n).into()).collect();
    let mut spoiled = many.clone();
    spoiled.push(Ipv4Addr::new(10, 0, 0, 1).into());
    let names = NameServer::new(
        300,
        [
            (NAME.to_owned(), vec![Say::OnlyByTcp(many)]),
            ("spoiled.example.org".to_owned(), vec![Say::OnlyByTcp(spoiled)]),
        ],
    )
    .await;
    let dialled = Arc::new(Mutex::new(0));
    let count = Arc::clone(&dialled);
    let on_dial: OnDial = Arc::new(move |addresses| {
        *count.lock() += addresses.len();
        true
    });
    let egress = Egress::new(EgressConfig { on_dial: Some(on_dial), ..asking(&names) }).unwrap();
    let receiver = answering().await;
    assert_eq!(status(&egress, &uri(&receiver)).await, Ok(200));
    assert_eq!(*dialled.lock(), 8);
    let target = egress.parse("https://spoiled.example.org/").unwrap();
    assert_eq!(egress.vet(&target).await, Err(UriRefused::Address));
}

#[tokio::test]
async fn fault_e11_a_ttl_of_zero_is_kept_for_a_second_and_an_endless_one_not_for_ever() {
    for ttl in [0, u32::MAX >> 1] {
        let names = NameServer::new(ttl, [(NAME.to_owned(), vec![say(&["127.0.0.1"])])]).await;
        let egress = Egress::new(asking(&names)).unwrap();
        let target = egress.parse(&format!("https://{NAME}/")).unwrap();
        for _ in 0..20 {
            assert_eq!(egress.vet(&target).await, Ok(()));
        }
        assert_eq!(names.questions(NAME), 1, "asked once although the TTL is {ttl}");
    }
}

#[tokio::test]
async fn fault_e11_an_unreachable_ipv6_address_costs_a_moment_when_ipv4_works() {
    // The receiver listens on IPv4 only, so that the IPv6 address refuses.
    let names = NameServer::with(NAME, &["::1", "127.0.0.1"]).await;
    let receiver = answering().await;
    let egress = Egress::new(asking(&names)).unwrap();
    let began = Instant::now();
    assert_eq!(status(&egress, &uri(&receiver)).await, Ok(200));
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn fault_e11_an_answer_that_turns_bad_is_refused_as_soon_as_it_is_believed() {
    let names =
        NameServer::new(0, [(NAME.to_owned(), vec![say(&["93.184.216.34"]), say(&["127.0.0.1"])])]).await;
    let egress =
        Egress::new(EgressConfig { nameservers: Some(vec![names.address]), ..EgressConfig::default() })
            .unwrap();
    let target = egress.parse(&format!("https://{NAME}/")).unwrap();
    assert_eq!(egress.vet(&target).await, Ok(()));
    let began = Instant::now();
    while egress.vet(&target).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(3), "the first answer is believed for a second");
        pause(Duration::from_millis(50)).await;
    }
}
