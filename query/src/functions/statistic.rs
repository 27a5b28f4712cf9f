//! The tails as scalar functions over columns.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;

use super::tails;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Statistic {
    PoissonUpper,
    NegativeBinomialUpper,
    NegativeBinomialLower,
    BinomialUpper,
    BetaBinomialUpper,
    BetaBinomialLower,
    RobustZ,
}

impl Statistic {
    pub(super) const ALL: [Self; 7] = [
        Self::PoissonUpper,
        Self::NegativeBinomialUpper,
        Self::NegativeBinomialLower,
        Self::BinomialUpper,
        Self::BetaBinomialUpper,
        Self::BetaBinomialLower,
        Self::RobustZ,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::PoissonUpper => "poisson_upper_tail",
            Self::NegativeBinomialUpper => "negative_binomial_upper_tail",
            Self::NegativeBinomialLower => "negative_binomial_lower_tail",
            Self::BinomialUpper => "binomial_upper_tail",
            Self::BetaBinomialUpper => "beta_binomial_upper_tail",
            Self::BetaBinomialLower => "beta_binomial_lower_tail",
            Self::RobustZ => "robust_z",
        }
    }

    fn arguments(self) -> usize {
        match self {
            Self::PoissonUpper => 2,
            Self::NegativeBinomialUpper | Self::NegativeBinomialLower | Self::BinomialUpper | Self::RobustZ => 3,
            Self::BetaBinomialUpper | Self::BetaBinomialLower => 4,
        }
    }

    fn of(self, values: &[f64]) -> Option<f64> {
        let value = match (self, values) {
            (Self::PoissonUpper, [k, mean]) => tails::poisson_upper(*k, *mean),
            (Self::NegativeBinomialUpper, [k, mean, spread]) => tails::negative_binomial_upper(*k, *mean, *spread),
            (Self::NegativeBinomialLower, [k, mean, spread]) => tails::negative_binomial_lower(*k, *mean, *spread),
            (Self::BinomialUpper, [k, n, p]) => tails::binomial_upper(*k, *n, *p),
            (Self::BetaBinomialUpper, [k, n, a, b]) => tails::beta_binomial_upper(*k, *n, *a, *b),
            (Self::BetaBinomialLower, [k, n, a, b]) => tails::beta_binomial_lower(*k, *n, *a, *b),
            (Self::RobustZ, [value, median, mad]) => tails::robust_z(*value, *median, *mad),
            _ => None,
        };
        value.filter(|value| !value.is_nan()).map(tails::rounded)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Tail {
    which: Statistic,
    signature: Signature,
}

impl Tail {
    pub(super) fn new(which: Statistic) -> Self {
        let types = vec![DataType::Float64; which.arguments()];
        Self { which, signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Tail {
    fn name(&self) -> &str {
        self.which.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let numbers: Vec<&Float64Array> = columns.iter().map(AsArray::as_primitive::<Float64Type>).collect();
        let rows = columns.first().map_or(0, Array::len);
        let mut values = vec![0.0; numbers.len()];
        let result: Float64Array = (0..rows).map(|row| self.which.of(fill(&mut values, &numbers, row)?)).collect();
        columnar(Arc::new(result), &args.args)
    }
}

/// The arguments of one row; `None` when one of them is NULL.
fn fill<'a>(values: &'a mut [f64], columns: &[&Float64Array], row: usize) -> Option<&'a [f64]> {
    for (value, column) in values.iter_mut().zip(columns) {
        if column.is_null(row) {
            return None;
        }
        *value = column.value(row);
    }
    Some(values)
}

/// Constants in, a constant out.
pub(super) fn columnar(result: ArrayRef, arguments: &[ColumnarValue]) -> Result<ColumnarValue> {
    if arguments.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_))) {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
    }
    Ok(ColumnarValue::Array(result))
}
