//! The built server, started on a free port and driven over HTTP.

mod account;
mod asvs;
mod attacks;
mod audit;
mod audit_proof;
mod backup;
mod browser;
#[cfg(feature = "s3")]
mod bucket;
mod canary;
#[cfg(feature = "full")]
mod canary_services;
mod chromium;
mod commands;
mod connections;
mod cross_origin;
#[cfg(feature = "postgres")]
mod database_tls;
mod deploy;
mod flood;
mod heads;
mod http;
mod images;
mod incidents;
mod keys;
mod limits;
#[cfg(feature = "smtp")]
mod mail;
mod new_passwords;
mod objects;
mod operating;
mod operators;
#[cfg(all(feature = "postgres", feature = "redis", feature = "s3"))]
mod outages;
mod people;
mod png;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_operations;
#[cfg(feature = "postgres")]
mod privileges;
#[cfg(feature = "postgres")]
mod production;
mod readme;
mod recorder;
mod recovery;
mod refusals;
mod responses;
#[cfg(feature = "postgres")]
mod schemathesis;
mod secret_sources;
mod server;
#[allow(dead_code, reason = "shared with the tests of the library")]
#[path = "../../../../tests/it/services.rs"]
mod services;
mod sessions;
mod soak;
mod sources;
mod stored_hashes;
mod strangers;
mod surroundings;
