//! Accepting connections, with a bound on their number and on how long a client
//! may take to say what it wants.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use tower_rampart::stack::Secured;

use crate::seats::{Seats, Watched};

/// The most connections at once. More wait in the operating system's queue,
/// so that files and the database can still be opened.
const MAX_CONNECTIONS: usize = 512;

/// How long a client may take to send a request's head, idle time included.
const HEADERS: Duration = Duration::from_secs(30);

/// How often a silent HTTP/2 connection is asked whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Becomes true once the process is told to stop.
pub(crate) type Stop = watch::Receiver<bool>;

/// Serves until `stop`, then waits for the requests under way. No connection outlives
/// the future.
pub(crate) async fn serve(listener: TcpListener, app: Secured, stop: Stop) {
    let app = app.into_service::<Watched>();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    let seats = Seats::new(MAX_CONNECTIONS);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stopped(stop.clone()) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: let some be closed.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let seated = tokio::select! {
            seated = seats.take(peer.ip()) => seated,
            () = stopped(stop.clone()) => break,
        };
        let (app, builder, stop) = (app.clone(), builder.clone(), stop.clone());
        connections.spawn(async move {
            // The library counts from the first byte on.
            let mut first = [0];
            tokio::select! {
                said = tokio::time::timeout(HEADERS, stream.peek(&mut first)) => {
                    if said.is_err() {
                        return;
                    }
                }
                () = stopped(stop.clone()) => return,
                () = seated.seat.left() => return,
            }
            let seat = Arc::clone(&seated.seat);
            let service = tower::service_fn(move |request: Request<Incoming>| {
                let busy = seat.begin();
                let mut request = request.map(|body| Watched::new(body, Arc::clone(&seat)));
                // Tells the layers who is at the other end.
                request.extensions_mut().insert(ConnectInfo(peer));
                let answer = app.clone().oneshot(request);
                async move {
                    let answer: Response<_> = answer.await?;
                    // It is under way until the last of it was taken.
                    Ok::<_, std::convert::Infallible>(answer.map(|body| {
                        body.map_frame(move |frame| {
                            let _ = &busy;
                            frame
                        })
                    }))
                }
            });
            let connection =
                builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            let mut connection = std::pin::pin!(connection);
            let mut stopping = false;
            loop {
                tokio::select! {
                    done = connection.as_mut() => {
                        if let Err(error) = done {
                            tracing::debug!(error, "a connection ended early");
                        }
                        return;
                    }
                    () = stopped(stop.clone()), if !stopping => {
                        stopping = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    () = seated.seat.left() => return,
                }
            }
        });
    }
    drop(listener);
    let all_gone = async { while connections.join_next().await.is_some() {} };
    tokio::select! {
        () = all_gone => {}
        () = seats.close() => {}
    }
}

/// Waits until the process is told to stop.
pub(crate) async fn stopped(mut stop: Stop) {
    let _ = stop.wait_for(|stop| *stop).await;
}
