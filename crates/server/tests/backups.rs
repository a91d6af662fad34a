//! Backups, keyrings and restores with the real binary: what is promised to operators in docs/backup.md.

#![expect(clippy::unwrap_used, reason = "a test whose scene cannot be set has failed")]

mod common;
mod disk;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use common::{Done, Server, hourly, items, pause, run, text};
use hyper::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

/// A data folder with something of each kind that can end, a backup of it and its exported keyring.
struct Scene {
    folder: TempDir,
    application: String,
    vehicle: String,
    webhook: String,
    feed: String,
    secret: String,
}

impl Scene {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Makes all of it, and backs it up. The server goes on.
    async fn set() -> (Self, Server) {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::serve(&folder.path().join("data"), &[]).await;
        let made = server.post("/applications", json!({"name": "Fleet"})).await;
        let application = text(&made, "id").to_owned();
        let within = |rest: &str| format!("/applications/{application}{rest}");
        let secret = server.post(&within("/secrets"), Value::Null).await;
        let feed = server.post(&within("/feeds"), json!({"name": "Box"})).await;
        let webhook =
            server.post(&within("/webhooks"), hourly("Hook", "https://93.184.216.34/in", false)).await;
        let car =
            json!({"make": "TESLA", "model": "Model 3", "year": 2022, "powertrain": "BEV", "region": "US"});
        let vehicle = server.post(&within("/vehicles"), car).await;
        let scene = Self {
            vehicle: text(&vehicle, "id").to_owned(),
            webhook: text(&webhook, "id").to_owned(),
            feed: text(&feed, "id").to_owned(),
            secret: text(&secret, "hint").to_owned(),
            application,
            folder,
        };
        server.cli(&["backup", &scene.path("backup.db"), "--json"]).await.json();
        server.cli(&["keyring", "export", &scene.path("keys.db"), "--json"]).await.json();
        (scene, server)
    }

    async fn restore(&self, arguments: &[&str]) -> Done {
        let (backup, data) = (self.path("backup.db"), self.data().display().to_string());
        run(&[&["restore", &backup, "--data", &data][..], arguments].concat()).await
    }
}

/// Every file below a folder but locks, with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_none_or(|extension| extension != "lock") {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

