//! Distance on the globe without a float: the chord between two directions, in fixed point (I1).
//!
//! The chord grows with the great circle, so it orders alike. Sine by its Taylor series on [0, π/2] in 2^-60 units;
//! the error after nine terms is below 2^-50, far below a metre. π is from OEIS A000796.

use crate::master_data::Place;

/// One, in the fixed point of the series.
const ONE: i128 = 1 << 60;

/// π in units of 2^-60.
const PI: i128 = 3_622_009_729_038_561_421;

/// Half a turn in microdegrees.
const HALF_TURN_UDEG: i128 = 180_000_000;

/// A place as a unit vector, each coordinate in units of 2^-30.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Direction {
    x: i64,
    y: i64,
    z: i64,
}

impl Direction {
    /// The direction of a place from the centre of the globe.
    pub fn of(place: Place) -> Self {
        let (latitude, longitude) = (i128::from(place.latitude_udeg()), i128::from(place.longitude_udeg()));
        let across = cosine(latitude);
        let coordinate = |value: i128| i64::try_from(value >> 30).expect("a coordinate is at most one");
        Self {
            x: coordinate((across * cosine(longitude)) >> 60),
            y: coordinate((across * sine(longitude)) >> 60),
            z: coordinate(sine(latitude)),
        }
    }
}

/// The square of the chord between two directions, in units of 2^-60; 0 for the same place.
pub fn chord(a: Direction, b: Direction) -> u64 {
    let square = |p: i64, q: i64| p.abs_diff(q).pow(2);
    square(a.x, b.x) + square(a.y, b.y) + square(a.z, b.z)
}

/// The cosine of an angle in microdegrees, in units of 2^-60.
fn cosine(angle_udeg: i128) -> i128 {
    sine(angle_udeg + HALF_TURN_UDEG / 2)
}

/// The sine of an angle in microdegrees, in units of 2^-60.
fn sine(angle_udeg: i128) -> i128 {
    let turned = angle_udeg.rem_euclid(2 * HALF_TURN_UDEG);
    let (half, sign) = if turned >= HALF_TURN_UDEG { (turned - HALF_TURN_UDEG, -1) } else { (turned, 1) };
    let quarter = half.min(HALF_TURN_UDEG - half);
    let x = quarter * PI / HALF_TURN_UDEG;
    let square = (x * x) >> 60;
    let (mut term, mut sum) = (x, x);
    for step in 1..=9i128 {
        term = -((term * square) >> 60) / (2 * step * (2 * step + 1));
        sum += term;
    }
    sign * sum.clamp(0, ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(latitude_udeg: i32, longitude_udeg: i32) -> Direction {
        Direction::of(Place::new(latitude_udeg, longitude_udeg).expect("on the globe"))
    }

    /// Great-circle kilometres, from the chord; floats are fine in a test.
    fn kilometres(a: Direction, b: Direction) -> f64 {
        let chord = (chord(a, b) as f64 / ONE as f64).sqrt();
        2.0 * 6371.0 * (chord / 2.0).min(1.0).asin()
    }

    #[test]
    fn known_distances_come_out() {
        let amsterdam = place(52_370_000, 4_900_000);
        let frankfurt = place(50_110_000, 8_680_000);
        let sydney = place(-33_870_000, 151_210_000);
        assert!((kilometres(amsterdam, frankfurt) - 364.0).abs() < 3.0, "{}", kilometres(amsterdam, frankfurt));
        assert!((kilometres(amsterdam, sydney) - 16_650.0).abs() < 20.0, "{}", kilometres(amsterdam, sydney));
        assert_eq!(chord(amsterdam, amsterdam), 0);
        let (east, west) = (place(0, 180_000_000), place(0, -180_000_000));
        assert_eq!(chord(east, west), 0, "the date line is one line");
    }

    #[test]
    fn the_sine_agrees_with_the_library() {
        for angle in (-360_000_000..=360_000_000).step_by(777_777) {
            let ours = sine(angle) as f64 / ONE as f64;
            let theirs = (angle as f64 / 1e6).to_radians().sin();
            assert!((ours - theirs).abs() < 1e-12, "{angle}: {ours} {theirs}");
        }
    }
}
