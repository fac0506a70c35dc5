#![doc = include_str!("../README.md")]

mod changes;
mod cookie;
mod csrf;
mod devices;
mod error;
mod layer;
mod manager;
mod save;
mod session;

pub use cookie::SameSite;
pub use csrf::{CSRF_FIELD, CSRF_HEADER};
pub use devices::{Device, device_labels};
pub use error::{Error, SettingError};
pub use layer::{SessionLayer, SessionService};
pub use manager::{Lifetime, SessionLayerBuilder};
pub use session::Session;
pub use sessiond_client;
