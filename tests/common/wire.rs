//! HTTP/2 by hand, for peers that behave as no library would.

use prost::Message;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The error code of a reset or a GOAWAY with which a server defends itself.
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// HTTP/2's defaults: how many bytes may be sent on a stream before the server has read any, and how many fit into a
/// frame.
const INITIAL_WINDOW: usize = 65_535;
const MAX_FRAME: usize = 16 << 10;

/// The setting that bounds the streams of a connection.
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
/// The setting that says how much of each stream's answer the peer accepts at first.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
/// The setting that bounds a set of headers.
pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;

/// A received frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of an error that stands at this place of the payload.
    pub(crate) fn code(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

/// A connection that sends what a test tells it to.
pub(crate) struct Peer {
    stream: Stream,
    received: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Connects, over TLS if the address begins with `tls://`; the server may be any.
    fn connect(address: &str) -> Self {
        let (address, has_tls) = address.strip_prefix("tls://").map_or((address, false), |address| (address, true));
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_write_timeout(Some(super::LONG)).unwrap();
        let stream = if has_tls {
            let mut connection = super::tls::trusting_connection("h2");
            socket.set_read_timeout(Some(super::LONG)).unwrap();
            while connection.is_handshaking() {
                connection.complete_io(&mut socket).unwrap();
            }
            Self::Tls(Box::new(StreamOwned::new(connection, socket)))
        } else {
            Self::Plain(socket)
        };
        stream.socket().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        stream
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref(),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Peer {
    pub(crate) fn connect(address: &str) -> Self {
        Self { stream: Stream::connect(address), received: Vec::new() }
    }

    /// Connects and says what every HTTP/2 client says first.
    pub(crate) fn greet(address: &str) -> Self {
        Self::greet_with(address, &[])
    }

    /// Connects and greets with these settings.
    pub(crate) fn greet_with(address: &str, settings: &[(u16, u32)]) -> Self {
        let mut peer = Self::connect(address);
        let settings: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        assert!(peer.send(PREFACE) && peer.send(&frame(SETTINGS, 0, 0, &settings)));
        peer
    }

    /// Greets, and accepts what the server says that it allows, such as large windows.
    pub(crate) fn agree(address: &str) -> Self {
        let mut peer = Self::greet(address);
        peer.receive(|frame| frame.kind == SETTINGS && frame.flags & ACK == 0).unwrap();
        assert!(peer.send(&frame(SETTINGS, ACK, 0, &[])));
        // Before this, the connection's window is HTTP/2's small default.
        peer.receive(|frame| frame.kind == WINDOW_UPDATE).unwrap();
        peer
    }

    /// Reads what is there and throws it away, until the other side closes the connection. How it said farewell.
    pub(crate) fn read_to_end(&mut self) -> Option<u32> {
        let mut reason = None;
        while let Some(frame) = self.receive(|frame| frame.kind == GOAWAY) {
            reason = Some(frame.code(4));
        }
        reason
    }

    /// Sends bytes; false once the other side has closed the connection.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends the body of a request in pieces, as the window of its stream allows.
    pub(crate) fn send_body(&mut self, stream: u32, mut body: &[u8]) {
        let mut window = INITIAL_WINDOW;
        loop {
            let (piece, rest) = body.split_at(body.len().min(window).min(MAX_FRAME));
            let flags = if rest.is_empty() { END_STREAM } else { 0 };
            assert!(self.send(&frame(DATA, flags, stream, piece)));
            if rest.is_empty() {
                return;
            }
            (body, window) = (rest, window - piece.len());
            if window == 0 {
                let update = self.receive(|frame| frame.kind == WINDOW_UPDATE && frame.stream == stream).unwrap();
                window = update.code(0) as usize;
            }
        }
    }

    /// Sends bytes, and gives up when the other side takes none for so long.
    pub(crate) fn send_within(&mut self, bytes: &[u8], patience: Duration) -> bool {
        self.stream.socket().set_write_timeout(Some(patience)).unwrap();
        self.send(bytes)
    }

    /// Reads until the condition holds for a frame or the connection ends; the frame, or `None` at the end.
    pub(crate) fn receive(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let start = Instant::now();
        loop {
            while let Some(frame) = self.take_frame() {
                if wanted(&frame) {
                    return Some(frame);
                }
            }
            assert!(start.elapsed() < super::LONG, "neither the frame nor the end of the connection came");
            if !self.fill() {
                return None;
            }
        }
    }

    /// Whether the other side has closed the connection by now.
    pub(crate) fn is_closed(&mut self) -> bool {
        !self.fill()
    }

    /// Reads what is there; false at the end of the connection.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.received.extend_from_slice(&buffer[..length]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted),
        }
    }

    fn take_frame(&mut self) -> Option<Frame> {
        let head: [u8; 9] = self.received.get(..9)?.try_into().unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if self.received.len() < 9 + length {
            return None;
        }
        let payload = self.received.drain(..9 + length).skip(9).collect();
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }
}

/// Encodes a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The frames of a complete call of `method`, such as `GetSession`.
pub(crate) fn call(method: &str, stream: u32, request: &impl Message) -> Vec<u8> {
    let mut frames = frame(HEADERS, END_HEADERS, stream, &call_headers(method));
    frames.extend(frame(DATA, END_STREAM, stream, &message(request)));
    frames
}

/// A message with its gRPC prefix.
pub(crate) fn message(message: &impl Message) -> Vec<u8> {
    let encoded = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(encoded.len()).unwrap().to_be_bytes());
    bytes.extend(encoded);
    bytes
}

/// The encoded headers of a call of `method`, such as `GetSession`, or of another service's method, such as
/// `sessiond.v1.Admin/Backup`.
pub(crate) fn call_headers(method: &str) -> Vec<u8> {
    let path = if method.contains('/') { format!("/{method}") } else { format!("/sessiond.v1.SessionStore/{method}") };
    // From HPACK's static table: the method POST and the scheme http.
    let mut block = vec![0x83, 0x86];
    literal(&mut block, b":path", path.as_bytes());
    literal(&mut block, b":authority", b"localhost");
    literal(&mut block, b"content-type", b"application/grpc");
    literal(&mut block, b"te", b"trailers");
    block
}

/// Appends a header that is not added to the header table.
pub(crate) fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0);
    for part in [name, value] {
        // Longer ones take more than one byte.
        block.push(u8::try_from(part.len()).ok().filter(|length| *length < 127).unwrap());
        block.extend(part);
    }
}

/// The value of a setting in a SETTINGS frame.
pub(crate) fn setting(frame: &Frame, id: u16) -> Option<u32> {
    let settings = frame.payload.chunks_exact(6);
    let mut values = settings.map(|s| (u16::from_be_bytes([s[0], s[1]]), u32::from_be_bytes([s[2], s[3], s[4], s[5]])));
    values.find_map(|(found, value)| (found == id).then_some(value))
}
