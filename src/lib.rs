//! headcount counts the people on a website.
//!
//! # The way of a beacon
//!
//! ```text
//! socket ─ accept ─ read ─ decode ─ site ─ identify ─ admit ─ commit ─ reply
//!           web      web   beacon   sites  visitor    guard   journal + count, in one step
//!                                                       │
//!                       fold (background, every second) ┘─ rows ─ store (SQLite) ─ forget
//! ```
//!
//! A page sends a beacon. [`beacon`] turns its bytes into parsed values, [`sites`] finds the site,
//! [`visitor`] tells who it is without keeping who, [`guard`] counts it or refuses it for one reason.
//! A worker of [`web`] writes the turn's records to its stream of the [`journal`] and lets [`count`]
//! take them; then the numbers go back. Behind it [`fold`] adds the same records up with the same
//! [`rows`] and puts them into the [`store`]. [`snippet`] and [`page`] show.
//!
//! # The rooms, in reading order
//!
//! | layer | rooms | what they may know |
//! |---|---|---|
//! | edge | [`cli`], [`config`], [`daemon`], [`control`], [`keeper`], [`health`] | everyone; they decide nothing about numbers |
//! | door | [`web`] | the rooms below |
//! | rooms | [`beacon`], [`sites`], [`visitor`], [`guard`], [`snippet`], [`page`], [`legacy`], [`dashboards`] | values in, values out |
//! | counting | [`count`], [`fold`], [`import`] | memory in the worker's turn; the fold behind it; logs of the past |
//! | sums | [`rows`] | adds; neither memory nor store |
//! | vaults | [`journal`], [`store`], [`salt`] | records and batches, nothing of the web |
//! | ground | [`words`], [`details`], [`clock`], [`metrics`] | nothing of ours |
//!
//! `tests/tidy.rs` holds the whole table and checks every `use crate::` against it.
//!
//! # What always holds
//!
//! - A beacon is answered as counted only after its record was written, and then it is in the
//!   numbers. A beacon answered with an error is in neither.
//! - The journal is the truth; the store is a fold of it. Rows and the offsets that they cover are
//!   stored in one transaction, so a crash at any point counts nothing twice and loses nothing.
//! - The fold is the one place that decides visits; memory's word stands in for at most an interval.
//! - Past [`visitor`] nothing carries an address or a user-agent string: no file, log line or metric.
//! - Only [`clock`] reads the time, only [`salt`] draws random bytes, only [`cli`] prints.
//! - No lock is held across an await. Every map has a bound, and a metric that shows it.

pub mod beacon;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod count;
pub mod daemon;
pub mod dashboards;
pub mod details;
pub mod fleet;
pub mod fold;
pub mod guard;
pub mod health;
pub mod import;
pub mod journal;
pub mod keeper;
pub mod legacy;
pub mod metrics;
pub mod page;
pub mod rows;
pub mod salt;
pub mod sites;
pub mod snippet;
pub mod store;
pub mod visitor;
pub mod web;
pub mod words;
