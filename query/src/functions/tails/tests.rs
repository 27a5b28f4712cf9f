//! Against sums of exact terms in 300 digits (mpmath); a few were also compared with scipy.

use super::*;

const POISSON_UPPER: &[(&[f64], f64)] = &[
    (&[0.0, 3.0], 1.0),
    (&[1.0, 0.001], 9.995001666e-4),
    (&[5.0, 1.5], 1.857593622e-2),
    (&[30.0, 3.0], 4.277047721e-20),
    (&[100.0, 50.0], 3.200065325e-10),
    (&[40.0, 60.0], 9.974518077e-1),
    (&[250.0, 30.0], 6.268196342e-137),
    (&[1200.0, 1000.0], 4.684203856e-10),
];

const NEGATIVE_BINOMIAL_UPPER: &[(&[f64], f64)] = &[
    (&[10.0, 3.0, 0.25], 1.373882963e-2),
    (&[40.0, 3.0, 0.25], 4.647156027e-12),
    (&[23.0, 3.0, 0.35], 1.273389911e-5),
    (&[200.0, 20.0, 0.35], 6.10883234e-10),
    (&[5.0, 100.0, 0.1], 9.999999727e-1),
    (&[1.0, 0.01, 0.35], 9.932880549e-3),
    (&[3000.0, 1000.0, 0.05], 8.394868262e-10),
    (&[1.0, 3.0, 4.0], 4.733596122e-1),
];

const NEGATIVE_BINOMIAL_LOWER: &[(&[f64], f64)] = &[
    (&[0.0, 3.0, 0.25], 1.066222407e-1),
    (&[0.0, 60.0, 0.05], 9.094947018e-13),
    (&[10.0, 100.0, 0.1], 3.015878967e-6),
    (&[2.0, 0.5, 0.35], 9.763267637e-1),
    (&[300.0, 1000.0, 0.01], 8.822764225e-21),
    (&[120.0, 100.0, 0.1], 7.536443968e-1),
];

const BINOMIAL_UPPER: &[(&[f64], f64)] = &[
    (&[1.0, 10.0, 0.01], 9.561792499e-2),
    (&[10.0, 10.0, 0.3], 5.9049e-6),
    (&[30.0, 200.0, 0.03], 5.719316224e-13),
    (&[5.0, 1000.0, 0.015], 9.991955341e-1),
    (&[120.0, 1000.0, 0.015], 2.228533482e-67),
];

const BETA_BINOMIAL_UPPER: &[(&[f64], f64)] = &[
    (&[5.0, 5.0, 0.5, 30.0], 8.183219e-7),
    (&[10.0, 20.0, 0.48, 31.85], 2.471688907e-6),
    (&[60.0, 120.0, 0.485, 31.85], 1.197017987e-9),
    (&[3.0, 600.0, 0.485, 31.85], 5.819581901e-1),
    (&[400.0, 600.0, 2.0, 100.0], 1.177354094e-40),
    (&[1.0, 1.0, 0.3, 0.7], 3.0e-1),
    (&[20.0, 20.0, 0.2, 0.2], 2.659245148e-1),
    (&[1500.0, 3000.0, 15.0, 985.0], 1.127626446e-218),
];

const BETA_BINOMIAL_LOWER: &[(&[f64], f64)] = &[
    (&[0.0, 50.0, 30.0, 0.5], 1.461218084e-23),
    (&[10.0, 50.0, 30.0, 0.5], 1.378560191e-14),
    (&[0.0, 200.0, 5.0, 5.0], 3.978787485e-8),
    (&[19.0, 20.0, 0.2, 0.2], 7.340754852e-1),
];

fn check(table: &[(&[f64], f64)], law: impl Fn(&[f64]) -> Option<f64>) {
    for (arguments, expected) in table {
        let found = law(arguments).unwrap();
        let error = (found / expected - 1.0).abs();
        assert!(error < 2e-8, "{arguments:?}: {found:e} instead of {expected:e}");
    }
}

#[test]
fn tails_agree_with_exact_sums() {
    check(POISSON_UPPER, |a| poisson_upper(a[0], a[1]));
    check(NEGATIVE_BINOMIAL_UPPER, |a| negative_binomial_upper(a[0], a[1], a[2]));
    check(NEGATIVE_BINOMIAL_LOWER, |a| negative_binomial_lower(a[0], a[1], a[2]));
    check(BINOMIAL_UPPER, |a| binomial_upper(a[0], a[1], a[2]));
    check(BETA_BINOMIAL_UPPER, |a| beta_binomial_upper(a[0], a[1], a[2], a[3]));
    check(BETA_BINOMIAL_LOWER, |a| beta_binomial_lower(a[0], a[1], a[2], a[3]));
}

#[test]
fn an_upper_and_a_lower_tail_share_one_term_less_than_everything() {
    let (upper, lower) = (negative_binomial_upper(7.0, 5.0, 0.4), negative_binomial_lower(6.0, 5.0, 0.4));
    assert!((upper.unwrap() + lower.unwrap() - 1.0).abs() < 1e-12);
    let (upper, lower) = (beta_binomial_upper(7.0, 30.0, 2.0, 9.0), beta_binomial_lower(6.0, 30.0, 2.0, 9.0));
    assert!((upper.unwrap() + lower.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn large_counts_neither_hang_nor_lose_the_tail() {
    let p = negative_binomial_upper(2_000_000.0, 1_000_000.0, 0.01).unwrap();
    assert!(p > 0.0 && p < 1e-10, "{p:e}");
    let p = beta_binomial_upper(60_000.0, 900_000.0, 15.0, 985.0).unwrap();
    let limit = beta_binomial_upper(120_000.0, 1_800_000.0, 15.0, 985.0).unwrap();
    assert!((p / limit).ln().abs() < 0.5, "{p:e} {limit:e}");
}

#[test]
fn a_law_outside_its_domain_has_no_tail() {
    assert_eq!(negative_binomial_upper(1.0, -1.0, 0.3), None);
    assert_eq!(beta_binomial_upper(1.0, 2.0, 0.0, 1.0), None);
    assert_eq!(poisson_upper(f64::NAN, 1.0), None);
    assert_eq!(binomial_upper(1.0, 2.0, 1.5), None);
    assert_eq!(robust_z(1.0, 0.0, 0.0), None);
}

#[test]
fn probabilities_keep_six_digits() {
    assert_eq!(rounded(1.273389910531125e-05), 1.27339e-5);
    assert_eq!(rounded(1.0), 1.0);
}
