//! Promises about recorded trips.

use domain::{
    ids::{UserId, VehicleId},
    time::Timestamp,
};
use uuid::Uuid;

use super::fixture::{Fixture, at};
use crate::{Car, RecordedCar, RecordingPart, Store};

use RecordingPart::{Trip, Upload};

async fn new_car(fixture: &Fixture<'_>) -> Car {
    let link = fixture.new_link(UserId(fixture.uuid()));
    let id = fixture.uuid();
    let mut info = link.info;
    info.id = VehicleId(id);
    Car { id, info, source: link.source, created_at: at(0) }
}

/// A recording of two parts with the car that drives it.
async fn recorded(fixture: &Fixture<'_>, store: &dyn Store) -> (Uuid, Car) {
    let (id, car) = (fixture.uuid(), new_car(fixture).await);
    store.begin_recording(id, at(0)).await.expect("begins");
    for no in 0..2 {
        assert!(store.put_recording_part(id, Trip, no, vec![no as u8]).await.expect("keeps"));
    }
    assert!(
        store
            .complete_recording(id, b"manifest".to_vec(), RecordedCar::New(car.clone()))
            .await
            .expect("ends")
    );
    (id, car)
}

pub async fn a_recording_is_complete_when_a_car_drives_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (id, car) = (fixture.uuid(), new_car(&fixture).await);
    assert!(!store.put_recording_part(id, Upload, 0, vec![1]).await.expect("looks"));
    store.begin_recording(id, at(0)).await.expect("begins");
    assert!(store.is_being_uploaded(id).await.expect("looks"));
    assert_eq!(store.recording(id).await.expect("reads"), None);
    for (no, body) in [(0, vec![9]), (1, vec![2]), (0, vec![1])] {
        assert!(store.put_recording_part(id, Upload, no, body).await.expect("keeps"));
    }
    assert_eq!(store.recording_part(id, Upload, 0).await.expect("reads"), Some(vec![1]));
    assert_eq!(store.recording_part(id, Trip, 0).await.expect("reads"), None);
    assert_eq!(store.count_recording_parts(id, Upload).await.expect("counts"), (2, true));
    assert!(store.put_recording_part(id, Upload, 3, vec![4]).await.expect("keeps"));
    assert_eq!(store.count_recording_parts(id, Upload).await.expect("counts"), (3, false));

    let driven = RecordedCar::New(car.clone());
    assert!(store.complete_recording(id, b"m".to_vec(), driven.clone()).await.expect("ends"));
    assert!(!store.complete_recording(id, b"n".to_vec(), driven).await.expect("looks"));
    assert!(!store.is_being_uploaded(id).await.expect("looks"));
    assert!(!store.put_recording_part(id, Trip, 0, vec![1]).await.expect("looks"));
    assert_eq!(store.recording(id).await.expect("reads"), Some(b"m".to_vec()));
    assert_eq!(store.recordings_of_car(car.id).await.expect("lists"), [id]);
    assert_eq!(store.car(car.id).await.expect("reads").expect("is there").0, car);
    while store.delete_recording_parts(id, Upload).await.expect("deletes") {}
    assert_eq!(store.count_recording_parts(id, Upload).await.expect("counts"), (0, true));
}

pub async fn a_car_that_is_there_takes_a_recording(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (id, car) = (fixture.uuid(), new_car(&fixture).await);
    store.begin_recording(id, at(0)).await.expect("begins");
    let known = RecordedCar::Known(car.id, b"spec".to_vec());
    assert!(!store.complete_recording(id, vec![], known.clone()).await.expect("looks"));
    store.add_car(car.clone()).await.expect("adds");
    assert!(store.complete_recording(id, vec![], known).await.expect("ends"));
    assert_eq!(store.car(car.id).await.expect("reads").expect("is there").0.source.spec, b"spec");
}

pub async fn a_recording_is_unused_when_its_last_vehicle_is_erased(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (id, car) = recorded(&fixture, store).await;
    let long_after = Timestamp::from_secs(at(0).as_secs() + 1_000_000);
    let unused = async || store.unused_recordings(long_after).await.expect("lists");
    assert_eq!(unused().await, Vec::<Uuid>::new(), "a car that nobody was connected to waits for somebody");
    let links = (0..2).map(|_| fixture.new_link(UserId(fixture.uuid()))).collect();
    let vehicles = store.link(links).await.expect("links");
    for &vehicle in &vehicles {
        store.attach_car(car.id, vehicle).await.expect("attaches");
    }
    store.erase_vehicle(vehicles[0]).await.expect("erases");
    assert_eq!(unused().await, Vec::<Uuid>::new());
    store.erase_vehicle(vehicles[1]).await.expect("erases");
    assert_eq!(unused().await, [id]);
    for kind in [Upload, Trip] {
        while store.delete_recording_parts(id, kind).await.expect("deletes") {}
    }
    store.forget_recording(id).await.expect("forgets");
    assert_eq!(unused().await, Vec::<Uuid>::new());
    assert_eq!(store.recording(id).await.expect("reads"), None);
    assert_eq!(store.car(car.id).await.expect("reads"), None);
}

pub async fn an_upload_that_was_given_up_is_unused(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let id = fixture.uuid();
    store.begin_recording(id, at(5)).await.expect("begins");
    assert!(store.put_recording_part(id, Upload, 0, vec![1]).await.expect("keeps"));
    assert_eq!(store.unused_recordings(at(5)).await.expect("lists"), Vec::<Uuid>::new());
    assert_eq!(store.unused_recordings(at(6)).await.expect("lists"), [id]);
    store.forget_recording(id).await.expect("forgets");
    assert_eq!(store.recording_part(id, Upload, 0).await.expect("reads"), None);
}

pub async fn a_car_is_deleted_unless_a_vehicle_is_connected_to_it(store: &dyn Store) {
    let fixture = Fixture::new(store).await;
    let (_, car) = recorded(&fixture, store).await;
    let vehicles = store.link(vec![fixture.new_link(UserId(fixture.uuid()))]).await.expect("links");
    store.attach_car(car.id, vehicles[0]).await.expect("attaches");
    assert!(!store.delete_car(car.id).await.expect("looks"));
    store.erase_vehicle(vehicles[0]).await.expect("erases");
    assert!(store.delete_car(car.id).await.expect("deletes"));
    assert!(!store.delete_car(car.id).await.expect("looks"));
}
