//! When a changed file is ready to be read. A pure function of observations and times.
//!
//! A program that writes a file in place first empties it, then writes it piece by piece, and may pause at
//! any point; half of a file is often valid. So a file must stay unchanged for some time before it is read,
//! and longer if it looks unfinished. A file that another program renames into place is complete.

use std::time::Duration;

/// How long a file that was written in place must stay unchanged.
pub(super) const STILL: Duration = Duration::from_secs(1);

/// The same for a file that looks unfinished: it is shorter than before, or a program still has it open for
/// writing.
pub(super) const UNFINISHED: Duration = Duration::from_secs(5);

/// The data that distinguish a file from its earlier version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Device and inode: another file in the same place has other numbers.
    pub(super) file: (u64, u64),
    /// The length in bytes.
    pub(super) length: u64,
    /// Time of the last change of the content, in seconds and nanoseconds.
    pub(super) modified: (i64, i64),
    /// Time of the last change of anything about the file.
    pub(super) changed: (i64, i64),
}

/// Events of a file since the last check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Noticed {
    /// Whether the system reports events here. On network file systems it may not.
    pub(super) told: bool,
    /// A file was renamed into place.
    pub(super) renamed: bool,
    /// A program has written to the file and has not closed it.
    pub(super) written: bool,
}

/// A file that is checked repeatedly.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The file when it was last read.
    read: Option<Stamp>,
    /// The present file, if it is different, and since when.
    now: Option<(Stamp, Duration)>,
    /// The present file was renamed into place, and not written since.
    renamed: bool,
}

impl Watch {
    /// The file has been read in this version.
    pub(super) fn was_read(&mut self, stamp: Option<Stamp>) {
        *self = Self { read: stamp, ..Self::default() };
    }

    /// Whether to read the file, which is now in this version, or missing; `at` counts from any fixed moment.
    pub(super) fn is_ready(&mut self, stamp: Option<Stamp>, noticed: Noticed, at: Duration) -> bool {
        // While the file is being replaced, it may be missing for a moment.
        let Some(stamp) = stamp.filter(|stamp| Some(*stamp) != self.read) else {
            (self.now, self.renamed) = (None, false);
            return false;
        };
        let known = self.now.filter(|(now, _)| *now == stamp);
        let since = known.map_or(at, |(_, since)| since);
        self.renamed = noticed.renamed || (self.renamed && known.is_some());
        self.now = Some((stamp, since));
        let before = self.read;
        // Where the system reports no events, another file in the same place counts as renamed.
        let replaced = !noticed.told && before.is_some_and(|before| before.file != stamp.file);
        let shorter = before.is_some_and(|before| stamp.length < before.length);
        let pause = match (self.renamed || replaced, noticed.written || shorter) {
            (true, _) => Duration::ZERO,
            (false, true) => UNFINISHED,
            (false, false) => STILL,
        };
        at.saturating_sub(since) >= pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Noticed = Noticed { told: true, renamed: false, written: false };
    const RENAMED: Noticed = Noticed { renamed: true, ..NOTHING };
    const WRITTEN: Noticed = Noticed { written: true, ..NOTHING };
    const UNTOLD: Noticed = Noticed { told: false, ..NOTHING };

    fn stamp(inode: u64, length: u64, modified: i64) -> Option<Stamp> {
        Some(Stamp { file: (1, inode), length, modified: (modified, 0), changed: (modified, 0) })
    }

    /// The observation of the file at one check.
    type Seen = (Option<Stamp>, Noticed);

    /// The time at which the file is read first, in steps of 200 ms, if it was `stamp(1, 100, 0)` before.
    fn read_after(steps: &[Seen]) -> Option<u64> {
        let mut watch = Watch::default();
        watch.was_read(stamp(1, 100, 0));
        let last = *steps.last().unwrap();
        let mut all = steps.iter().copied().chain(std::iter::repeat_n(last, 40)).zip(0..);
        all.find(|((stamp, noticed), n)| watch.is_ready(*stamp, *noticed, Duration::from_millis(n * 200)))
            .map(|(_, n)| n * 200)
    }

    #[test]
    fn a_file_is_read_when_it_is_whole() {
        let (same, longer, shorter) = (stamp(1, 100, 0), stamp(1, 120, 1), stamp(1, 50, 1));
        let renamed_since = (longer, Noticed { renamed: false, ..RENAMED });
        let table: [(&str, &[Seen], Option<u64>); 13] = [
            ("it stays as it is", &[(same, NOTHING)], None),
            ("it is gone", &[(None, NOTHING)], None),
            ("it is written in place", &[(longer, NOTHING)], Some(1000)),
            ("and written again", &[(longer, NOTHING), (stamp(1, 130, 1), NOTHING)], Some(1200)),
            ("with the same length", &[(stamp(1, 100, 1), NOTHING)], Some(1000)),
            ("and open", &[(longer, WRITTEN)], Some(5000)),
            ("and closed", &[(longer, WRITTEN), (longer, WRITTEN), (longer, NOTHING)], Some(1000)),
            ("it is shorter", &[(shorter, NOTHING)], Some(5000)),
            ("and then longer", &[(shorter, NOTHING), (shorter, NOTHING), (longer, NOTHING)], Some(1400)),
            ("another is created in its place", &[(stamp(2, 120, 1), NOTHING)], Some(1000)),
            ("another is renamed into its place", &[(stamp(2, 50, 1), RENAMED)], Some(0)),
            ("which is told late", &[(stamp(2, 50, 1), NOTHING), (stamp(2, 50, 1), RENAMED)], Some(200)),
            ("nothing is told", &[(stamp(2, 50, 1), UNTOLD)], Some(0)),
        ];
        for (what, steps, expected) in table {
            assert_eq!(read_after(steps), expected, "{what}");
        }
        // A renamed file that could not be read yet is read at the next check, unless it is written to.
        let mut watch = Watch::default();
        watch.was_read(same);
        assert!(watch.is_ready(longer, RENAMED, Duration::ZERO));
        assert!(watch.is_ready(renamed_since.0, renamed_since.1, Duration::from_millis(200)));
        assert!(!watch.is_ready(stamp(1, 130, 2), WRITTEN, Duration::from_millis(400)));
        watch.was_read(stamp(1, 130, 2));
        assert!(!watch.is_ready(stamp(1, 130, 2), NOTHING, Duration::from_secs(60)), "it was read");
    }
}
