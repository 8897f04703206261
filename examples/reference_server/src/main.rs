//! A complete secured backend for a browser front end, built from
//! `tower-rampart`.

mod app;
mod auth;
mod cli;
mod client;
mod config;
mod credentials;
mod db;
#[cfg(feature = "s3")]
mod direct;
mod health;
mod images;
mod input;
mod keep;
mod key_commands;
mod keys;
mod layers;
mod limits;
mod listen;
mod me;
mod metadata;
mod objects;
mod page;
mod password_commands;
mod peppers;
mod reader;
mod respond;
mod secret_reader;
mod secrets;
mod serve;
mod session_commands;
mod sessions;
mod settings;
mod sweep;
mod user_commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
