//! Many measurements of one thing.

use std::time::Duration;

/// Measured times, in nanoseconds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Times {
    ns: Vec<u64>,
}

impl Times {
    /// Adds one; a time that went backwards counts as none.
    pub(crate) fn add(&mut self, from_ns: u64, to_ns: u64) {
        self.ns.push(to_ns.saturating_sub(from_ns));
    }

    /// Adds one that was put together.
    pub(crate) fn add_ns(&mut self, ns: u64) {
        self.ns.push(ns);
    }

    /// Adds all of another.
    pub(crate) fn append(&mut self, other: &Self) {
        self.ns.extend_from_slice(&other.ns);
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ns.len()
    }

    /// The time that `percent` of them do not exceed; none without any measurement.
    pub(crate) fn percentile(&self, percent: f64) -> Option<Duration> {
        let mut sorted = self.ns.clone();
        sorted.sort_unstable();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).map(|&ns| Duration::from_nanos(ns))
    }

    /// The longest.
    pub(crate) fn max(&self) -> Option<Duration> {
        self.ns.iter().max().map(|&ns| Duration::from_nanos(ns))
    }
}

/// How many times one median is the other.
pub(crate) fn ratio(of: &Times, to: &Times) -> f64 {
    match (of.percentile(50.0), to.percentile(50.0)) {
        (Some(of), Some(to)) if !to.is_zero() => of.as_secs_f64() / to.as_secs_f64(),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let mut times = Times::default();
        assert_eq!(times.percentile(50.0), None);
        (1..=100).rev().for_each(|ns| times.add_ns(ns));
        let at = |percent| times.percentile(percent).unwrap().as_nanos();
        assert_eq!((at(0.0), at(50.0), at(99.0), at(100.0)), (1, 50, 99, 100));
    }

    #[test]
    fn a_ratio_is_of_medians() {
        let times = |ns: &[u64]| Times { ns: ns.to_vec() };
        assert!((ratio(&times(&[30, 30, 900]), &times(&[10, 10, 10])) - 3.0).abs() < 1e-9);
        assert!(ratio(&times(&[]), &times(&[1])).is_nan());
    }
}
