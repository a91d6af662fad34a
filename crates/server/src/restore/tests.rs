//! What a restore does with what is not seen over the API: tokens of owners, and the rows of recordings.

use std::{path::PathBuf, sync::Arc};

use app::{ApplicationEntry, GivenTokens, NewCode, TokenRefused, ports::NewRecording};
use domain::{
    connect::{PermissionSet, defaults::Defaults},
    ids::VehicleId,
};
use store::{RecordingPart, Recordings, Vehicles};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    commands::bench::config,
    machine::MachineClock,
    wiring::{self, Running, Stores},
};
use app::ports::Clock;

/// A data folder and its backup.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn started(&self, data: &str) -> Running {
        let mut config = config(&self.path("unused")).unwrap();
        config.server.data = self.path(data);
        wiring::start(&config, Arc::new(MachineClock::wall()), None).await.unwrap()
    }

    async fn restore(&self, keyring: Option<&str>, to: &str) -> Report {
        let keys = keyring.map(|name| self.path(name));
        let request = Request {
            backup: self.path("backup.db"),
            master_key: keys.is_some().then(|| self.path("data").join(MASTER_KEY)),
            keyring: keys,
            data: self.path(to),
            replace: true,
            now: MachineClock::wall().now(),
        };
        restore(&request).await.unwrap()
    }
}

async fn application(server: &Running) -> Arc<ApplicationEntry> {
    let made = server.app.create_application("Fleet", vec![], app::UNLIMITED, Defaults::default(), None);
    made.await.unwrap().entry
}

/// A car that drives a recording, connected to an application.
async fn recorded(server: &Running, application: &ApplicationEntry) -> (Uuid, VehicleId) {
    let columns =
        "[time]\ncolumn = \"time\"\n[signals]\ntractionbattery-stateofcharge = \"soc\"\n".to_owned();
    let trip = b"time,soc\n2026-05-01T10:00:00Z,80\n2026-05-01T11:00:00Z,70\n".to_vec();
    let recording = NewRecording {
        name: "trip".into(),
        columns: Some(columns),
        speed: 1,
        longest_pause: None,
        started_at: None,
    };
    let (car, _) = server.app.record_trip(recording, trip, None).await.unwrap();
    let (app, id) = (&server.app, application.application.id);
    let linked = app.connect_car(car.car.id, id, None, PermissionSet::ALL, None).await.unwrap();
    (car.car.id, linked.vehicle)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_removes_the_recordings_of_erased_vehicles_and_keeps_the_others() {
    let scene = Scene::new();
    let server = scene.started("data").await;
    let application = application(&server).await;
    let (erased_car, erased) = recorded(&server, &application).await;
    let (kept_car, _) = recorded(&server, &application).await;
    server.app.back_up(scene.path("backup.db")).await.unwrap();
    let recording = {
        server.app.erase_vehicle(erased).await.unwrap();
        server.stop().await.unwrap();
        fs::create_dir(scene.path("copy")).unwrap();
        fs::copy(scene.path("backup.db"), scene.path("copy").join(DATABASE)).unwrap();
        let store = SqliteStore::open(&scene.path("copy"), Options::default()).unwrap();
        let recording = store.recordings_of_car(erased_car).await.unwrap().remove(0);
        assert!(store.recording_part(recording, RecordingPart::Trip, 0).await.unwrap().is_some());
        recording
    };
    scene.restore(None, "data").await;
    // Before a server looks at it: what it does at its start is not the restore's.
    let stores = Stores::open(&scene.path("data")).unwrap();
    let store = &stores.store;
    assert_eq!(store.recording(recording).await.unwrap(), None);
    assert_eq!(store.recording_part(recording, RecordingPart::Trip, 0).await.unwrap(), None);
    assert_eq!(store.car(erased_car).await.unwrap(), None, "the car that drove it is gone with it");
    let kept = store.recordings_of_car(kept_car).await.unwrap();
    assert!(store.recording_part(kept[0], RecordingPart::Trip, 0).await.unwrap().is_some());
    stores.close().await.unwrap();
}

/// The tokens of a consent of the owner of a vehicle.
async fn consent(server: &Running, application: &ApplicationEntry, vehicle: VehicleId) -> GivenTokens {
    let row = server.app.vehicle(vehicle, None).await.unwrap();
    let new = NewCode {
        application: application.application.no,
        user: row.user,
        vehicles: vec![vehicle],
        redirect_uri: None,
        challenge: None,
    };
    let code = server.app.issue_code(new).await.unwrap();
    server.app.redeem_code(application, &code, None, None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_was_spent_since_the_backup_is_not_spent_again_after_a_restore() {
    let scene = Scene::new();
    let server = scene.started("data").await;
    let application = application(&server).await;
    let (_, vehicle) = recorded(&server, &application).await;
    let spent = consent(&server, &application, vehicle).await;
    let before = consent(&server, &application, vehicle).await;
    let before = server.app.refresh(&application, &before.refresh_token).await.unwrap();
    server.app.back_up(scene.path("backup.db")).await.unwrap();
    let successor = server.app.refresh(&application, &spent.refresh_token).await.unwrap();
    server.app.export_keyring(scene.path("keys.db")).await.unwrap();
    server.stop().await.unwrap();

    for (keyring, to) in [(Some("keys.db"), "elsewhere"), (None, "data")] {
        let report = scene.restore(keyring, to).await;
        assert_eq!(report.ended_again.get("refreshedConsents"), Some(&1), "{report:?}");
        assert!(report.warnings.is_empty(), "{report:?}");
        assert!(report.ends_known_until > report.backup_made_at, "{report:?}");
        let server = scene.started(to).await;
        let client = server.app.application(application.application.id).unwrap();
        for token in [&spent.refresh_token, &successor.refresh_token] {
            let refused = server.app.refresh(&client, token).await.err();
            assert!(matches!(refused, Some(TokenRefused::RefreshToken)), "{refused:?}");
        }
        assert!(server.app.access(&spent.access_token).await.unwrap().is_none());
        // What was as it is in the backup goes on.
        assert!(server.app.access(&before.access_token).await.unwrap().is_some());
        server.app.refresh(&client, &before.refresh_token).await.unwrap();
        server.stop().await.unwrap();
    }
}
