//! Takes an input apart.

/// What is left of an input. At its end it gives zeros and empty pieces.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// A number of two bytes.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from(self.byte()) << 8 | u16::from(self.byte())
    }

    /// A number: small ones take a byte, others nine.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            u8::MAX => self.take(8).iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
            small => small.into(),
        }
    }

    /// At most so many bytes.
    pub(crate) fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes that follow their length of two bytes.
    pub(crate) fn piece(&mut self) -> &'a [u8] {
        let length = self.short();
        self.take(length.into())
    }
}
