//! Who runs the statements: one text for both kinds of pools.

/// Answers the questions of `RefreshStore` with the
/// statements above, for a store with a `pool` and a `swept_at`.
macro_rules! answer_with_sql {
    ($store:ident, $row:ident) => {
        impl $store {
            /// Forgets what nobody can ask about any more, once an hour and in
            /// the background: nobody's sign-in waits for it.
            fn sweep(&self, now: UnixSeconds) {
                let last = UnixSeconds::new(self.swept_at.load(Ordering::Relaxed));
                if now.since(last) < sql::SWEEP_EVERY {
                    return;
                }
                self.swept_at.store(now.as_u64(), Ordering::Relaxed);
                let (pool, before) = (self.pool.clone(), sql::seconds(now.minus(REMEMBER)));
                drop(tokio::spawn(async move {
                    loop {
                        match sqlx::query(sql::SWEEP).bind(before).execute(&pool).await {
                            Ok(done) if done.rows_affected() < sql::SWEEP_ROWS => break,
                            Ok(_) => {}
                            Err(error) => {
                                crate::trace::degraded("session-sweep", &error);
                                break;
                            }
                        }
                    }
                }));
            }
        }

        impl RefreshStore for $store {
            fn create(&self, id: RefreshId, record: SessionRecord) -> StoreFuture<'_, ()> {
                Box::pin(async move {
                    self.sweep(record.created_at);
                    sqlx::query(sql::CREATE)
                        .bind(&id.as_bytes()[..])
                        .bind(record.sid)
                        .bind(record.subject)
                        .bind(sql::signed(record.generation))
                        .bind(i64::from(record.replays))
                        .bind(sql::receipt_number(record.receipt))
                        .bind(sql::signed(record.epochs.subject))
                        .bind(sql::signed(record.epochs.common))
                        .bind(sql::seconds(record.created_at))
                        .bind(sql::seconds(record.authenticated_at))
                        .bind(sql::seconds(record.rotated_at))
                        .bind(sql::seconds(record.idle_until))
                        .bind(sql::seconds(record.absolute_until))
                        .bind(record.client)
                        .bind(record.address)
                        .bind(record.claims)
                        .execute(&self.pool)
                        .await?;
                    Ok(())
                })
            }

            fn epochs<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Epochs> {
                Box::pin(async move {
                    let rows = sqlx::query(sql::EPOCHS)
                        .bind(subject)
                        .bind(sql::EVERYONE)
                        .fetch_all(&self.pool)
                        .await?;
                    let mut epochs = Epochs::default();
                    for row in rows {
                        let epoch = row.try_get::<i64, _>("epoch")?.unsigned_abs();
                        match row.try_get("subject")? {
                            sql::EVERYONE => epochs.common = epoch,
                            _ => epochs.subject = epoch,
                        }
                    }
                    Ok(epochs)
                })
            }

            fn rotate(
                &self,
                id: RefreshId,
                expected: u64,
                now: UnixSeconds,
                idle: Duration,
            ) -> StoreFuture<'_, Rotation> {
                Box::pin(async move {
                    let won = sqlx::query(sql::ROTATE)
                        .bind(&id.as_bytes()[..])
                        .bind(sql::signed(expected))
                        .bind(sql::seconds(now))
                        .bind(sql::seconds(now.plus(idle)))
                        .fetch_optional(&self.pool)
                        .await?;
                    if let Some(row) = won {
                        return Ok(Rotation::Won(record(&row)?));
                    }
                    let row = sqlx::query(sql::FIND_BY_ID)
                        .bind(&id.as_bytes()[..])
                        .fetch_optional(&self.pool)
                        .await?;
                    Ok(Rotation::Lost(row.as_ref().map(record).transpose()?))
                })
            }

            fn note_replay(
                &self,
                id: RefreshId,
                generation: u64,
                max: u32,
            ) -> StoreFuture<'_, bool> {
                Box::pin(async move {
                    let done = sqlx::query(sql::NOTE_REPLAY)
                        .bind(&id.as_bytes()[..])
                        .bind(sql::signed(generation))
                        .bind(i64::from(max))
                        .execute(&self.pool)
                        .await?;
                    Ok(done.rows_affected() == 1)
                })
            }

            fn repeat(
                &self,
                id: RefreshId,
                generation: u64,
                now: UnixSeconds,
            ) -> StoreFuture<'_, bool> {
                Box::pin(async move {
                    let done = sqlx::query(sql::REPEAT)
                        .bind(&id.as_bytes()[..])
                        .bind(sql::signed(generation))
                        .bind(sql::seconds(now))
                        .execute(&self.pool)
                        .await?;
                    Ok(done.rows_affected() == 1)
                })
            }

            fn confirm<'a>(&'a self, sid: &'a str, generation: u64) -> StoreFuture<'a, ()> {
                Box::pin(async move {
                    sqlx::query(sql::CONFIRM)
                        .bind(sid)
                        .bind(sql::signed(generation))
                        .execute(&self.pool)
                        .await?;
                    Ok(())
                })
            }

            fn find<'a>(&'a self, sid: &'a str) -> StoreFuture<'a, Option<SessionRecord>> {
                Box::pin(async move {
                    let row = sqlx::query(sql::FIND)
                        .bind(sid)
                        .fetch_optional(&self.pool)
                        .await?;
                    row.as_ref().map(record).transpose()
                })
            }

            fn reauthenticate<'a>(
                &'a self,
                sid: &'a str,
                now: UnixSeconds,
            ) -> StoreFuture<'a, Option<SessionRecord>> {
                Box::pin(async move {
                    let row = sqlx::query(sql::REAUTHENTICATE)
                        .bind(sid)
                        .bind(sql::seconds(now))
                        .fetch_optional(&self.pool)
                        .await?;
                    row.as_ref().map(record).transpose()
                })
            }

            fn end<'a>(
                &'a self,
                which: EndSessions<'a>,
                reason: EndReason,
                now: UnixSeconds,
            ) -> StoreFuture<'a, Vec<Revocation>> {
                Box::pin(async move {
                    let at = sql::seconds(now);
                    let one = match which {
                        EndSessions::Refresh(id) => sqlx::query(sql::END_BY_ID)
                            .bind(&id.as_bytes()[..])
                            .bind(at)
                            .bind(reason.as_str()),
                        EndSessions::One { subject, sid } => sqlx::query(sql::END_ONE)
                            .bind(sid)
                            .bind(at)
                            .bind(reason.as_str())
                            .bind(subject),
                        EndSessions::Subject { subject, keep } => {
                            return Ok(vec![self.raise(subject, keep, reason, now).await?]);
                        }
                        EndSessions::Everyone => {
                            return Ok(vec![self.raise(sql::EVERYONE, None, reason, now).await?]);
                        }
                    };
                    let rows = one.fetch_all(&self.pool).await?;
                    let ended = rows.iter().map(|row| {
                        let what = Revoked::Session {
                            sid: row.try_get("sid")?,
                            subject: row.try_get("subject")?,
                        };
                        Ok(Revocation {
                            what,
                            reason,
                            at: now,
                        })
                    });
                    ended.collect()
                })
            }

            fn list<'a>(
                &'a self,
                subject: &'a str,
                now: UnixSeconds,
            ) -> StoreFuture<'a, Vec<SessionRecord>> {
                Box::pin(async move {
                    let rows = sqlx::query(sql::LIST)
                        .bind(subject)
                        .bind(sql::seconds(now))
                        .fetch_all(&self.pool)
                        .await?;
                    rows.iter().map(record).collect()
                })
            }

            fn revoked_since(&self, since: UnixSeconds) -> StoreFuture<'_, Vec<Revocation>> {
                Box::pin(async move {
                    let since = sql::seconds(since);
                    let ended = sqlx::query(sql::ENDED_SINCE)
                        .bind(since)
                        .fetch_all(&self.pool)
                        .await?;
                    let raised = sqlx::query(sql::RAISED_SINCE)
                        .bind(since)
                        .fetch_all(&self.pool)
                        .await?;
                    let ended = ended.iter().map(|row| {
                        let what = Revoked::Session {
                            sid: row.try_get("sid")?,
                            subject: row.try_get("subject")?,
                        };
                        Ok(Revocation {
                            what,
                            reason: EndReason::from_name(row.try_get("end_reason")?),
                            at: time(row, "ended_at")?,
                        })
                    });
                    let raised = raised.iter().map(|row| {
                        Ok(sql::raised(
                            row.try_get("subject")?,
                            row.try_get("epoch")?,
                            row.try_get("kept")?,
                            EndReason::from_name(row.try_get("reason")?),
                            time(row, "changed_at")?,
                        ))
                    });
                    ended.chain(raised).collect()
                })
            }
        }

        impl $store {
            /// Ends all sessions of a subject, but one if its own is to be kept.
            async fn raise(
                &self,
                subject: &str,
                keep: Option<&str>,
                reason: EndReason,
                now: UnixSeconds,
            ) -> Result<Revocation, StoreError> {
                let mut transaction = self.pool.begin().await?;
                let epoch: i64 = sqlx::query(sql::RAISE_EPOCH)
                    .bind(subject)
                    .bind(reason.as_str())
                    .bind(sql::seconds(now))
                    .fetch_one(&mut *transaction)
                    .await?
                    .try_get("epoch")?;
                let mut kept = None;
                if let Some(sid) = keep {
                    let taken = sqlx::query(sql::TAKE_ALONG)
                        .bind(sid)
                        .bind(subject)
                        .bind(sql::seconds(now))
                        .bind(epoch)
                        .execute(&mut *transaction)
                        .await?;
                    if taken.rows_affected() == 1 {
                        kept = Some(sid.to_owned());
                        sqlx::query(sql::KEEP)
                            .bind(subject)
                            .bind(sid)
                            .execute(&mut *transaction)
                            .await?;
                    }
                }
                transaction.commit().await?;
                Ok(sql::raised(subject, epoch, kept, reason, now))
            }
        }

        fn record(row: &$row) -> Result<SessionRecord, StoreError> {
            let ended: Option<String> = row.try_get("end_reason")?;
            let overtaken: Option<String> = row.try_get("seen_reason")?;
            let number = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
            Ok(SessionRecord {
                sid: row.try_get("sid")?,
                subject: row.try_get("subject")?,
                generation: number("generation")?,
                replays: u32::try_from(number("replays")?).unwrap_or(u32::MAX),
                receipt: sql::receipt(row.try_get("receipt")?),
                epochs: Epochs {
                    subject: number("epoch")?,
                    common: number("common_epoch")?,
                },
                created_at: time(row, "created_at")?,
                authenticated_at: time(row, "authenticated_at")?,
                rotated_at: time(row, "rotated_at")?,
                idle_until: time(row, "idle_until")?,
                absolute_until: time(row, "absolute_until")?,
                ended: ended.or(overtaken).as_deref().map(EndReason::from_name),
                client: row.try_get("client")?,
                address: row.try_get("address")?,
                claims: row.try_get("claims")?,
            })
        }

        fn time(row: &$row, column: &str) -> Result<UnixSeconds, StoreError> {
            let seconds: i64 = row.try_get(column)?;
            Ok(UnixSeconds::new(seconds.unsigned_abs()))
        }
    };
}

pub(in crate::session::store) use answer_with_sql;
