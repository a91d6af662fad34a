//! The right to send ends while somebody redelivers: after the answer nothing leaves later than a second, and nothing waits.
//! Every way in which it can end is tried on the real binary, over HTTP. What happens inside is in the simulated worlds.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{PATIENCE, Server, eventually, items, pause, text};
use futures::{StreamExt, future::join_all, stream};
use hyper::Method;
use lab::{Behaviour, HttpClient, Receiver, ReceiverOptions, Timestamp, receiver::Received};
use serde_json::{Value, json};

/// The pauses of a unified webhook's retries, 25 to 100 seconds, take up to a second.
const CLOCK: [&str; 4] = ["--clock-from", "1800000000", "--clock-speed", "100"];
/// All retries of an event, with room to spare.
const ALL_RETRIES: Duration = Duration::from_secs(4);
/// What was in flight may arrive so long after the answer.
const LATE: Duration = Duration::from_secs(1);
const AT_ONCE: usize = 4;
const REDELIVERIES: usize = 3;

/// Everything that ends a right to send, as its method and path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Unsubscribed,
    UnsubscribedByApplication,
    Disconnected,
    DisconnectedByApplication,
    DisconnectedByManagement,
    Erased,
    OwnerErased,
    Narrowed,
    /// The owner connects it again and grants less.
    GrantedLess,
    SwitchedOff,
    Deleted,
    PlanChanged,
}

impl End {
    const ALL: [Self; 12] = [
        Self::Unsubscribed,
        Self::UnsubscribedByApplication,
        Self::Disconnected,
        Self::DisconnectedByApplication,
        Self::DisconnectedByManagement,
        Self::Erased,
        Self::OwnerErased,
        Self::Narrowed,
        Self::GrantedLess,
        Self::SwitchedOff,
        Self::Deleted,
        Self::PlanChanged,
    ];
}

/// An application with a webhook, a vehicle on it, and a delivery.
struct Tenant {
    path: String,
    application: String,
    management_token: String,
    webhook: String,
    car: String,
    vehicle: String,
    user: String,
    delivery: String,
}

