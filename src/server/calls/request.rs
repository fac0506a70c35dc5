//! How a request arrives: one message, which is waited for before the call counts as in flight, or a stream of messages.

use super::call::Withdrawal;
use crate::server::connections::slots::ActiveCall;
use crate::server::peer_timeout::{time_for, timed_out};
use crate::service::errors::transfer::request_too_slow;
use crate::service::{Held, OpenCall, ReceivedMessages, STREAM_WINDOW, Share};
use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http_body::{Body, Frame};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::timeout;
use tonic::Status;

/// The bytes before each message of gRPC: whether it is compressed, and its length.
pub(super) const PREFIX: usize = 5;

/// What bounds the arrival of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) max_message_size: usize,
    /// How long the peer may take to send.
    pub(super) timeout: Duration,
    /// How long a request may wait for room.
    pub(super) wait: Duration,
}

/// Why a request did not arrive.
pub(super) enum NotReceived {
    /// The caller is gone, or has withdrawn it.
    Gone,
    /// It takes too long.
    TooSlow,
    /// There is no room for it.
    NoRoom,
}

/// The one message of a request, with its prefix, and what it holds; the whole body must have arrived. While the call waits for it, it
/// takes `waiting` bytes, too.
///
/// A body that is not one message of an allowed size is returned as far as it was read: decoding it will fail.
pub(super) async fn one_message(
    body: &mut RecvStream,
    share: &Arc<Share>,
    arrival: Arrival,
    waiting: usize,
    call: &mut impl Withdrawal,
) -> Result<(Bytes, Option<Held>), NotReceived> {
    let wait = || share.open_call(waiting).ok_or(NotReceived::NoRoom);
    let ((first, length), waits) =
        in_time(share, arrival.timeout, wait, begin(body, share, arrival.max_message_size)).await?;
    let Some(length) = length else { return Ok((first, None)) };
    if !share.has_room_for(PREFIX + length) {
        let _on_its_way = share.wait(PREFIX + length).ok_or(NotReceived::NoRoom)?;
        tokio::select! {
            biased;
            room = timeout(arrival.wait, share.room_for(PREFIX + length)) => room.map_err(|_| NotReceived::NoRoom)?,
            () = poll_fn(|cx| call.poll_withdrawn(cx)) => return Err(NotReceived::Gone),
        }
    }
    let held = share.hold(PREFIX + length);
    let_more_come(body, first.len());
    let still_wait = || waits.map_or_else(wait, Ok);
    let limit = time_for(length, arrival.timeout);
    let (message, _) = in_time(share, limit, still_wait, complete(body, share, first, length)).await?;
    Ok((message, Some(held)))
}

/// Does without a timer where everything is there at once, as it mostly is. Otherwise the call begins to wait, and what it takes
/// meanwhile is returned, too.
async fn in_time<T>(
    share: &Share,
    limit: Duration,
    wait: impl FnOnce() -> Result<OpenCall, NotReceived>,
    arriving: impl Future<Output = Result<T, NotReceived>>,
) -> Result<(T, Option<OpenCall>), NotReceived> {
    let mut arriving = pin!(arriving);
    if let Poll::Ready(arrived) = poll_fn(|cx| Poll::Ready(arriving.as_mut().poll(cx))).await {
        return arrived.map(|arrived| (arrived, None));
    }
    let open = wait()?;
    tokio::select! {
        biased;
        arrived = arriving => arrived.map(|arrived| (arrived, Some(open))),
        () = timed_out(share, || limit) => Err(NotReceived::TooSlow),
    }
}

/// What has arrived when it is known how long the message is, and its length; no length if nothing more is to be read. The
/// peer may not send more in its place yet: so what is here and what is on its way of a message that waits for room take no
/// more than the stream's window.
async fn begin(
    body: &mut RecvStream,
    share: &Share,
    max_message_size: usize,
) -> Result<(Bytes, Option<usize>), NotReceived> {
    let Some(mut first) = next_piece(body, share).await? else { return Ok((Bytes::new(), None)) };
    while !body.is_end_stream() {
        if let Some(length) = length(&first) {
            let is_allowed = length <= max_message_size && first.len() <= PREFIX + length;
            return Ok((first, is_allowed.then_some(length)));
        }
        let Some(next) = next_piece(body, share).await? else { break };
        first = [first, next].concat().into();
    }
    Ok((first, None))
}

