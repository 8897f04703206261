//! A complete secured backend for a browser front end, built from
//! `tower-rampart`.

mod admin;
mod app;
mod audit;
mod audit_commands;
mod auth;
mod backup;
mod check;
mod cli;
mod client;
mod config;
mod credentials;
mod db;
mod desk;
#[cfg(feature = "s3")]
mod direct;
mod drain;
mod health;
mod house;
mod how;
mod images;
mod incident;
mod input;
mod keep;
mod key_commands;
mod keys;
mod layers;
mod limits;
mod listen;
mod log_lines;
mod mail;
mod me;
mod metadata;
mod objects;
mod openapi;
mod operators;
mod page;
mod password_commands;
mod password_settings;
mod patience;
mod peppers;
mod reader;
mod recovery;
mod respond;
mod seats;
mod secret_commands;
mod secret_reader;
mod secrets;
mod serve;
mod session_commands;
mod sessions;
mod settings;
mod sweep;
mod switches;
mod telemetry;
mod terminal;
mod user_commands;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
