//! The regularised incomplete beta function, accurate far into its tails.
//!
//! The usual libraries stop the continued fraction after some 140 steps, which is too few for counts in the millions;
//! it needs about the square root of the larger parameter.

use statrs::function::beta::ln_beta;

const MOST_STEPS: u32 = 200_000;
const PRECISION: f64 = 1e-15;
/// Stands in for zero in a denominator (Lentz).
const TINY: f64 = 1e-300;

/// I_x(a, b) for a, b > 0. `x` and `1 - x` are both given, so that neither is lost by subtraction.
pub(super) fn incomplete_beta(a: f64, b: f64, x: f64, one_minus_x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if one_minus_x <= 0.0 {
        return 1.0;
    }
    if x < (a + 1.0) / (a + b + 2.0) { direct(a, b, x, one_minus_x) } else { 1.0 - direct(b, a, one_minus_x, x) }
}

fn direct(a: f64, b: f64, x: f64, one_minus_x: f64) -> f64 {
    let ln_front = a * x.ln() + b * one_minus_x.ln() - ln_beta(a, b) - a.ln();
    (ln_front + continued_fraction(a, b, x).ln()).exp()
}

/// Modified Lentz's method.
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    let keep = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / keep(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..=MOST_STEPS {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / keep(1.0 + even * d);
        c = keep(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / keep(1.0 + odd * d);
        c = keep(1.0 + odd / c);
        let change = d * c;
        value *= change;
        if (change - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}
