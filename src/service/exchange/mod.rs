//! Exchange streams, which clients call the fast lane: each message carries many calls or replies.
//!
//! [`stream`] takes the calls of one stream in and gives their replies out; it runs inside the body of the HTTP/2
//! response, so no call changes tasks. [`order`] keeps calls on one session one after the other, [`call`] carries out one
//! call by the same method as a unary call.

mod call;
mod order;
mod stream;

pub use stream::ExchangeStream;
