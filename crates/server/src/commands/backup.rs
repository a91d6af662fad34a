//! `milepost backup`, `restore` and `doctor`.

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use store::{Keyring, Upkeep, VehicleFilter, Vehicles};

use super::{client::Client, show};
use crate::{
    cli::{Backup, Doctor, Restore, WithServerArgs},
    wiring::Stores,
};

pub(crate) async fn backup(with: WithServerArgs<Backup>) -> Result<()> {
    let client = Client::of(&with.server)?;
    let path = std::path::absolute(&with.args.file)?;
    let made = client.post("/server/backups", json!({ "path": path })).await?;
    show::object(&made, with.server.json);
    if !with.server.json {
        println!("keys are not in it: keep master.key and keyring.db of the data folder, apart from backups");
    }
    Ok(())
}

pub(crate) async fn doctor(with: WithServerArgs<Doctor>) -> Result<()> {
    let findings = Client::of(&with.server)?.get("/server/diagnosis").await?;
    if with.server.json {
        println!("{findings}");
    }
    let mut bad = 0;
    for finding in findings["findings"].as_array().into_iter().flatten() {
        let good = finding["good"].as_bool().unwrap_or(false);
        bad += usize::from(!good);
        if !with.server.json {
            let mark = if good { "ok  " } else { "LOOK" };
            println!("{mark}  {:<12} {}", text(finding, "subject"), text(finding, "detail"));
        }
    }
    ensure!(bad == 0, "{bad} of the findings need a look");
    Ok(())
}

fn text<'a>(value: &'a serde_json::Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Puts the file into place with the server stopped, then erases again what was erased since the backup.
pub(crate) async fn restore(args: Restore) -> Result<()> {
    let database = args.data.join("milepost.db");
    ensure!(args.file.is_file(), "there is no backup {}", args.file.display());
    if database.exists() && !args.force {
        bail!("{} exists; stop the server and give --force to replace it", database.display());
    }
    std::fs::create_dir_all(&args.data).with_context(|| format!("cannot use {}", args.data.display()))?;
    // Whoever holds the lock of the folder is a running server: then nothing is touched.
    Stores::open(&args.data)?.close().await?;
    let fresh = args.data.join("milepost.db.restoring");
    std::fs::copy(&args.file, &fresh).context("the backup cannot be copied")?;
    std::fs::File::open(&fresh)?.sync_all()?;
    for left in ["milepost.db-wal", "milepost.db-shm"] {
        match std::fs::remove_file(args.data.join(left)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context(left),
            _ => {}
        }
    }
    std::fs::rename(&fresh, &database)?;
    std::fs::File::open(&args.data)?.sync_all()?;
    let stores = Stores::open(&args.data)?;
    let store = &stores.store;
    let damage = store.check().await?;
    ensure!(damage.is_empty(), "the backup is damaged: {}", damage.join("; "));
    let mut erased = 0;
    for (subject, _) in stores.keyring.erased().await? {
        let user = domain::ids::UserId(subject);
        // Without this, whoever was erased could never agree again: the owner would be found, and the key is gone.
        store.forget_owner(user).await?;
        let filter = VehicleFilter { user: Some(user), ..VehicleFilter::default() };
        for vehicle in store.list_vehicles(filter, usize::MAX).await? {
            store.erase_vehicle(vehicle.no).await?;
            erased += 1;
        }
    }
    stores.close().await?;
    println!(
        "restored {}; {erased} vehicles that were erased since the backup were erased again",
        database.display()
    );
    Ok(())
}
