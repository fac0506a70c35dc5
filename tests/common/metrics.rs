//! The port for scrapes and probes, as a scraper with strict ideas of the format sees it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long one answer may take on a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// A connection to the port.
pub(crate) trait Socket: Read + Write + Send {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()>;
}

impl Socket for TcpStream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        Self::set_read_timeout(self, Some(timeout))
    }
}

impl Socket for UnixStream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        Self::set_read_timeout(self, Some(timeout))
    }
}

/// Connects to the port at this address, as the banner names it.
pub(crate) fn connect(address: &str) -> io::Result<Box<dyn Socket>> {
    let socket: Box<dyn Socket> = match address.strip_prefix("unix:") {
        Some(path) => Box::new(UnixStream::connect(path)?),
        None => Box::new(TcpStream::connect(address)?),
    };
    socket.set_read_timeout(ANSWERED_WITHIN)?;
    Ok(socket)
}

/// An answer: its status, its headers in lower case, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// Asks for a path.
pub(crate) fn get(address: &str, path: &str) -> io::Result<Answer> {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
}

/// Sends a request as it is, and reads the answer to its end.
pub(crate) fn ask(address: &str, request: &str) -> io::Result<Answer> {
    let mut socket = connect(address)?;
    socket.write_all(request.as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = status.strip_prefix("HTTP/1.1 ").and_then(|status| status.get(..3)?.parse().ok());
    Ok(Answer {
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        headers: headers.to_lowercase(),
        body: body.to_owned(),
    })
}

/// All samples of a scrape, by the name with its labels as it is written, and the type of each family.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrape {
    pub(crate) text: String,
    pub(crate) types: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

/// Asks for the metrics, which must be written without a mistake.
pub(crate) fn scrape(address: &str) -> Scrape {
    let answer = get(address, "/metrics").unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.headers.contains("content-type: text/plain; version=0.0.4"), "{}", answer.headers);
    parse(&answer.body)
}

impl Scrape {
    /// The value of a sample; 0 if there is none.
    pub(crate) fn value(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or(0.0)
    }

    /// Whether there is such a sample.
    pub(crate) fn has(&self, sample: &str) -> bool {
        self.samples.contains_key(sample)
    }

    /// How many samples have this name, without its labels.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.samples.keys().filter(|sample| name_of(sample) == name).count()
    }
}

/// Reads the text format of Prometheus, version 0.0.4. Whatever a strict reader could refuse fails the test: a family whose
/// parts are apart or that has no help or type, a name or a label that is not allowed, a sample that comes twice, buckets that
/// don't add up.
pub(crate) fn parse(text: &str) -> Scrape {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut scrape = Scrape { text: text.to_owned(), ..Scrape::default() };
    let mut family = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
            assert!(is_name(name) && !text.is_empty(), "{line}");
            name.clone_into(&mut family);
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
            let kind = kind.unwrap_or_else(|| panic!("{name} has no type behind its help"));
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{name}: {kind}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            assert!(scrape.types.insert(family.clone(), kind.to_owned()).is_none(), "{name} comes twice");
            continue;
        }
        assert!(!line.starts_with('#'), "what is this: {line}");
        let (sample, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no value: {line}"));
        check_labels(sample);
        let suffixes: &[&str] = if scrape.types.get(&family).is_some_and(|kind| kind == "histogram") {
            &["_bucket", "_sum", "_count"]
        } else {
            &[""]
        };
        let name = name_of(sample);
        assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line} is not of {family}");
        assert!(scrape.samples.insert(sample.to_owned(), value).is_none(), "{sample} comes twice");
    }
    let histograms = scrape.types.iter().filter(|(_, kind)| *kind == "histogram");
    histograms.for_each(|(name, _)| check_histogram(name, &scrape));
    scrape
}

fn name_of(sample: &str) -> &str {
    sample.split('{').next().unwrap_or(sample)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Names and values.
type Labels = Vec<(String, String)>;

/// The labels of a sample, which must be quoted well.
fn check_labels(sample: &str) -> Labels {
    let Some((_, labels)) = sample.split_once('{') else { return Vec::new() };
    let mut rest = labels.strip_suffix('}').unwrap_or_else(|| panic!("{sample}"));
    let mut found = Labels::new();
    while !rest.is_empty() {
        let (name, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("{sample}"));
        // None of our labels has anything to escape.
        let (value, behind) = quoted.split_once('"').unwrap_or_else(|| panic!("{sample}"));
        assert!(is_name(name) && !value.contains(['\\', '\n']), "{sample}");
        assert!(found.iter().all(|(other, _)| other != name), "{sample}");
        found.push((name.to_owned(), value.to_owned()));
        rest = behind.strip_prefix(',').unwrap_or(behind);
        assert!(rest.is_empty() != behind.starts_with(','), "{sample}");
    }
    found
}

fn check_histogram(name: &str, scrape: &Scrape) {
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    let of_name = |suffix: &str| {
        let name = format!("{name}{suffix}");
        scrape.samples.iter().filter(move |(sample, _)| name_of(sample) == name)
    };
    for (sample, value) in of_name("_bucket") {
        let (bound, others): (Vec<_>, Vec<_>) = check_labels(sample).into_iter().partition(|(label, _)| label == "le");
        let bound = bound.first().unwrap_or_else(|| panic!("{sample} has no bound")).1.replace("+Inf", "inf");
        buckets.entry(others).or_default().push((bound.parse().unwrap(), *value));
    }
    for (sample, count) in of_name("_count") {
        let mut buckets = buckets.remove(&check_labels(sample)).unwrap_or_else(|| panic!("{sample} has no buckets"));
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{sample}: {buckets:?}");
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{sample}");
        assert!(scrape.has(&sample.replacen("_count", "_sum", 1)), "{sample} has no sum");
    }
    assert!(buckets.is_empty(), "{name} has buckets without a count");
}
