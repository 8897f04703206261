//! Incidents.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{By, Desk, DeskError, Result};
use crate::audit::Entry;
use crate::db::{Incident, now};
use crate::mail::{is_about_incidents, names_about_incidents};
use crate::switches::READ_ONLY;

impl Desk {
    /// Notes a mail to everybody who was not told of the incident with this template
    /// before. Tells how many.
    pub(crate) async fn notify(
        &self,
        by: By<'_>,
        incident: &str,
        template: &str,
        except: Option<&str>,
    ) -> Result<u64> {
        if !is_about_incidents(template) {
            let known = names_about_incidents().join(", ");
            return Err(DeskError::Invalid(format!(
                "there is no template {template:?}; there are {known}"
            )));
        }
        self.mail_leaves()?;
        let by = By {
            incident: Some(incident),
            about: Some(template),
            ..by
        };
        let work = async {
            Ok(self
                .db
                .add_mails_to_everyone(incident, template, except)
                .await?)
        };
        self.recorded(
            by,
            "notify",
            None,
            work,
            |mails| json!({"template": template, "mails": mails}),
        )
        .await
    }

    /// Refuses changes, or lets them through again.
    pub(crate) async fn read_only(&self, by: By<'_>, on: bool) -> Result<()> {
        let work = async {
            match self.db.set_switch(READ_ONLY, on, by.incident).await? {
                true => Ok(()),
                false => Err(DeskError::Conflict(format!(
                    "read only is {} already",
                    if on { "on" } else { "off" }
                ))),
            }
        };
        self.recorded(by, "read_only", None, work, |()| json!({"on": on}))
            .await
    }

    /// Opens an incident.
    pub(crate) async fn open_incident(
        &self,
        by: By<'_>,
        title: &str,
        scenario: Option<&str>,
    ) -> Result<Incident> {
        let incident = Incident {
            id: Uuid::now_v7().to_string(),
            title: title.to_owned(),
            scenario: scenario.map(str::to_owned),
            opened_by: by.actor.to_owned(),
            opened_at: now(),
            closed_at: None,
        };
        let by = By {
            incident: Some(&incident.id),
            ..by
        };
        let work = async { Ok(self.db.add_incident(&incident).await?) };
        self.recorded(
            by,
            "open_incident",
            None,
            work,
            |()| json!({"title": title}),
        )
        .await?;
        Ok(incident)
    }

    /// Closes an incident.
    pub(crate) async fn close_incident(&self, by: By<'_>, id: &str) -> Result<()> {
        let by = By {
            incident: Some(id),
            ..by
        };
        let work = async {
            match self.db.close_incident(id).await? {
                true => Ok(()),
                false => Err(DeskError::Conflict(
                    "the incident is closed already".to_owned(),
                )),
            }
        };
        self.recorded(by, "close_incident", None, work, |()| Value::Null)
            .await
    }

    /// Notes whether something about an incident was proved.
    pub(crate) async fn prove(
        &self,
        by: By<'_>,
        step: &str,
        proved: bool,
        found: Value,
    ) -> Result<()> {
        let entry = match proved {
            true => Entry::info("x_rampart_incident_step"),
            false => Entry::critical("x_rampart_incident_step"),
        };
        let entry = entry
            .actor(by.actor)
            .incident(by.incident.unwrap_or_default());
        let entry = entry
            .detail("step", step)
            .detail("proved", proved)
            .detail("found", found);
        Ok(self.audit.write(entry).await?)
    }
}
