//! headcount counts the people on a website.

pub mod beacon;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod count;
pub mod daemon;
pub mod fold;
pub mod guard;
pub mod journal;
pub mod keeper;
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
