//! Bytes that are held so that they can be sent again: in one block, whatever pieces they came in. Small
//! pieces by themselves would cost more than their bytes, and keep their read buffers alive.

use bytes::Bytes;

/// The bytes of a body that have come so far.
#[derive(Debug, Default)]
pub(crate) struct ReplayBuffer {
    /// The only piece, without a copy: most bodies come in one piece.
    single: Bytes,
    /// Several pieces, as one block.
    together: Vec<u8>,
}

impl ReplayBuffer {
    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Holds another piece. The whole body has `expected` bytes, if that is known.
    pub(crate) fn push(&mut self, piece: &Bytes, expected: Option<usize>) {
        if self.len() == 0 {
            self.single = piece.clone();
            return;
        }
        if self.together.is_empty() {
            self.together.reserve_exact(expected.unwrap_or(0).max(self.single.len() + piece.len()));
            self.together.extend_from_slice(&std::mem::take(&mut self.single));
        }
        self.together.extend_from_slice(piece);
    }

    /// All bytes from this position on.
    pub(crate) fn from(&self, first: usize) -> Bytes {
        match self.together.is_empty() {
            true => self.single.slice(first..),
            // Only a request that is sent again gets here.
            false => Bytes::copy_from_slice(&self.together[first..]),
        }
    }

    fn bytes(&self) -> &[u8] {
        if self.together.is_empty() { &self.single } else { &self.together }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_held_in_a_row() {
        let mut buffer = ReplayBuffer::default();
        assert_eq!((buffer.len(), buffer.from(0)), (0, Bytes::new()));
        for (piece, expected) in [("ab", "ab"), ("", "ab"), ("c", "abc"), ("def", "abcdef")] {
            buffer.push(&Bytes::from_static(piece.as_bytes()), None);
            assert_eq!((buffer.len(), &buffer.from(0)[..]), (expected.len(), expected.as_bytes()));
        }
        assert_eq!((buffer.from(2), buffer.from(6)), (Bytes::from_static(b"cdef"), Bytes::new()));
    }

    #[test]
    fn one_piece_is_not_copied() {
        let (mut buffer, piece) = (ReplayBuffer::default(), Bytes::from(vec![b'x'; 1000]));
        buffer.push(&piece, None);
        assert_eq!(buffer.from(0).as_ptr(), piece.as_ptr());
    }

    #[test]
    fn many_small_pieces_cost_little_more_than_their_bytes() {
        for expected in [None, Some(65_000)] {
            let mut buffer = ReplayBuffer::default();
            for _ in 0..65_000 {
                buffer.push(&Bytes::from_static(b"x"), expected);
            }
            let costs = buffer.together.capacity() + buffer.single.len();
            assert!(buffer.len() == 65_000 && costs <= 2 * 65_536, "{costs} bytes");
        }
    }
}
