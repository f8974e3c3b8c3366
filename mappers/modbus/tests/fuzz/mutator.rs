//! Cases from a corpus: the same sequence for the same seed.

pub(crate) struct Mutator {
    state: u64,
}

/// Ends of ranges, where decoders err.
const CURIOUS: [u8; 10] = [0, 1, 2, 0x7F, 0x80, 0x81, 0xFD, 0xFE, 0xFF, 0x10];
/// Longer than any frame.
const LONGEST: usize = 700;

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// xorshift64*, Vigna 2016.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("small");
        usize::try_from((self.random() >> 16) % end).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.random().to_be_bytes()[0]
    }

    pub(crate) fn next(&mut self, seeds: &[Vec<u8>], out: &mut Vec<u8>) {
        out.clear();
        if self.below(16) == 0 {
            let length = self.below(300);
            out.extend((0..length).map(|_| self.byte()));
            return;
        }
        out.extend_from_slice(&seeds[self.below(seeds.len())]);
        for _ in 0..=self.below(6) {
            self.bend(seeds, out);
        }
        out.truncate(LONGEST);
    }

    fn bend(&mut self, seeds: &[Vec<u8>], out: &mut Vec<u8>) {
        let at = self.below(out.len());
        let some = 1 + self.below(8);
        match self.below(9) {
            0 | 1 if !out.is_empty() => out[at] ^= 1 << self.below(8),
            2 if !out.is_empty() => out[at] = self.byte(),
            3 if !out.is_empty() => out[at] = CURIOUS[self.below(CURIOUS.len())],
            4 => out.truncate(at),
            5 => out.drain(at..(at + some).min(out.len())).for_each(drop),
            6 => {
                let new: Vec<u8> = (0..some).map(|_| self.byte()).collect();
                out.splice(at..at, new);
            }
            7 => out.extend_from_slice(&seeds[self.below(seeds.len())]),
            _ => {
                let again: Vec<u8> = out[at..].to_vec();
                out.extend(again);
            }
        }
    }
}