/// The message of which this has arrived, and whatever comes behind it.
async fn complete(body: &mut RecvStream, share: &Share, first: Bytes, length: usize) -> Result<Bytes, NotReceived> {
    let Some(second) = piece(body, share).await? else { return Ok(first) };
    let mut message = BytesMut::with_capacity(PREFIX + length);
    message.extend_from_slice(&first);
    message.extend_from_slice(&second);
    drop((first, second));
    while message.len() <= PREFIX + length
        && let Some(piece) = piece(body, share).await?
    {
        message.extend_from_slice(&piece);
    }
    Ok(message.freeze())
}

/// The next piece of a body; the peer may send as much again.
async fn piece(body: &mut RecvStream, share: &Share) -> Result<Option<Bytes>, NotReceived> {
    let piece = next_piece(body, share).await?;
    let_more_come(body, piece.as_ref().map_or(0, Bytes::len));
    Ok(piece)
}

async fn next_piece(body: &mut RecvStream, share: &Share) -> Result<Option<Bytes>, NotReceived> {
    let piece = poll_fn(|cx| body.poll_data(cx)).await.transpose().map_err(|_| NotReceived::Gone)?;
    if piece.is_some() {
        share.note_use();
    }
    Ok(piece)
}

/// Lets the peer send so many bytes again.
fn let_more_come(body: &mut RecvStream, bytes: usize) {
    // It can't be more than was received.
    body.flow_control().release_capacity(bytes).ok();
}

/// The length of the message that begins here, if it has got so far.
fn length(message: &[u8]) -> Option<usize> {
    let length = message.get(1..PREFIX)?.try_into().ok().map(u32::from_be_bytes)?;
    usize::try_from(length).ok()
}

/// The body of a request as services read it.
pub(super) enum RequestBody {
    /// One message.
    Whole(Bytes),
    /// Messages as they arrive.
    Stream(Box<Stream>),
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Messages as they arrive. They are held in the connection's share from where each begins, and nothing more is read while
/// there is no room.
pub(in crate::server) struct Stream {
    body: RecvStream,
    share: Arc<Share>,
    received: ReceivedMessages,
    arrival: Arrival,
    call: Arc<ActiveCall>,
    progress: MessageProgress,
    /// What has come behind the end of a message.
    rest: Option<Bytes>,
    /// What has come of messages for which there is no room yet, and the wait for that.
    waiting: Option<(Bytes, Wait)>,
    /// Runs while a message has arrived in part.
    too_slow: Option<Wait>,
}

impl RequestBody {
    pub(in crate::server) fn stream(
        body: RecvStream,
        share: Arc<Share>,
        received: ReceivedMessages,
        arrival: Arrival,
        call: Arc<ActiveCall>,
    ) -> Self {
        let progress = MessageProgress::default();
        Self::Stream(Box::new(Stream {
            body,
            share,
            received,
            arrival,
            call,
            progress,
            rest: None,
            waiting: None,
            too_slow: None,
        }))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut *self {
            Self::Whole(message) if message.is_empty() => Poll::Ready(None),
            Self::Whole(message) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(message))))),
            Self::Stream(stream) => stream.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(message) => message.is_empty(),
            Self::Stream(stream) => stream.waiting.is_none() && stream.rest.is_none() && stream.body.is_end_stream(),
        }
    }
}