struct Scene {
    server: Server,
    receiver: Arc<Receiver>,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = [
            ("MILEPOST_EGRESS_ALLOW", r#"["127.0.0.0/8"]"#),
            ("MILEPOST_PLANS_OTHER", r#"{ webhooks = ["scheduled"] }"#),
            ("MILEPOST_LOG_LEVEL", "error"),
            ("MILEPOST_READS_PER_SECOND", "1000"),
        ];
        let server = Server::serve_with(folder.path(), &settings, &CLOCK).await;
        let options = ReceiverOptions { honest_verification: true, ..ReceiverOptions::default() };
        let receiver = Arc::new(Receiver::start(options).await.unwrap());
        Self { server, receiver, _folder: folder }
    }

    /// Makes a tenant whose receiver has taken an event, and fails from now on.
    async fn tenant(&self, number: usize) -> Tenant {
        let (server, path) = (&self.server, format!("/hooks/{number}"));
        let made = server.post("/applications", json!({ "name": format!("Fleet {number}") })).await;
        let (application, token) = (text(&made, "id"), text(&made, "managementToken"));
        self.receiver.set_secrets(&path, &[token]);
        let webhook = json!({
            "kind": "unified", "name": "Charge", "callbackUri": self.receiver.url(&path), "verify": true,
            "triggers": ["tractionbattery-stateofcharge"],
        });
        let webhook = server.post(&format!("/applications/{application}/webhooks"), webhook).await;
        assert_eq!(webhook["verified"], true, "{webhook}");
        let webhook = text(&webhook, "id");
        let car = json!({ "make": "TESLA", "model": "Model 3", "region": "US", "profile": "parked" });
        let car = server.post("/simulator/vehicles", car).await;
        let connect = json!({ "applicationId": application });
        let connected =
            server.post(&format!("/simulator/vehicles/{}/connect", text(&car, "id")), connect).await;
        let vehicle = text(&connected, "vehicleId");
        server.post(&format!("/webhooks/{webhook}/subscriptions"), json!({ "vehicleIds": [vehicle] })).await;
        let list = format!("/deliveries?status=delivered&webhookId={webhook}");
        let delivered = async || !items(&server.get(&list).await).is_empty();
        assert!(eventually(PATIENCE, delivered).await, "nothing was delivered");
        let delivery = text(&items(&server.get(&list).await)[0], "id").to_owned();
        self.receiver.behave(&path, Behaviour::Respond(500));
        Tenant {
            path,
            application: application.into(),
            management_token: token.into(),
            webhook: webhook.into(),
            car: text(&car, "id").into(),
            vehicle: vehicle.into(),
            user: text(&connected, "userId").into(),
            delivery,
        }
    }

    /// Redelivers, and ends the right to it at the same time: when that was answered, and how many redeliveries were taken.
    async fn race(&self, end: End, tenant: &Tenant, number: usize) -> (Timestamp, usize) {
        let redeliver = |place: usize| async move {
            pause(Duration::from_micros((number * 997 + place * 313) as u64 % 4_000)).await;
            let path = format!("/deliveries/{}/redeliver", tenant.delivery);
            let answer = self.server.admin(Method::POST, &path, &Value::Null).await;
            let status = answer.status.as_u16();
            assert!([202, 404, 409].contains(&status), "{end:?}: {status} {}", answer.text());
            usize::from(status == 202)
        };
        let ended = async {
            pause(Duration::from_micros((number * 619) as u64 % 4_000)).await;
            self.end(end, tenant).await;
            wall()
        };
        let (ended_at, taken) = tokio::join!(ended, join_all((0..REDELIVERIES).map(redeliver)));
        (ended_at, taken.iter().sum())
    }

    async fn end(&self, end: End, tenant: &Tenant) {
        let Tenant { webhook, vehicle, application, user, car, .. } = tenant;
        let as_application = async |method: Method, path: String, token: &str| {
            let client = HttpClient::new(&self.server.url).unwrap().bearer(token).unwrap();
            client.send(method, &path, None, vec![].into()).await.unwrap()
        };
        let admin =
            async |method: Method, path: String, body: Value| self.server.admin(method, &path, &body).await;
        let answer = match end {
            End::Unsubscribed => {
                admin(Method::DELETE, format!("/webhooks/{webhook}/subscriptions/{vehicle}"), Value::Null)
                    .await
            }
            End::UnsubscribedByApplication => {
                let path = format!("/v2.0/vehicles/{vehicle}/webhooks/{webhook}");
                as_application(Method::DELETE, path, &tenant.management_token).await
            }
            End::Disconnected => {
                admin(Method::POST, format!("/vehicles/{vehicle}/disconnect"), Value::Null).await
            }
            End::DisconnectedByApplication => {
                let token = self.server.post(&format!("/vehicles/{vehicle}/access-token"), Value::Null).await;
                let path = format!("/v2.0/vehicles/{vehicle}/application");
                as_application(Method::DELETE, path, text(&token, "accessToken")).await
            }
            End::DisconnectedByManagement => {
                let path = format!("/v2.0/management/connections?vehicle_id={vehicle}");
                as_application(Method::DELETE, path, &tenant.management_token).await
            }
            End::Erased => admin(Method::POST, format!("/vehicles/{vehicle}/erase"), Value::Null).await,
            End::OwnerErased => admin(Method::POST, format!("/users/{user}/erase"), Value::Null).await,
            End::Narrowed => {
                let granted = json!({ "permissions": ["read_vin"] });
                admin(Method::PUT, format!("/vehicles/{vehicle}/permissions"), granted).await
            }
            End::GrantedLess => {
                let granted = json!({ "applicationId": application, "permissions": ["read_vin"] });
                admin(Method::POST, format!("/simulator/vehicles/{car}/connect"), granted).await
            }
            End::SwitchedOff => {
                admin(Method::POST, format!("/webhooks/{webhook}/disable"), Value::Null).await
            }
            End::Deleted => admin(Method::DELETE, format!("/webhooks/{webhook}"), Value::Null).await,
            End::PlanChanged => {
                admin(Method::PATCH, format!("/applications/{application}"), json!({ "plan": "other" })).await
            }
        };
        assert!(answer.status.is_success(), "{end:?}: {} {}", answer.status, answer.text());
    }

    /// What came too late.
    fn late(&self, raced: &[Raced]) -> Vec<String> {
        let mut posts: HashMap<String, Vec<Arc<Received>>> = HashMap::new();
        for post in self.receiver.log().received() {
            posts.entry(post.path().to_owned()).or_default().push(post);
        }
        let late = |Raced { end, tenant, ended_at, .. }: &Raced| {
            // Of a vehicle that stays on the webhook it is news that a permission is missing.
            let reports = |post: &Received| {
                let is_error = post.event.as_ref().is_some_and(|event| event.name == "VEHICLE_ERROR");
                is_error && matches!(end, End::Narrowed | End::GrantedLess)
            };
            let of_tenant = posts.get(&tenant.path).into_iter().flatten();
            let late = of_tenant.filter(|post| post.at > *ended_at + LATE && !reports(post));
            late.map(|post| format!("{end:?}: a POST {:?} after the answer", post.at.since(*ended_at)))
                .collect::<Vec<_>>()
        };
        raced.iter().flat_map(late).collect()
    }
}

/// A race, and when the end was answered.
struct Raced {
    end: End,
    tenant: Tenant,
    ended_at: Timestamp,
    taken: usize,
}

fn wall() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the receiver notes arrivals by the machine's clock")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// Each end so many times. Says how many races there were, and how many redeliveries were taken.
async fn check(rounds: usize) -> (usize, usize) {
    let scene = Scene::set().await;
    let races = (0..rounds * End::ALL.len()).map(|number| (number, End::ALL[number % End::ALL.len()]));
    let raced: Vec<_> = stream::iter(races)
        .map(async |(number, end)| {
            let tenant = scene.tenant(number).await;
            let (ended_at, taken) = scene.race(end, &tenant, number).await;
            Raced { end, tenant, ended_at, taken }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    pause(ALL_RETRIES).await;
    let nothing_waits =
        async || items(&scene.server.get("/deliveries?status=queued&limit=100").await).is_empty();
    let nothing_waits = eventually(PATIENCE, nothing_waits).await;
    let late = scene.late(&raced);
    assert!(late.is_empty(), "{late:#?}");
    assert!(nothing_waits, "{:#}", scene.server.get("/deliveries?status=queued&limit=100").await);
    scene.server.stop().await;
    (raced.len(), raced.iter().map(|raced| raced.taken).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_c1_however_a_right_to_send_ends_beside_redeliveries_nothing_comes_after_it() {
    let (races, taken) = check(2).await;
    assert!(races == 2 * End::ALL.len() && taken > 0, "{taken} redeliveries came before the end");
}

/// `MILEPOST_SOAK_ROUNDS` says how many of each.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes as long as one lets it"]
async fn soak_ends_beside_redeliveries() {
    let rounds = std::env::var("MILEPOST_SOAK_ROUNDS").map_or(20, |text| text.parse().expect("a number"));
    let (races, taken) = check(rounds).await;
    println!(
        "soak: {races} ends of {} kinds, {REDELIVERIES} redeliveries beside each ({taken} of them taken); none late, \
         none left",
        End::ALL.len()
    );
}
