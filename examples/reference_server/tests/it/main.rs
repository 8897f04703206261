//! The built server, started on a free port and driven over HTTP.

mod account;
mod attacks;
mod commands;
mod images;
mod keys;
mod readme;
mod refusals;
mod server;
mod sessions;
