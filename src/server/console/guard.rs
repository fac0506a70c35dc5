//! What keeps other pages of a browser away from the console: which hosts it answers as, what the requests of its own page
//! look like, and what a browser is told to refuse.

use super::refusal::Refusal;
use crate::config::{Listen, NO_HOSTS, Settings, is_loopback};
use crate::server::connections::listener::Accepted;
use std::net::IpAddr;
use tonic::codegen::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use tonic::codegen::http::{HeaderMap, HeaderValue, Method, Request};

/// The header of every call of the page. No other site can send it: a browser asks the console first, which does not agree.
const MARK: &str = "sessiond-console";

/// Where a request comes from, as the browser says.
const FETCH_SITE: &str = "sec-fetch-site";

/// Names are no longer than this (RFC 1035, 2.3.4), so no more of one is repeated.
const MAX_NAME: usize = 253;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a browser is told with every answer.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Tells a browser what it is to refuse.
pub(super) fn protect(headers: &mut HeaderMap) {
    headers.extend(HEADERS);
}

/// The names that the console goes by, beside those of loopback and the address of each connection.
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn of(settings: &Settings) -> Self {
        let listed = settings.console_hosts.iter().filter(|host| *host != NO_HOSTS).map(String::as_str);
        let listed = listed.chain(settings.console_listen.as_ref().and_then(Listen::host));
        Self(listed.map(str::to_ascii_lowercase).collect())
    }

    /// Whether a page that came from this host is the console's own. Any other name leads here only because somebody has
    /// pointed it here, whose page would then be taken for this one (DNS rebinding).
    fn include(&self, host: &str, site: &Site) -> bool {
        let Some(name) = name_in(host) else { return false };
        let is_own_address = || name.parse::<IpAddr>().is_ok_and(|address| Some(address) == site.address);
        is_loopback(name) || self.0.contains(&name.to_ascii_lowercase()) || is_own_address()
    }
}

/// Where a peer has connected.
pub(super) struct Site {
    /// The address at which the connection came in; none for a Unix socket.
    address: Option<IpAddr>,
}

impl Site {
    pub(super) fn of(accepted: &Accepted) -> Self {
        let address = match accepted {
            Accepted::Tcp(stream) | Accepted::Tls(stream) => stream.local_addr().ok(),
            Accepted::Unix(..) => None,
        };
        Self { address: address.map(|address| address.ip().to_canonical()) }
    }
}

/// The name in `NAME[:PORT]`, or the address in `[ADDRESS][:PORT]`; `None` if it is anything else.
fn name_in(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    (is_port && !name.is_empty()).then_some(name)
}

/// The one value of a header that is text; `None` if there is no value, or several.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

/// Makes sure that a request means this console.
pub(super) fn check_host<B>(request: &Request<B>, hosts: &Hosts, site: &Site) -> Result<(), Refusal> {
    // A browser names the host in its header alone.
    let host = single(request.headers(), &HOST).filter(|_| request.uri().authority().is_none());
    match host {
        Some(host) if hosts.include(host, site) => Ok(()),
        Some(host) if host.len() <= MAX_NAME => Err(Refusal::misdirected(format!(
            "the console is not known as {host:?}; open it by the address where it listens, or add the name to console-hosts"
        ))),
        _ => Err(Refusal::misdirected("the request needs one header Host that names the console".to_owned())),
    }
}

/// Makes sure that a call comes from the console's own page.
pub(super) fn check_call<B>(request: &Request<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    if single(headers, &HeaderName::from_static(MARK)) != Some("1") {
        return Err(Refusal::forged("the header sessiond-console: 1 is missing; only the console's page makes calls"));
    }
    let fetch_site = headers.get(FETCH_SITE).map(HeaderValue::as_bytes);
    let from_elsewhere = fetch_site.is_some_and(|site| site != b"same-origin");
    if from_elsewhere || (headers.contains_key(ORIGIN) && !is_own_origin(headers)) {
        return Err(Refusal::forged("the call comes from another site; only the console's page makes calls"));
    }
    if request.method() != Method::POST {
        return Err(Refusal::wrong_method("calls are made with POST").with(ALLOW, "POST"));
    }
    let content_type = single(headers, &CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::wrong_type("the content type must be application/json"));
    }
    Ok(())
}

/// Whether the page that makes a request came from the host of that request. The scheme may differ behind a proxy with TLS.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let origin = single(headers, &ORIGIN).unwrap_or_default();
    let authority = ["https://", "http://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
    let host = single(headers, &HOST).unwrap_or_default();
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(host: &str) -> bool {
        let hosts = Hosts(vec!["console.example.com".into()]);
        hosts.include(host, &Site { address: Some(IpAddr::from([192, 0, 2, 7])) })
    }

    #[test]
    fn a_host_is_known_by_its_name_alone() {
        for host in [
            "localhost",
            "LocalHost:50080",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:50080",
            "[::1]",
            "console.example.com",
            "Console.Example.com:443",
            "192.0.2.7:50080",
        ] {
            assert!(is_known(host), "{host}");
        }
        for host in [
            "",
            ":50080",
            "example.com",
            "localhost.example.com",
            "localhost.",
            "console.example.com.evil.example",
            "192.0.2.8",
            "localhost:x",
            "localhost:",
            "[::1",
            "[::1]x",
            "::1",
            "localhost@evil.example",
            "evil.example:80@localhost",
        ] {
            assert!(!is_known(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_that_of_the_host() {
        let own = |origin: &'static str| {
            let headers = [(HOST, "localhost:50080"), (ORIGIN, origin)];
            is_own_origin(&headers.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect())
        };
        assert!(own("http://localhost:50080") && own("https://LOCALHOST:50080"));
        for origin in
            ["null", "", "http://localhost", "http://localhost:50081", "http://evil.example", "localhost:50080"]
        {
            assert!(!own(origin), "{origin}");
        }
    }
}
