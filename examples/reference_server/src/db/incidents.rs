//! Incidents, and what is switched on.

use serde::Serialize;
use sqlx::FromRow;

use super::{Db, Result, now, on};

/// An incident.
#[derive(Clone, Debug, FromRow, Serialize)]
pub(crate) struct Incident {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) scenario: Option<String>,
    pub(crate) opened_by: String,
    pub(crate) opened_at: i64,
    pub(crate) closed_at: Option<i64>,
}

impl Db {
    /// Adds an incident.
    pub(crate) async fn add_incident(&self, incident: &Incident) -> Result<()> {
        on!(self, pool => {
            sqlx::query("INSERT INTO incidents (id, title, scenario, opened_by, opened_at) VALUES ($1, $2, $3, $4, $5)")
                .bind(&incident.id)
                .bind(&incident.title)
                .bind(&incident.scenario)
                .bind(&incident.opened_by)
                .bind(incident.opened_at)
                .execute(pool)
                .await
                .map(drop)
        })
    }

    /// Finds an incident.
    pub(crate) async fn incident(&self, id: &str) -> Result<Option<Incident>> {
        on!(self, pool => {
            sqlx::query_as("SELECT * FROM incidents WHERE id = $1").bind(id).fetch_optional(pool).await
        })
    }

    /// Lists incidents, newest first.
    pub(crate) async fn incidents(&self, limit: i64) -> Result<Vec<Incident>> {
        on!(self, pool => {
            sqlx::query_as("SELECT * FROM incidents ORDER BY opened_at DESC, id DESC LIMIT $1").bind(limit).fetch_all(pool).await
        })
    }

    /// Closes an incident; tells whether it was open.
    pub(crate) async fn close_incident(&self, id: &str) -> Result<bool> {
        on!(self, pool => {
            let done = sqlx::query("UPDATE incidents SET closed_at = $2 WHERE id = $1 AND closed_at IS NULL")
                .bind(id)
                .bind(now())
                .execute(pool)
                .await?;
            Ok(done.rows_affected() == 1)
        })
    }

    /// Switches something on or off; tells whether that changed anything.
    pub(crate) async fn set_switch(
        &self,
        name: &str,
        on: bool,
        incident: Option<&str>,
    ) -> Result<bool> {
        on!(self, pool => {
            let done = match on {
                true => {
                    sqlx::query("INSERT INTO switches (name, since, incident_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                        .bind(name)
                        .bind(now())
                        .bind(incident)
                        .execute(pool)
                        .await?
                        .rows_affected()
                }
                false => sqlx::query("DELETE FROM switches WHERE name = $1").bind(name).execute(pool).await?.rows_affected(),
            };
            Ok(done == 1)
        })
    }

    /// Tells whether something is switched on.
    pub(crate) async fn is_switched_on(&self, name: &str) -> Result<bool> {
        on!(self, pool => {
            let found: Option<i64> = sqlx::query_scalar("SELECT since FROM switches WHERE name = $1")
                .bind(name)
                .fetch_optional(pool)
                .await?;
            Ok(found.is_some())
        })
    }
}
