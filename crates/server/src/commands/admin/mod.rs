//! `milepost app | webhook | vehicle | feed | delivery | connection | user | simulator`: the admin API from the shell.

mod app;
mod delivery;
mod feed;
mod headers;
mod owner;
mod simulator;
mod vehicle;
mod webhook;

pub(crate) use app::application;
pub(crate) use delivery::delivery;
pub(crate) use feed::feed;
pub(crate) use owner::{connection, user};
pub(crate) use simulator::{connect_new, simulator};
pub(crate) use vehicle::vehicle;
pub(crate) use webhook::webhook;

fn done(json: bool) {
    println!("{}", if json { "{}" } else { "done" });
}