async fn names(server: &Server) -> Vec<String> {
    items(&server.get("/applications").await).iter().map(|item| text(item, "name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_with_its_exported_keyring_and_master_key_is_a_server_elsewhere() {
    let (scene, server) = Scene::set().await;
    server.kill().await;
    let elsewhere = scene.folder.path().join("elsewhere");
    let (backup, to) = (scene.path("backup.db"), elsewhere.display().to_string());
    let restored = run(&[
        "restore",
        &backup,
        "--data",
        &to,
        "--keyring",
        &scene.path("keys.db"),
        "--master-key",
        &scene.data().join("master.key").display().to_string(),
        "--json",
    ])
    .await
    .json();
    assert_eq!(restored["opened"], 2, "{restored:#}");
    assert_eq!(restored["keptIn"], Value::Null);
    let server = Server::serve(&elsewhere, &[]).await;
    assert_eq!(names(&server).await, ["Fleet"]);
    assert_eq!(text(&server.get(&format!("/vehicles/{}", scene.vehicle)).await, "make"), "TESLA");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_since_the_backup_stays_ended() {
    let (scene, server) = Scene::set().await;
    let Scene { application, vehicle, webhook, feed, secret, .. } = &scene;
    server.post(&format!("/vehicles/{vehicle}/disconnect"), Value::Null).await;
    server.post(&format!("/webhooks/{webhook}/disable"), Value::Null).await;
    for path in [format!("/feeds/{feed}"), format!("/applications/{application}/secrets/{secret}")] {
        let deleted = server.admin(Method::DELETE, &path, &Value::Null).await;
        assert!(deleted.status.is_success(), "{path}: {}", deleted.text());
    }
    let rotated =
        server.post(&format!("/applications/{application}/management-token/rotate"), Value::Null).await;
    // A crash right after the answers: they were durable.
    server.kill().await;
    let restored = scene.restore(&["--force", "--json"]).await.json();
    let ended = &restored["endedAgain"];
    for what in ["connections", "webhooks", "feeds", "clientSecrets", "managementTokens"] {
        assert_eq!(ended[what], 1, "{what}: {restored:#}");
    }
    assert_eq!(restored["warnings"], json!([]));
    let server = Server::serve(&scene.data(), &[]).await;
    assert_eq!(server.get(&format!("/vehicles/{vehicle}")).await["connected"], json!(false));
    assert_eq!(server.get(&format!("/webhooks/{webhook}")).await["enabled"], json!(false));
    assert_eq!(items(&server.get(&format!("/applications/{application}/feeds")).await).len(), 0);
    assert_eq!(items(&server.get(&format!("/applications/{application}/secrets")).await).len(), 1);
    let token = text(&rotated, "managementToken");
    let told = lab::client::HttpClient::new(&server.url).unwrap().bearer(token).unwrap();
    let answered = told.get("/v2.0/management/connections").await.unwrap();
    assert_eq!(answered.status, 200, "the newest management token works: {}", answered.text());
    server.stop().await;
}

/// What ends after the export is revived by a restore on another machine, and the restore says until when ends are known.
#[tokio::test(flavor = "multi_thread")]
async fn a_restore_says_until_when_it_knows_what_has_ended() {
    let (scene, server) = Scene::set().await;
    server.post(&format!("/vehicles/{}/disconnect", scene.vehicle), Value::Null).await;
    server.kill().await;
    let (backup, keys) = (scene.path("backup.db"), scene.path("keys.db"));
    let master = scene.data().join("master.key").display().to_string();
    let to = scene.path("elsewhere");
    let with = ["restore", &backup, "--data", &to, "--keyring", &keys, "--master-key", &master];
    let said = run(&with).await;
    assert_eq!(said.code, 0, "{said:?}");
    let report = run(&[&with[..], &["--force", "--json"]].concat()).await.json();
    let until = text(&report, "endsKnownUntil");
    assert!(until > text(&report, "backupMadeAt"), "{report:#}");
    let in_folder = scene.restore(&["--force", "--json"]).await.json();
    assert!(text(&in_folder, "endsKnownUntil") > until, "the folder's keyring knows more: {in_folder:#}");
    assert_eq!(in_folder["endedAgain"]["connections"], 1);
    let line = said.output.lines().find(|line| line.contains("what ended later is not known")).unwrap();
    assert!(line.starts_with("what ended until 20") && line.contains("stays ended"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_without_the_newest_ends_says_so() {
    let (scene, server) = Scene::set().await;
    server.kill().await;
    // The keyring was exported, then another backup was made.
    let server = Server::serve(&scene.data(), &[]).await;
    server.cli(&["backup", &scene.path("newer.db"), "--json"]).await.json();
    server.kill().await;
    let to = scene.path("elsewhere");
    let restored = run(&[
        "restore",
        &scene.path("newer.db"),
        "--data",
        &to,
        "--keyring",
        &scene.path("keys.db"),
        "--master-key",
        &scene.data().join("master.key").display().to_string(),
        "--json",
    ])
    .await
    .json();
    let warnings = restored["warnings"].to_string();
    assert!(warnings.contains("what has ended since the backup is not known"), "{restored:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_cannot_be_done_changes_nothing() {
    let (scene, server) = Scene::set().await;
    server.stop().await;
    let (other, server) = Scene::set().await;
    server.kill().await;
    let write = |name: &str, bytes: &[u8]| {
        fs::write(scene.folder.path().join(name), bytes).unwrap();
        scene.path(name)
    };
    let backup = fs::read(scene.path("backup.db")).unwrap();
    let mut damaged = backup.clone();
    for page in 3..damaged.len() / 4_096 {
        damaged[page * 4_096] = 0xee;
    }
    let (keys, data) = (scene.path("keys.db"), scene.data().display().to_string());
    let before = files(&scene.data());
    for (file, more, why) in [
        (
            write("text", b"this is no database, but it is long enough to be looked at as one"),
            vec![],
            "it is not a database",
        ),
        (write("empty", b""), vec![], "it is empty"),
        (write("cut", &backup[..backup.len() / 2]), vec![], "it is damaged"),
        (write("damaged", &damaged), vec![], "it is damaged"),
        (keys, vec![], "it is a keyring, not a backup"),
        (scene.path("missing"), vec![], "it cannot be read"),
        (scene.folder.path().display().to_string(), vec![], "it is not a database"),
        (other.path("backup.db"), vec![], "belongs to another installation"),
        (
            scene.path("backup.db"),
            vec!["--keyring".to_owned(), other.path("keys.db")],
            "belongs to another installation",
        ),
        (
            scene.path("backup.db"),
            vec!["--master-key".to_owned(), other.data().join("master.key").display().to_string()],
            "the master key does not open the keyring",
        ),
    ] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let arguments = [&["restore", &file, "--data", &data, "--force"][..], &more].concat();
        let refused = run(&arguments).await;
        assert_eq!(refused.code, 1, "{file}: {refused:?}");
        assert!(refused.errors.contains(why), "{file}: {refused:?}");
        assert!(files(&scene.data()) == before, "{file}: files have changed");
    }
    let new = scene.path("new");
    let refused = run(&["restore", &scene.path("backup.db"), "--data", &new]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.errors.contains("milepost keyring export"), "{refused:?}");
    assert!(!Path::new(&new).exists(), "nothing was made");
    let refused = scene.restore(&[]).await;
    assert!(refused.errors.contains("--force"), "{refused:?}");
    assert!(files(&scene.data()) == before);
    let server = Server::serve(&scene.data(), &[]).await;
    assert_eq!(names(&server).await, ["Fleet"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_over_a_database_that_is_damaged_cut_empty_or_missing() {
    let (scene, server) = Scene::set().await;
    server.stop().await;
    let database = scene.data().join("milepost.db");
    let sound = fs::read(&database).unwrap();
    type Harm = fn(&Path, &[u8]);
    let harms: [(&str, Harm); 5] = [
        ("header", |path, sound| fs::write(path, [&[0xff; 64], &sound[64..]].concat()).unwrap()),
        ("cut", |path, sound| fs::write(path, &sound[..5_000]).unwrap()),
        ("empty", |path, _| fs::write(path, b"").unwrap()),
        ("missing", |path, _| fs::remove_file(path).unwrap()),
        ("log left over", |path, sound| {
            fs::write(path, sound).unwrap();
            fs::write(path.with_extension("db-wal"), [7; 9_000]).unwrap();
        }),
    ];
    for (harm, cause) in harms {
        cause(&database, &sound);
        let damaged = fs::read(&database).ok();
        let restored = scene.restore(&["--force", "--json"]).await.json();
        if let Some(damaged) = damaged {
            let kept = PathBuf::from(text(&restored, "keptIn")).join("milepost.db");
            assert!(fs::read(kept).unwrap() == damaged, "{harm}: the damaged file is kept");
        }
        let server = Server::serve(&scene.data(), &[]).await;
        assert_eq!(names(&server).await, ["Fleet"], "{harm}");
        assert_eq!(server.status("/readyz").await, 200, "{harm}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_a7_a_restore_that_is_killed_leaves_the_old_state_or_the_new_one() {
    let (scene, server) = Scene::set().await;
    server.post("/applications", json!({"name": "After the backup"})).await;
    server.stop().await;
    let (backup, data) = (scene.path("backup.db"), scene.data().display().to_string());
    let kept = scene.folder.path().join("kept");
    copy(&scene.data(), &kept);
    for round in 0..12_u64 {
        fs::remove_dir_all(scene.data()).unwrap();
        copy(&kept, &scene.data());
        let mut restore = Command::new(env!("CARGO_BIN_EXE_milepost"));
        restore.args(["restore", &backup, "--data", &data, "--force"]).env_clear();
        let mut child = restore.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        pause(Duration::from_millis(round * round * 4)).await;
        let _ = child.kill().await;
        let server = Server::serve(&scene.data(), &[]).await;
        let names = names(&server).await;
        assert!(names == ["Fleet"] || names == ["Fleet", "After the backup"], "round {round}: {names:?}");
        assert!(!scene.data().join("restore.staging").exists(), "round {round}");
        assert!(!scene.data().join("restore.journal").exists(), "round {round}");
        server.stop().await;
    }
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, bytes).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_b6_a_full_disk_stops_backup_export_and_restore_and_leaves_no_half_file() {
    let Some(disk) = disk::Disk::in_memory(24) else {
        println!("not run: this user may not mount");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = disk.path().join("data");
    let server = Server::serve(&data, disk::SMALL).await;
    server.post("/applications", json!({"name": "Fleet"})).await;
    let backup = folder.path().join("backup.db").display().to_string();
    server.cli(&["backup", &backup, "--json"]).await.json();
    let filler = disk.fill();
    let (to, keys) =
        (disk.path().join("b.db").display().to_string(), disk.path().join("k.db").display().to_string());
    assert_eq!(server.cli(&["backup", &to]).await.code, 1);
    assert_eq!(server.cli(&["keyring", "export", &keys]).await.code, 1);
    let left: Vec<_> = fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    server.kill().await;
    let before = files(&data);
    let data_text = data.display().to_string();
    let refused = run(&["restore", &backup, "--data", &data_text, "--force"]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(files(&data) == before, "nothing has changed");
    fs::remove_file(filler).unwrap();
    let restored = run(&["restore", &backup, "--data", &data_text, "--force"]).await;
    assert_eq!(restored.code, 0, "{restored:?}");
    let server = Server::serve(&data, disk::SMALL).await;
    assert_eq!(names(&server).await, ["Fleet"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_a11_a_damaged_page_turns_the_server_red_and_says_what_to_do() {
    let (scene, server) = Scene::set().await;
    server.stop().await;
    let database = scene.data().join("milepost.db");
    let sound = fs::read(&database).unwrap();
    let pages = sound.len() / 4_096;
    assert!(pages > 20, "{pages}");
    let mut red = 0;
    // The header, roots of tables and of indexes.
    for page in [0, 1, 2, 5, 9, 14] {
        let mut damaged = sound.clone();
        damaged[page * 4_096] ^= 0xff;
        fs::write(&database, &damaged).unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_milepost"));
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(scene.data()).env_clear();
        serve.env("MILEPOST_SERVER_METRICS_LISTEN", "").kill_on_drop(true);
        let mut probe = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(probe.stdout.take().unwrap()).lines();
        let mut serves = false;
        while !serves && let Some(line) = lines.next_line().await.unwrap() {
            serves = line.contains(" listens on ");
        }
        if !serves {
            let output = probe.wait_with_output().await.unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains("damaged"), "page {page}: {said}");
            continue;
        }
        probe.kill().await.unwrap();
        let server = Server::serve(&scene.data(), &[]).await;
        assert_eq!(server.status("/readyz").await, 503, "page {page}");
        let doctor = server.cli(&["doctor"]).await;
        assert_eq!(doctor.code, 1, "page {page}");
        assert!(doctor.output.contains("milepost restore"), "page {page}: {doctor:?}");
        server.kill().await;
        red += 1;
    }
    println!("{red} of 6 damaged databases were served, red; the others were refused");
    fs::write(&database, &sound).unwrap();
}

/// Lets go of what has been cut off behind the back of a running server.
fn cut(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_a11_a_database_that_is_cut_under_a_running_server_turns_it_red_for_good() {
    for file in ["milepost.db", "milepost.db-wal"] {
        let (scene, mut server) = Scene::set().await;
        if file == "milepost.db" {
            // What is in the log is moved into it when the server stops.
            server.stop().await;
            server = Server::serve(&scene.data(), &[]).await;
        }
        assert_eq!(server.status("/readyz").await, 200);
        let path = scene.data().join(file);
        let length = fs::metadata(&path).unwrap().len();
        assert!(length > 0, "{file} has something to lose");
        cut(&path, length / 2);
        // Whoever needs a page that is gone meets it.
        let is_red = common::eventually(common::PATIENCE, async || {
            server.admin(Method::GET, "/server/diagnosis", &Value::Null).await;
            server.admin(Method::GET, "/vehicles", &Value::Null).await;
            server.status("/readyz").await == 503
        });
        assert!(is_red.await, "{file}");
        for _ in 0..20 {
            pause(Duration::from_millis(100)).await;
            assert_eq!(server.status("/readyz").await, 503, "{file}: what works later does not mend it");
        }
        server.kill().await;
        let restored = scene.restore(&["--force", "--json"]).await;
        assert_eq!(restored.code, 0, "{file}: {restored:?}");
        let server = Server::serve(&scene.data(), &[]).await;
        assert_eq!((server.status("/readyz").await, names(&server).await), (200, vec!["Fleet".to_owned()]));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_private_whatever_the_umask_and_those_that_were_not_become_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let others = |path: &Path| fs::metadata(path).unwrap().mode() & 0o077;
    // Servers and commands inherit it: all could read what is not made private.
    rustix::process::umask(rustix::fs::Mode::empty());
    let server = Server::serve(&data, &[]).await;
    let (backup, keys) = (folder.path().join("b.db"), folder.path().join("k.db"));
    server.cli(&["backup", backup.to_str().unwrap()]).await;
    server.cli(&["keyring", "export", keys.to_str().unwrap()]).await;
    let check = |data: &Path| {
        assert_eq!(others(data), 0);
        for path in files(data).keys() {
            assert_eq!(others(path), 0, "{}", path.display());
        }
        assert_eq!(others(&data.join("milepost.db.lock")), 0);
    };
    check(&data);
    assert_eq!((others(&backup), others(&keys)), (0, 0));
    server.stop().await;
    for path in files(&data).keys() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::serve(&data, &[]).await;
    server.logged("Others could read files of the data folder").await;
    check(&data);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signal_but_those_that_stop_a_server_ends_it() {
    use rustix::process::Signal;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::serve(folder.path(), &[]).await;
    for signal in [
        Signal::HUP,
        Signal::USR1,
        Signal::USR2,
        Signal::PIPE,
        Signal::ALARM,
        Signal::VTALARM,
        Signal::PROF,
        Signal::IO,
        Signal::POWER,
        Signal::XFSZ,
    ] {
        server.signal(signal);
    }
    server.logged("SIGHUP").await;
    assert_eq!(server.status("/readyz").await, 200);
    server.stop().await;
}
