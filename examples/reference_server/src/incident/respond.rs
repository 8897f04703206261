//! What is done after something happened, and the proof that it was.

use std::time::Instant;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tower_rampart::session::EndReason;

use super::inside::{Canary, Inside};
use super::report;
use super::scenario::{
    BEFORE, FRESH, NEW_PASSWORD, OLD_ACCESS, OLD_PASSWORD, OLD_REFRESH, Scenario,
};
use crate::config::Config;
use crate::db::{Db, Incident, User, now};
use crate::desk::{By, DeskError};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What was done or proved, and how long it took.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) step: String,
    pub(crate) ok: bool,
    pub(crate) seconds: f64,
    pub(crate) found: Value,
}

/// A response from its beginning to its end.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Response {
    pub(crate) incident: String,
    pub(crate) scenario: &'static str,
    pub(crate) ok: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) by_hand: &'static [&'static str],
}

/// What a response is asked to do.
pub(crate) struct Plan<'a> {
    pub(crate) scenario: Scenario,
    pub(crate) by: By<'a>,
    /// Whose account, for [`Scenario::AdminAccount`]; all administrators' otherwise.
    pub(crate) user: Option<&'a str>,
}

/// How old an account is, in seconds, that was left over by a response which was cut off.
const LEFT_OVER: i64 = 600;

/// The open incident of a scenario, and whether it was responded to: every step was
/// proved. An administrator's account may be another one than last time.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn before(db: &Db, scenario: Scenario) -> Result<Option<(Incident, bool)>> {
    if scenario == Scenario::AdminAccount {
        return Ok(None);
    }
    let incidents = db.incidents(1_000).await?;
    let found = incidents.into_iter().find(|incident| {
        incident.closed_at.is_none() && incident.scenario.as_deref() == Some(scenario.as_str())
    });
    let Some(incident) = found else {
        return Ok(None);
    };
    let steps = report::steps(db, &incident).await?;
    let proved = |step: &str| steps.iter().any(|(name, proved)| name == step && *proved);
    let done = scenario.all_steps().all(proved);
    Ok(Some((incident, done)))
}

/// Does what a scenario asks for, then proves it with an account that exists only
/// for that; under an incident that was opened before, if there is one. Each step is told as soon as it is over.
///
/// # Errors
///
/// If the server cannot be put together, or a step cannot be done at all. What can
/// be done but is not proved is in the answer.
pub(crate) async fn respond(
    inside: &Inside,
    config: &Config,
    plan: &Plan<'_>,
    before: Option<Incident>,
    tell: impl Fn(&Step),
) -> Result<Response> {
    let scenario = plan.scenario;
    let desk = &inside.app.desk;
    let affected = affected(&inside.app.db, plan).await?;
    let operator = plan.by;
    let incident = match before {
        Some(incident) => incident,
        None => {
            desk.open_incident(operator, scenario.as_str(), Some(scenario.as_str()))
                .await?
        }
    };
    // Of responses that were cut off.
    inside.app.db.remove_canaries(now() - LEFT_OVER).await?;
    let by = By {
        incident: Some(&incident.id),
        ..operator
    };
    let mut canary = Canary::hatch(inside).await?;
    let mut run = Run {
        inside,
        by,
        steps: Vec::new(),
        tell: &tell,
    };
    let done = act(&mut run, config, scenario, &affected, &mut canary).await;
    let removed = canary.remove(inside).await;
    done?;
    removed?;
    let ok = run.steps.iter().all(|step| step.ok);
    let steps = run.steps;
    Ok(Response {
        incident: incident.id,
        scenario: scenario.as_str(),
        ok,
        steps,
        by_hand: scenario.by_hand(),
    })
}

/// Whose accounts a response touches: `None` for everybody's.
async fn affected(db: &Db, plan: &Plan<'_>) -> Result<Option<Vec<User>>> {
    if plan.scenario != Scenario::AdminAccount {
        return Ok(None);
    }
    if let Some(email) = plan.user {
        let user = db.user_by_email(&email.trim().to_lowercase()).await?;
        let user = user.ok_or_else(|| format!("there is no account with the address {email}"))?;
        if user.role != "admin" {
            return Err(format!("{} is no administrator", user.email).into());
        }
        return Ok(Some(vec![user]));
    }
    let mut admins = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = db.users(after.as_deref(), 500).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        admins.extend(page.into_iter().filter(|user| user.role == "admin"));
    }
    if admins.is_empty() {
        return Err("there is no administrator".into());
    }
    Ok(Some(admins))
}

/// Says what a response would do.
///
/// # Errors
///
/// If the database fails.
pub(crate) async fn rehearse(db: &Db, plan: &Plan<'_>) -> Result<Value> {
    let accounts = match affected(db, plan).await? {
        Some(admins) => i64::try_from(admins.len())?,
        None => db.count_users().await?,
    };
    Ok(json!({
        "scenario": plan.scenario.as_str(),
        "steps": plan.scenario.steps(),
        "accounts": accounts,
        "mail": plan.scenario.template(),
        "by_hand": plan.scenario.by_hand(),
    }))
}

struct Run<'a> {
    inside: &'a Inside,
    by: By<'a>,
    steps: Vec<Step>,
    tell: &'a dyn Fn(&Step),
}

