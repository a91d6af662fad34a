//! `milepost app | webhook | vehicle | feed | delivery`: the admin API from the shell.

mod app;
mod delivery;
mod feed;
mod vehicle;
mod webhook;

pub(crate) use app::application;
pub(crate) use delivery::delivery;
pub(crate) use feed::feed;
pub(crate) use vehicle::vehicle;
pub(crate) use webhook::webhook;

fn done(json: bool) {
    println!("{}", if json { "{}" } else { "done" });
}
