//! Taking a deleted image back.

/// How a revert proves that the data is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Ask the store for the size.
    #[default]
    Exists,
    /// Read it all and compare the hash.
    Checksum,
    /// Do not look.
    None,
}
