//! The schedule of a warm-up's adaptation of masses (Stan's reference manual, "Automatic parameter tuning": an interval
//! for the step size, windows that double, another for the step size).

use std::ops::Range;

/// The windows of a warm-up of a number of proposals, at whose ends masses are set by the states of the window: from 75 proposals on, the first of 25, each twice as long as
/// the one before, to 50 before the end; in short warm-ups one window, between the first 15 % and the last 10 %.
pub(super) fn windows(count: usize) -> Vec<Range<usize>> {
    let (mut start, mut size, end) = match count {
        0..150 => {
            let (start, end) = (count * 15 / 100, count - count / 10);
            (start, end - start, end)
        }
        _ => (75, 25, count - 50),
    };
    let mut windows = Vec::new();
    while start < end {
        // A window that leaves too little for the next takes it as well.
        let stop = match start + size + 2 * size > end {
            true => end,
            false => start + size,
        };
        windows.push(start..stop);
        (start, size) = (stop, 2 * size);
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_double() {
        // Those of Stan for its default of 1000.
        let ends: Vec<usize> = windows(1000).iter().map(|w| w.end).collect();
        assert_eq!(ends, [100, 150, 250, 450, 950]);
        let whole = |count| {
            (
                windows(count)[0].start,
                windows(count)[0].end,
                windows(count).len(),
            )
        };
        assert_eq!(whole(100), (15, 90, 1));
        assert_eq!(whole(150), (75, 100, 1));
        assert!(windows(0).is_empty());
    }
}
