//! The cookie that carries a session's ID.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::error::SettingError;

/// The longest that browsers keep a cookie.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// With which requests of other sites the cookie is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SameSite {
    /// Only with links to this site.
    #[default]
    Lax,
    /// With none.
    Strict,
    /// With all.
    None,
}

/// What the cookie is like. It is always `HttpOnly`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cookie {
    pub(crate) name: String,
    pub(crate) domain: Option<String>,
    pub(crate) same_site: SameSite,
    pub(crate) insecure: bool,
}

impl Cookie {
    /// Fills in the name, and checks what browsers would drop.
    pub(crate) fn complete(mut self) -> Result<Self, SettingError> {
        if self.name.is_empty() {
            // Browsers take the prefix only from this very host, and with Secure.
            let is_for_host = self.domain.is_none() && !self.insecure;
            self.name = String::from(if is_for_host { "__Host-session" } else { "session" });
        }
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        if !self.name.bytes().all(is_token) {
            Err(SettingError("the cookie's name holds a character that no token has"))
        } else if self.domain.as_ref().is_some_and(|domain| domain.is_empty() || !domain.bytes().all(is_host)) {
            Err(SettingError("the cookie's domain is no host name"))
        } else if self.name.starts_with("__Host-") && (self.domain.is_some() || self.insecure) {
            Err(SettingError("browsers drop a __Host- cookie that has a domain or is insecure"))
        } else if self.same_site == SameSite::None && self.insecure {
            Err(SettingError("browsers drop a cookie with SameSite=None that is insecure"))
        } else {
            Ok(self)
        }
    }

    /// The ID that a request brings; what can't be one counts as a cookie that leads nowhere.
    pub(crate) fn read<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(name, value)| (name == self.name).then(|| value.trim_matches('"')))
    }

    /// Sets the cookie, for so long or until the browser is closed.
    pub(crate) fn write(&self, headers: &mut HeaderMap, id: &str, lifetime: Option<Duration>) {
        self.set(headers, id, lifetime.map(|lifetime| lifetime.min(LONGEST).as_secs().max(1)));
    }

    pub(crate) fn remove(&self, headers: &mut HeaderMap) {
        self.set(headers, "", Some(0));
    }

    fn set(&self, headers: &mut HeaderMap, value: &str, max_age: Option<u64>) {
        let mut text = format!("{}={value}; Path=/; HttpOnly; SameSite={:?}", self.name, self.same_site);
        if !self.insecure {
            text.push_str("; Secure");
        }
        if let Some(domain) = &self.domain {
            let _ = write!(text, "; Domain={domain}");
        }
        if let Some(seconds) = max_age {
            let _ = write!(text, "; Max-Age={seconds}");
        }
        // IDs of the server, and names that were checked, hold nothing that a header can't.
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            headers.append(header::SET_COOKIE, value);
            headers.append(header::CACHE_CONTROL, HeaderValue::from_static("no-cache=\"Set-Cookie\""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cookie: Cookie) -> String {
        let mut headers = HeaderMap::new();
        cookie.complete().unwrap().write(&mut headers, "secret", None);
        headers[header::SET_COOKIE].to_str().unwrap().to_owned()
    }

    #[test]
    fn the_cookie_is_safe_unless_it_is_told_otherwise() {
        assert_eq!(written(Cookie::default()), "__Host-session=secret; Path=/; HttpOnly; SameSite=Lax; Secure");
        let insecure = Cookie { insecure: true, ..Cookie::default() };
        assert_eq!(written(insecure), "session=secret; Path=/; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn what_browsers_would_drop_is_refused() {
        for (name, domain, same_site, insecure) in [
            ("a b", None, SameSite::Lax, false),
            ("a", Some("a;b"), SameSite::Lax, false),
            ("__Host-a", Some("example.com"), SameSite::Lax, false),
            ("__Host-a", None, SameSite::Lax, true),
            ("a", None, SameSite::None, true),
        ] {
            let cookie = Cookie { name: name.to_owned(), domain: domain.map(str::to_owned), same_site, insecure };
            assert!(cookie.complete().is_err(), "{name}");
        }
    }

    #[test]
    fn an_id_is_found_among_other_cookies() {
        let cookie = Cookie::default().complete().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; session=other"));
        assert_eq!(cookie.read(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("c=d;  __Host-session=secret"));
        assert_eq!(cookie.read(&headers), Some("secret"));
    }
}
