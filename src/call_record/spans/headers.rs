//! Headers of the requests to a collector, such as the key that a vendor asks for.

use crate::secret_file::{self, Kind};
use std::path::Path;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};
use tonic::service::Interceptor;
use tonic::{Request, Status};

const KIND: Kind = Kind { one: "header", many: "headers", how_to_make: None };

/// The most headers of a file.
const MAX_HEADERS: usize = 16;

/// Names that gRPC sets.
const RESERVED: [&str; 4] = ["content-type", "host", "te", "user-agent"];

/// Adds the headers of a file to each request. No error and no log shows their values.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers(MetadataMap);

impl Headers {
    /// Reads a file with a header on each line, of the form `name: value`. Empty lines and lines that begin with `#` do not count.
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let read = secret_file::read(path, KIND).and_then(|text| Self::parse(&text));
        read.map_err(|problem| format!("{} {problem}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut headers = MetadataMap::new();
        let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        for (line, text) in lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
            let (name, value) = parse_header(text).map_err(|problem| format!("line {line} {problem}"))?;
            if headers.insert(&name, value).is_some() {
                return Err(format!("line {line} has the header {name} a second time; remove it"));
            }
        }
        match headers.len() {
            0 => Err("holds no header; write name: value".into()),
            1..=MAX_HEADERS => Ok(Self(headers)),
            count => {
                Err(format!("holds {count} headers and {MAX_HEADERS} are allowed; remove those that nothing needs"))
            }
        }
    }
}

fn parse_header(line: &str) -> Result<(AsciiMetadataKey, AsciiMetadataValue), String> {
    let (name, value) = line.split_once(':').ok_or("has no colon; write name: value")?;
    let name = name.trim().to_ascii_lowercase();
    let key: AsciiMetadataKey = name.parse().map_err(
        |_| "has no name of a header before its colon; write letters, digits, -, _ and ., without -bin at the end",
    )?;
    if RESERVED.contains(&&*name) || name.starts_with("grpc-") {
        return Err(format!("has the header {name}, which gRPC sets itself; remove it"));
    }
    let printable = Some(value.trim()).filter(|value| value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let value = printable.and_then(|value| value.parse().ok());
    let mut value: AsciiMetadataValue =
        value.ok_or_else(|| format!("has a value of {name} that is not of printable ASCII; write another"))?;
    if value.is_empty() {
        return Err(format!("has no value of {name}; write name: value"));
    }
    value.set_sensitive(true);
    Ok((key, value))
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for entry in self.0.iter() {
            // None is of the other kind: those would end with -bin.
            if let tonic::metadata::KeyAndValueRef::Ascii(name, value) = entry {
                request.metadata_mut().insert(name, value.clone());
            }
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_the_headers() {
        let mut headers =
            Headers::parse("# the vendor's\nAuthorization: Basic dXNlcg==\n\n x-team :  shop: one \n").unwrap();
        let request = headers.call(Request::new(())).unwrap();
        assert_eq!(request.metadata().get("authorization").unwrap(), "Basic dXNlcg==");
        assert_eq!(request.metadata().get("x-team").unwrap(), "shop: one");
        assert!(!format!("{headers:?}").contains("dXNlcg"), "{headers:?}");
    }

    #[test]
    fn what_is_no_header_is_told_without_its_value() {
        let many: Vec<_> = (0..17).map(|number| format!("x-{number}: secret")).collect();
        for (text, told) in [
            ("", "holds no header"),
            ("# none\n", "holds no header"),
            ("x-a: 1\nsecret", "line 2 has no colon"),
            ("a key: secret", "line 1 has no name of a header"),
            (": secret", "line 1 has no name of a header"),
            ("x-bin: secret", "line 1 has no name of a header"),
            ("x-a:", "line 1 has no value of x-a"),
            ("x-a: secret\u{e9}", "line 1 has a value of x-a that is not of printable ASCII"),
            ("TE: secret", "line 1 has the header te, which gRPC sets itself"),
            ("grpc-timeout: secret", "line 1 has the header grpc-timeout"),
            ("x-a: secret\nX-A: secret", "line 2 has the header x-a a second time"),
            (&many.join("\n"), "holds 17 headers and 16 are allowed"),
        ] {
            let problem = Headers::parse(text).unwrap_err();
            assert!(problem.starts_with(told) && !problem.contains("secret"), "{text}: {problem}");
        }
    }
}
