//! The decision, from `Origin`, Fetch Metadata and `Host`.

use http::header::{COOKIE, HOST, HeaderName, ORIGIN, UPGRADE};
use http::{HeaderMap, Method, StatusCode, request};

use crate::gate::Settings;
use crate::origin::OriginPolicy;
use crate::rejection::{Rejection, RejectionCode};

#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) origins: Option<OriginPolicy>,
    pub(super) own_origins: Option<OriginPolicy>,
    pub(super) own_pages_only: bool,
    pub(super) strict_cookies: Vec<String>,
    pub(super) exempt: Vec<(Method, String)>,
}

impl Rules {
    pub(super) fn settings(&self) -> Settings {
        let list = |list: &Option<OriginPolicy>| Some(list.as_ref()?.entries().join(", "));
        let own = list(&self.own_origins);
        let mut settings = vec![(
            "own origins",
            own.unwrap_or_else(|| "whatever Host says".to_owned()),
        )];
        if let Some(others) = list(&self.origins) {
            settings.push(("other origins", others));
        }
        if !self.strict_cookies.is_empty() {
            settings.push(("strict cookies", self.strict_cookies.join(", ")));
        }
        if !self.exempt.is_empty() {
            let each = self.exempt.iter();
            let each: Vec<_> = each
                .map(|(method, path)| format!("{method} {path}"))
                .collect();
            settings.push(("exempt", each.join(", ")));
        }
        settings
    }

    pub(super) fn check(&self, head: &request::Parts) -> Result<(), Rejection> {
        if is_safe(&head.method) && !is_websocket(&head.headers) {
            return Ok(());
        }
        if self
            .exempt
            .iter()
            .any(|(method, path)| *method == head.method && path == head.uri.path())
        {
            return Ok(());
        }
        let refuse = |kind| {
            let rejection = Rejection::new(StatusCode::FORBIDDEN, RejectionCode::CrossSiteRequest);
            Err(rejection
                .kind(kind)
                .detail("a page of another site may not do this"))
        };
        // An allowed page of another origin says `cross-site` or `same-site`,
        // so the list comes before Fetch Metadata.
        if [&self.origins, &self.own_origins]
            .into_iter()
            .flatten()
            .any(|list| list.allowed_origin(&head.headers).is_some())
        {
            return Ok(());
        }
        match single(&head.headers, &SEC_FETCH_SITE) {
            Field::Once("same-origin" | "none") => return Ok(()),
            Field::Absent => {}
            _ => return refuse("fetch-site"),
        }
        match single(&head.headers, &ORIGIN) {
            Field::Once(origin) if self.is_own(origin, head) => Ok(()),
            Field::Absent if self.has_strict_cookie(&head.headers) => refuse("origin-unknown"),
            Field::Absent => Ok(()),
            _ => refuse("origin"),
        }
    }

    /// Compares an origin's authority with the request's own. Without
    /// [`own_origins`](super::CsrfLayerBuilder::own_origins) the scheme is not
    /// known behind a proxy, so it is not compared.
    fn is_own(&self, origin: &str, head: &request::Parts) -> bool {
        if self.own_origins.is_some() {
            return false; // The list was asked already.
        }
        // A target that names one counts, whatever the Host says (RFC 9112 §3.2.2).
        let target = head.uri.authority().map(http::uri::Authority::as_str);
        let authority = match (target, single(&head.headers, &HOST)) {
            (_, Field::Unreadable) => return false,
            (Some(target), _) => target,
            (None, Field::Once(host)) => host,
            (None, Field::Absent) => "",
        };
        let own = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        own.is_some_and(|own| !own.is_empty() && own.eq_ignore_ascii_case(authority))
    }

    fn has_strict_cookie(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .any(|pair| {
                let name = pair
                    .split(|byte| *byte == b'=')
                    .next()
                    .unwrap_or_default()
                    .trim_ascii();
                self.strict_cookies
                    .iter()
                    .any(|strict| strict.as_bytes() == name)
            })
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The methods that must not change anything (RFC 9110 §9.2.1), but for
/// `TRACE`, which no browser sends.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// A handshake is a `GET`, yet it opens a channel with the user's cookies.
fn is_websocket(headers: &HeaderMap) -> bool {
    let protocols = headers
        .get_all(UPGRADE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    protocols
        .into_iter()
        .any(|protocol| protocol.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

enum Field<'a> {
    Absent,
    Once(&'a str),
    Unreadable,
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Field<'a> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Field::Absent,
        (Some(only), None) => only.to_str().map_or(Field::Unreadable, Field::Once),
        _ => Field::Unreadable,
    }
}