impl Run<'_> {
    /// Notes a step, in the answer and in the audit log.
    async fn note(&mut self, step: &str, begun: Instant, ok: bool, found: Value) -> Result<()> {
        self.inside
            .app
            .desk
            .prove(self.by, step, ok, found.clone())
            .await?;
        let step = Step {
            step: step.to_owned(),
            ok,
            seconds: begun.elapsed().as_secs_f64(),
            found,
        };
        (self.tell)(&step);
        self.steps.push(step);
        Ok(())
    }

    /// Proves that something is answered with a status.
    async fn answered(
        &mut self,
        step: &str,
        expected: StatusCode,
        asked: impl Future<Output = Result<(StatusCode, Value)>>,
    ) -> Result<()> {
        let begun = Instant::now();
        let (status, answer) = asked.await?;
        let found =
            json!({"status": status.as_u16(), "code": answer["code"], "reason": answer["reason"]});
        self.note(step, begun, status == expected, found).await
    }
}

async fn act(
    run: &mut Run<'_>,
    config: &Config,
    scenario: Scenario,
    affected: &Option<Vec<User>>,
    canary: &mut Canary,
) -> Result<()> {
    let (inside, by) = (run.inside, run.by);
    let desk = &inside.app.desk;
    run.answered(BEFORE, StatusCode::OK, canary.use_access(inside))
        .await?;
    let begun = Instant::now();
    match scenario {
        Scenario::SigningKeyLeak => {
            // Which of them leaked is rarely known, and everybody has to sign in anyway.
            let (kids, successor) = desk.revoke_keys(by).await?;
            let found = json!({"kids": kids, "successor": successor.map(|row| row.kid)});
            run.note("revoke_key", begun, true, found).await?;
            let begun = Instant::now();
            desk.revoke_everyone(by, EndReason::SecurityIncident)
                .await?;
            run.note("revoke_everyone", begun, true, Value::Null)
                .await?;
        }
        Scenario::DbDumpLeak => {
            let accounts = desk.force_reset_everyone(by).await?;
            run.note(
                "force_reset_everyone",
                begun,
                true,
                json!({"accounts": accounts.saturating_sub(1)}),
            )
            .await?;
        }
        Scenario::PepperLeak => {
            let replaced = !config.previous_peppers.is_empty();
            let found = match replaced {
                true => json!("hashes move to the new pepper when their owners sign in"),
                false => json!(
                    "set another PASSWORD_PEPPER, list the old one in PASSWORD_PEPPER_PREVIOUS, and restart"
                ),
            };
            run.note("check_pepper", begun, replaced, found).await?;
        }
        Scenario::AdminAccount => {
            for admin in affected.iter().flatten() {
                let begun = Instant::now();
                let mail = desk.force_reset(by, &admin.id).await?;
                run.note(
                    "force_reset",
                    begun,
                    true,
                    json!({"user": admin.id, "mail": mail}),
                )
                .await?;
            }
            // The same for the one that proves it, but for the mail.
            inside.app.db.force_reset(Some(&canary.id)).await?;
            desk.revoke(by, &canary.id, EndReason::SecurityIncident)
                .await?;
        }
    }
    if let Some(template) = scenario.template() {
        tell_everybody(run, template, canary).await?;
    }
    inside.catch_up().await?;
    prove(run, scenario, canary).await
}

/// Notes a mail for everybody who was there when it began.
async fn tell_everybody(run: &mut Run<'_>, template: &str, canary: &Canary) -> Result<()> {
    let (db, begun) = (&run.inside.app.db, Instant::now());
    let id = run.by.incident.unwrap_or_default();
    let told = run
        .inside
        .app
        .desk
        .notify(run.by, id, template, Some(&canary.id));
    // What had to be done at once is done; they are told once mails leave.
    let problem = match told.await {
        Err(DeskError::NoMail) => Some("no mail can leave; set SMTP_URL, then `incident notify`"),
        told => told.map(|_| None)?,
    };
    // Who came after it began is not concerned.
    let untold = db.count_untold(id, template, &canary.id).await?;
    let counts = db.mail_counts(run.by.incident, Some(template)).await?;
    let mails = counts.queued + counts.sent + counts.failed;
    let mut found = json!({"accounts": mails + untold, "mails": mails});
    if let Some(problem) = problem {
        found["problem"] = problem.into();
    }
    run.note("notify", begun, untold == 0 && problem.is_none(), found)
        .await
}

/// Asks as those who were there before would, and as their owners after.
async fn prove(run: &mut Run<'_>, scenario: Scenario, canary: &mut Canary) -> Result<()> {
    let inside = run.inside;
    if scenario != Scenario::PepperLeak {
        run.answered(
            OLD_ACCESS,
            StatusCode::UNAUTHORIZED,
            canary.use_access(inside),
        )
        .await?;
        run.answered(
            OLD_REFRESH,
            StatusCode::UNAUTHORIZED,
            canary.use_refresh(inside),
        )
        .await?;
    }
    if scenario.takes_passwords() {
        run.answered(
            OLD_PASSWORD,
            StatusCode::UNAUTHORIZED,
            canary.sign_in(inside),
        )
        .await?;
        let begun = Instant::now();
        let status = canary.reset(inside).await?;
        run.note(
            NEW_PASSWORD,
            begun,
            status == StatusCode::NO_CONTENT,
            json!({"status": status.as_u16()}),
        )
        .await?;
    }
    run.answered(FRESH, StatusCode::OK, canary.sign_in(inside))
        .await
}
