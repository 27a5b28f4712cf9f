//! Tail probabilities of count distributions. Pure; arguments outside a law's domain give `None`.

use statrs::function::beta::ln_beta;
use statrs::function::gamma::{gamma_lr, ln_gamma};

use super::incomplete_beta::incomplete_beta;

/// Above this many trials the sum of a beta-binomial is replaced by its limit, the beta law of the share with a
/// correction for continuity: the noise of so many trials is small beside the spread of the share.
const MOST_TERMS: f64 = 1_000_000.0;

/// A sum that would overflow is scaled down by this.
const HUGE: f64 = 1e250;

/// P(X >= k) of a Poisson law.
pub(super) fn poisson_upper(k: f64, mean: f64) -> Option<f64> {
    if !(mean >= 0.0 && mean.is_finite() && k.is_finite()) {
        return None;
    }
    let k = k.ceil();
    if k <= 0.0 {
        return Some(1.0);
    }
    if mean == 0.0 {
        return Some(0.0);
    }
    Some(if k > mean { poisson_sum(k, mean) } else { gamma_lr(k, mean) })
}

/// Terms from k upwards; each is `mean / (k + 1)` < 1 times the one before.
fn poisson_sum(k: f64, mean: f64) -> f64 {
    let ln_first = k * mean.ln() - mean - ln_gamma(k + 1.0);
    let (mut sum, mut term, mut at) = (1.0, 1.0, k);
    while term > sum * 1e-17 {
        at += 1.0;
        term *= mean / at;
        sum += term;
    }
    ln_first.exp() * sum
}

/// P(X <= k) of a Poisson law.
fn poisson_lower(k: f64, mean: f64) -> Option<f64> {
    if k.floor() < 0.0 {
        return poisson_upper(0.0, mean).map(|_| 0.0);
    }
    if mean == 0.0 {
        return Some(1.0);
    }
    if !(mean > 0.0 && mean.is_finite() && k.is_finite()) {
        return None;
    }
    Some(statrs::function::gamma::gamma_ur(k.floor() + 1.0, mean))
}

/// P(X >= k); variance = mean + dispersion * mean^2. Without dispersion it is Poisson's law.
pub(super) fn negative_binomial_upper(k: f64, mean: f64, dispersion: f64) -> Option<f64> {
    if dispersion == 0.0 {
        return poisson_upper(k, mean);
    }
    let (size, success, failure) = negative_binomial(mean, dispersion)?;
    let k = finite(k)?.ceil();
    Some(if k <= 0.0 { 1.0 } else { incomplete_beta(k, size, success, failure) })
}

/// P(X <= k).
pub(super) fn negative_binomial_lower(k: f64, mean: f64, dispersion: f64) -> Option<f64> {
    if dispersion == 0.0 {
        return poisson_lower(k, mean);
    }
    let (size, success, failure) = negative_binomial(mean, dispersion)?;
    let k = finite(k)?.floor();
    Some(if k < 0.0 { 0.0 } else { incomplete_beta(size, k + 1.0, failure, success) })
}

/// Size, and the two probabilities of a step.
fn negative_binomial(mean: f64, dispersion: f64) -> Option<(f64, f64, f64)> {
    let sound = mean >= 0.0 && mean.is_finite() && dispersion > 0.0 && dispersion.is_finite();
    let size = 1.0 / dispersion;
    sound.then(|| (size, mean / (mean + size), size / (mean + size)))
}

/// P(X >= k) of n trials with probability p.
pub(super) fn binomial_upper(k: f64, n: f64, p: f64) -> Option<f64> {
    let (k, n) = (finite(k)?.ceil(), trials(n)?);
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    Some(match k {
        k if k <= 0.0 => 1.0,
        k if k > n => 0.0,
        k => incomplete_beta(k, n - k + 1.0, p, 1.0 - p),
    })
}

/// P(X >= k) of n trials whose probability is drawn from Beta(alpha, beta).
pub(super) fn beta_binomial_upper(k: f64, n: f64, alpha: f64, beta: f64) -> Option<f64> {
    let (k, n) = (finite(k)?.ceil(), trials(n)?);
    if !(alpha > 0.0 && alpha.is_finite() && beta > 0.0 && beta.is_finite()) {
        return None;
    }
    Some(match k {
        k if k <= 0.0 => 1.0,
        k if k > n => 0.0,
        _ if n > MOST_TERMS => {
            let share = (k - 0.5) / n;
            incomplete_beta(beta, alpha, 1.0 - share, share)
        }
        k => beta_binomial_sum(k, n, alpha, beta).min(1.0),
    })
}

/// P(X <= k): by symmetry the upper tail of the failures.
pub(super) fn beta_binomial_lower(k: f64, n: f64, alpha: f64, beta: f64) -> Option<f64> {
    let (k, n) = (finite(k)?.floor(), trials(n)?);
    beta_binomial_upper(n - k, n, beta, alpha)
}

/// The first term in logarithms, the others by their ratio to the one before.
fn beta_binomial_sum(k: f64, n: f64, alpha: f64, beta: f64) -> f64 {
    let ln_choose = -(n + 1.0).ln() - ln_beta(k + 1.0, n - k + 1.0);
    let mut ln_scale = ln_choose + ln_beta(k + alpha, n - k + beta) - ln_beta(alpha, beta);
    let (mut sum, mut term, mut at) = (1.0_f64, 1.0_f64, k);
    while at < n {
        let ratio = (n - at) / (at + 1.0) * (at + alpha) / (n - at - 1.0 + beta);
        term *= ratio;
        sum += term;
        at += 1.0;
        // The law has one peak when both parameters are at least 1; then a falling term never rises again.
        if alpha >= 1.0 && beta >= 1.0 && ratio < 1.0 && term * (n - at) < sum * 1e-16 {
            break;
        }
        if sum > HUGE {
            (sum, term) = (sum / HUGE, term / HUGE);
            ln_scale += HUGE.ln();
        }
    }
    (ln_scale + sum.ln()).exp()
}

/// How far a value lies from the median, in standard deviations of a normal law with that median absolute deviation.
pub(super) fn robust_z(value: f64, median: f64, mad: f64) -> Option<f64> {
    (mad > 0.0).then(|| 0.6745 * (value - median) / mad)
}

/// Six significant digits.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn trials(n: f64) -> Option<f64> {
    (n >= 0.0 && n.is_finite()).then(|| n.floor())
}

#[cfg(test)]
mod tests;
