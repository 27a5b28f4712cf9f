//! `benjamini_hochberg(p, q)`: how small p must be when many were looked at.
//!
//! An aggregate, and so also a window function: the largest p that the procedure rejects at false discovery rate q,
//! NULL when it rejects none. The rejected are those with `p <= benjamini_hochberg(p, q)`. It sorts what it is given,
//! so the order of the rows does not matter; NULL p count as not looked at.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct BenjaminiHochberg {
    signature: Signature,
}

impl BenjaminiHochberg {
    pub(super) fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Float64; 2], Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for BenjaminiHochberg {
    fn name(&self) -> &'static str {
        "benjamini_hochberg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Seen::default()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let item = Arc::new(Field::new_list_field(DataType::Float64, true));
        Ok(vec![
            Arc::new(Field::new(format_state_name(args.name, "p"), DataType::List(item), true)),
            Arc::new(Field::new(format_state_name(args.name, "q"), DataType::Float64, true)),
        ])
    }
}

#[derive(Debug, Default)]
struct Seen {
    p: Vec<f64>,
    /// The strictest rate, should they differ.
    q: Option<f64>,
}

impl Seen {
    fn take_p(&mut self, values: &ArrayRef) {
        self.p.extend(values.as_primitive::<Float64Type>().iter().flatten());
    }

    fn take_q(&mut self, values: &ArrayRef) {
        let rates = values.as_primitive::<Float64Type>().iter().flatten();
        self.q = rates.chain(self.q).reduce(f64::min);
    }
}

impl Accumulator for Seen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.take_p(&values[0]);
        self.take_q(&values[1]);
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.q.and_then(|q| cut(&mut self.p, q))))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.p.capacity() * size_of::<f64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let p: Vec<ScalarValue> = self.p.iter().map(|p| ScalarValue::Float64(Some(*p))).collect();
        let list = ScalarValue::new_list_nullable(&p, &DataType::Float64);
        Ok(vec![ScalarValue::List(list), ScalarValue::Float64(self.q)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.take_p(&list);
        }
        self.take_q(&states[1]);
        Ok(())
    }
}

/// The largest p(i) with p(i) <= i/m * q, in ascending order.
fn cut(p: &mut [f64], q: f64) -> Option<f64> {
    p.sort_by(f64::total_cmp);
    let count = p.len() as f64;
    let passed = p.iter().zip(1_u32..).filter(|(p, place)| **p <= f64::from(*place) / count * q);
    passed.map(|(p, _)| *p).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_is_that_of_the_paper() {
        // Benjamini and Hochberg 1995, section 3.2: 15 tests, four are rejected at q = 0.05.
        let mut p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
            0.7590, 1.0,
        ];
        p.reverse();
        assert_eq!(cut(&mut p, 0.05), Some(0.0095));
        assert_eq!(cut(&mut p, 0.0001), None);
        assert_eq!(cut(&mut [], 0.05), None);
    }
}
