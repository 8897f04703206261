//! Setting a password, signing in, and moving an old hash to today's cost.
//!
//! Run with `cargo run --example password --features full`.
#![expect(clippy::print_stdout, reason = "an example talks")]

use std::error::Error;
use std::time::Duration;

use tower_rampart::clock::SystemClock;
use tower_rampart::password::{
    LoginHasher, Password, PasswordHasher, PasswordPolicy, PreHash, Verified, calibrate_cost,
};

/// Walks through the life of a password.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let cost = calibrate_cost(Duration::from_millis(250), &SystemClock);
    println!("cost {cost} takes up to 250 ms here");

    let policy = PasswordPolicy::default();
    println!(
        "refused: {}",
        policy
            .check(&Password::new("hunter2")?, &[])
            .expect_err("too short")
    );
    let typed = || Password::new("violet kettle parade");
    policy.check(&typed()?, &["ann@example.com"])?;

    // What an older system stored: plain bcrypt, a lower cost.
    let old = PasswordHasher::builder()
        .cost(10)
        .prehash(PreHash::None)
        .build()?
        .hash(&typed()?)?;
    println!("old     {old}");

    let hasher = LoginHasher::builder(PasswordHasher::builder().cost(11).build()?).build()?;
    let Verified::Match {
        rehash: Some(rehash),
    } = hasher.verify_login(typed()?, Some(old)).await?
    else {
        return Err("the old hash verifies and is outdated".into());
    };
    // Store it with `… WHERE id = ? AND hash = rehash.old`.
    println!("better  {}", rehash.new);

    let again = hasher.verify_login(typed()?, Some(rehash.new)).await?;
    assert_eq!(again, Verified::Match { rehash: None });
    // An account that does not exist takes as long as a wrong password.
    let unknown = hasher.verify_login(typed()?, None).await?;
    assert!(matches!(unknown, Verified::Mismatch { .. }));
    Ok(())
}
