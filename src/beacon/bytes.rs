//! Sets of bytes as tables: one look-up tells what a chain of comparisons tells in many steps, and the short
//! texts of a beacon are walked through byte by byte.

/// Some of the 256 bytes.
pub(super) struct Bytes([bool; 256]);

impl Bytes {
    /// Those that stand in `members`.
    pub(super) const fn of(members: &[u8]) -> Bytes {
        let mut table = [false; 256];
        let (mut place, mut byte) = (0, 0_u8);
        while place < table.len() {
            let mut member = 0;
            while member < members.len() {
                table[place] |= members[member] == byte;
                member += 1;
            }
            place += 1;
            byte = byte.wrapping_add(1);
        }
        Bytes(table)
    }

    /// How many bytes at the beginning of `text` are among these.
    pub(super) fn run(&self, text: &[u8]) -> usize {
        text.iter().position(|b| !self.0[usize::from(*b)]).unwrap_or(text.len())
    }

    /// How many bytes at the beginning of `text` are not among these.
    pub(super) fn run_up_to(&self, text: &[u8]) -> usize {
        text.iter().position(|b| self.0[usize::from(*b)]).unwrap_or(text.len())
    }

    /// Whether all of `text` is made of these.
    pub(super) fn make_up(&self, text: &[u8]) -> bool {
        self.run(text) == text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_the_set_does() {
        let set = Bytes::of(b"ab\xff");
        for (text, run, run_up_to) in
            [(&b""[..], 0, 0), (b"ab\xffc", 3, 0), (b"cab", 0, 1), (b"\x00\xfe", 0, 2), (b"ba", 2, 0)]
        {
            assert_eq!((set.run(text), set.run_up_to(text)), (run, run_up_to), "{text:?}");
            assert_eq!(set.make_up(text), run == text.len(), "{text:?}");
        }
    }
}