impl Stream {
    /// Takes a piece of messages into the connection's share, and lets the peer send as much again.
    fn take_in(&mut self, piece: Bytes) -> Bytes {
        self.call.note_activity();
        self.share.note_use();
        let (received, max) = (&self.received, self.arrival.max_message_size);
        // Who decodes it refuses one that is larger.
        if self.progress.advance(&piece, |length| received.begin(length.min(max))) {
            self.too_slow = None;
        }
        let_more_come(&mut self.body, piece.len());
        piece
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        if let Some((_, room)) = &mut self.waiting {
            ready!(room.as_mut().poll(cx));
            let piece = self.waiting.take().map(|(piece, _)| self.take_in(piece));
            return Poll::Ready(piece.map(Ok));
        }
        let arrived = match self.rest.take() {
            None => self.body.poll_data(cx),
            Some(rest) => Poll::Ready(Some(Ok(rest))),
        };
        match arrived {
            Poll::Ready(Some(Ok(mut piece))) => {
                // There is room for a message that has begun; for those behind it there may be none.
                if self.progress.left > 0 {
                    if piece.len() > self.progress.left {
                        self.rest = Some(piece.split_off(self.progress.left));
                    }
                    return Poll::Ready(Some(Ok(self.take_in(piece))));
                }
                // Mostly there is room for any.
                if self.share.has_room_for(usize::MAX) {
                    return Poll::Ready(Some(Ok(self.take_in(piece))));
                }
                let bytes = self.progress.beginning_in(&piece, self.arrival.max_message_size);
                if self.share.has_room_for(bytes) {
                    return Poll::Ready(Some(Ok(self.take_in(piece))));
                }
                let share = Arc::clone(&self.share);
                let room: Wait = Box::pin(async move {
                    // Without that it waits, too: a stream can't be refused a single message.
                    let _on_its_way = share.wait(STREAM_WINDOW as usize);
                    share.room_for(bytes).await;
                });
                self.waiting = Some((piece, room));
                // From here on the peer waits for the server.
                self.too_slow = None;
                self.poll_piece(cx)
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(Status::cancelled("the caller is gone")))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if self.progress.is_amid() => {
                let (share, timeout, length) = (&self.share, self.arrival.timeout, self.progress.left);
                let too_slow = self.too_slow.get_or_insert_with(|| {
                    let share = Arc::clone(share);
                    Box::pin(async move { timed_out(&share, || time_for(length, timeout)).await })
                });
                ready!(too_slow.as_mut().poll(cx));
                tracing::warn!("a message of a stream arrived too slowly");
                self.call.count_offence();
                Poll::Ready(Some(Err(request_too_slow(timeout, self.share.is_draining()))))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// How far into which message a stream has got.
#[derive(Clone, Debug, Default)]
struct MessageProgress {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that are there.
    read: usize,
    /// Bytes of the message that are not.
    left: usize,
}

impl MessageProgress {
    /// Whether a message has arrived in part.
    fn is_amid(&self) -> bool {
        self.read > 0
    }

    /// The bytes of all messages of which the beginning has come with this piece, each `max` at most.
    fn beginning_in(&self, piece: &[u8], max: usize) -> usize {
        let mut bytes = 0_usize;
        self.clone().advance(piece, |length| bytes = bytes.saturating_add(length.min(max)));
        bytes
    }

    /// Takes note of what has arrived; tells the length of each message that begins, and returns whether any ends.
    fn advance(&mut self, mut piece: &[u8], mut begins: impl FnMut(usize)) -> bool {
        let mut ends = false;
        while !piece.is_empty() {
            if self.read < PREFIX {
                let taken = piece.len().min(PREFIX - self.read);
                self.prefix[self.read..self.read + taken].copy_from_slice(&piece[..taken]);
                self.read += taken;
                piece = &piece[taken..];
                if let Some(length) = length(&self.prefix).filter(|_| self.read == PREFIX) {
                    self.left = length;
                    begins(length);
                }
            } else {
                let taken = piece.len().min(self.left);
                self.left -= taken;
                piece = &piece[taken..];
            }
            if self.read == PREFIX && self.left == 0 {
                self.read = 0;
                ends = true;
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 0, length];
        bytes.resize(PREFIX + usize::from(length), 7);
        bytes
    }

    #[test]
    fn messages_are_told_apart_wherever_they_are_cut() {
        let bytes = [message(3), message(0), message(200), message(1)].concat();
        for size in 1..=bytes.len() {
            let (mut progress, mut lengths, mut ended) = (MessageProgress::default(), Vec::new(), false);
            for piece in bytes.chunks(size) {
                ended |= progress.advance(piece, |length| lengths.push(length));
            }
            assert_eq!((lengths, ended, progress.is_amid()), (vec![3, 0, 200, 1], true, false), "{size}");
        }
    }

    #[test]
    fn a_message_that_is_half_there_is_known() {
        let mut progress = MessageProgress::default();
        let bytes = message(9);
        for end in 1..bytes.len() {
            assert!(!progress.advance(&bytes[end - 1..end], |_| {}));
            assert!(progress.is_amid());
        }
        assert!(progress.advance(&bytes[bytes.len() - 1..], |_| {}));
        assert!(!progress.is_amid());
    }
}
