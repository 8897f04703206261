//! The built server, started on a free port and driven over HTTP.

mod account;
mod commands;
mod images;
mod readme;
mod refusals;
mod server;
mod sessions;
