//! Random choices that a seed determines. Each choice has a name, so that it does not depend on
//! which other choices were made, or in which order.

/// `splitmix64`, which mixes bits well.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number for a word.
pub(crate) fn word(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A sequence of choices.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The choices with this name.
    pub(crate) fn of(seed: u64, name: &[u64]) -> Self {
        Self(name.iter().fold(mix(seed), |hash, part| mix(hash ^ part.wrapping_mul(3))))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }

    /// A number below the bound.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True this many times in a thousand.
    pub(crate) fn permille(&mut self, many: u64) -> bool {
        self.below(1000) < many
    }

    /// One element.
    pub(crate) fn pick<'t, T>(&mut self, all: &'t [T]) -> Option<&'t T> {
        if all.is_empty() {
            return None;
        }
        let at = self.below(all.len() as u64);
        all.get(usize::try_from(at).unwrap())
    }
}
