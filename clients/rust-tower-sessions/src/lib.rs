#![doc = include_str!("../README.md")]

mod expiry;
mod loaded;
mod store;

pub use sessiond_client;
pub use store::SessiondStore;
