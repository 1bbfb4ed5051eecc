//! How even the owners lie: the fullest candidate of a boundary against the mean of the boundary.
//!
//! Utilisation is weight ÷ capacity; the mean is the sum of the weights ÷ the sum of the capacities. Only candidates
//! count: a group that is draining is on its way out, and its load is nobody's measure.

use crate::orchestration::{Frame, State};
use crate::reason::Reason;

/// One, in millionths.
pub const PPM: u64 = 1_000_000;

/// The largest max/mean over all boundaries, in millionths, rounded to the nearest; [`PPM`] where nobody owns anything.
pub fn max_over_mean_ppm(frame: &Frame, state: &State) -> u64 {
    let of_template = |members: &[crate::orchestration::Member]| {
        let open = members.iter().filter(|member| member.verdict == Reason::Ok).map(|member| member.group);
        let pairs: Vec<(u128, u128)> = open
            .map(|at| (u128::from(state.loads[at as usize].weight), u128::from(frame.group(at).capacity)))
            .collect();
        let weight: u128 = pairs.iter().map(|pair| pair.0).sum();
        let capacity: u128 = pairs.iter().map(|pair| pair.1).sum();
        pairs.iter().map(|(load, size)| ratio_ppm(load * capacity, size * weight)).max()
    };
    frame.templates.iter().filter_map(|template| of_template(&template.members)).max().unwrap_or(PPM).max(PPM)
}

/// A quotient in millionths, rounded to the nearest; 1 for 0 ÷ 0.
fn ratio_ppm(numerator: u128, denominator: u128) -> u64 {
    if denominator == 0 {
        return PPM;
    }
    // Beyond 2^100 the last digits are dropped from both: the figure is for people, and must not overflow.
    let spare = (u128::BITS - numerator.max(denominator).leading_zeros()).saturating_sub(100);
    let (numerator, denominator) = (numerator >> spare, (denominator >> spare).max(1));
    let rounded = (numerator * u128::from(PPM) + denominator / 2) / denominator;
    u64::try_from(rounded).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_to_the_nearest_millionth() {
        assert_eq!(ratio_ppm(0, 0), PPM);
        assert_eq!(ratio_ppm(3, 2), 1_500_000);
        assert_eq!(ratio_ppm(2, 3), 666_667);
        assert_eq!(ratio_ppm(u128::MAX, u128::MAX), PPM);
    }
}
