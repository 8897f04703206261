//! Choosing the cost of password hashes.

use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::json;
use tower_rampart::clock::SystemClock;
use tower_rampart::password::{Password, PasswordHasher, calibrate_cost};

use crate::cli::say;

#[derive(Debug, Subcommand)]
pub(crate) enum PasswordCommand {
    /// Finds the highest bcrypt cost that this machine can bear.
    Calibrate {
        /// How long one sign-in may take, in milliseconds.
        #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=10_000))]
        target_ms: u64,
        /// Prints JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs a command. Needs no configuration.
///
/// # Errors
///
/// None that a machine that can hash would have.
pub(crate) fn run(command: &PasswordCommand) -> Result<(), Box<dyn std::error::Error>> {
    let PasswordCommand::Calibrate { target_ms, json } = *command;
    let target = Duration::from_millis(target_ms);
    let mut cost = calibrate_cost(target, &SystemClock);
    let mut took = measure(cost)?;
    // What was extrapolated may be a little too much after all.
    while took > target && cost > 10 {
        cost -= 1;
        took = measure(cost)?;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let permits = cores.saturating_sub(1).max(1);
    let estimate =
        |other: u8| took.as_secs_f64() * 1e3 * 2_f64.powi(i32::from(other) - i32::from(cost));
    if json {
        let table: Vec<_> = (10..=15)
            .map(|other| json!({"cost": other, "ms": estimate(other), "sign_ins_per_second_and_core": 1e3 / estimate(other)}))
            .collect();
        let found = json!({
            "target_ms": target_ms, "cost": cost, "measured_ms": took.as_secs_f64() * 1e3,
            "cores": cores, "hashed_at_a_time": permits, "table": table,
        });
        say(&found.to_string());
        return Ok(());
    }
    say("cost       ms   sign-ins/s and core");
    for other in 10..=15 {
        let mark = if other == cost { "*" } else { " " };
        let ms = estimate(other);
        say(&format!("{mark} {other} {ms:>9.1} {:>10.1}", 1e3 / ms));
    }
    say(&format!(
        "\nBCRYPT_COST={cost} takes {:.0} ms here; the server hashes {permits} at a time on {cores} cores",
        took.as_secs_f64() * 1e3
    ));
    if took > target {
        say(&format!(
            "that is over {target_ms} ms, but 10 is the least that is safe"
        ));
    }
    Ok(())
}

/// The median of three hashes.
fn measure(cost: u8) -> Result<Duration, Box<dyn std::error::Error>> {
    let hasher = PasswordHasher::builder().cost(cost).build()?;
    let password = Password::new("violet kettle parade")?;
    let mut times = [Duration::ZERO; 3];
    for time in &mut times {
        let begun = Instant::now();
        hasher.hash(&password)?;
        *time = begun.elapsed();
    }
    times.sort_unstable();
    Ok(times[1])
}
