//! `interval_times(interval, number)`: so many times as long, as Postgres multiplies: a part of a month is days of thirty to the
//! month, a part of a day is hours.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, IntervalMonthDayNanoArray};
use datafusion::arrow::datatypes::{
    DataType, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::statistic::columnar;

const DAYS_OF_A_MONTH: f64 = 30.0;
const MICROS_OF_A_DAY: f64 = 86_400e6;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct IntervalTimes {
    signature: Signature,
}

fn interval() -> DataType {
    DataType::Interval(IntervalUnit::MonthDayNano)
}

impl IntervalTimes {
    pub(super) fn new() -> Self {
        Self { signature: Signature::exact(vec![interval(), DataType::Float64], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for IntervalTimes {
    fn name(&self) -> &'static str {
        "interval_times"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(interval())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let intervals = columns[0].as_primitive::<IntervalMonthDayNanoType>();
        let numbers = columns[1].as_primitive::<Float64Type>();
        let product = |row: usize| {
            let is_there = intervals.is_valid(row) && numbers.is_valid(row);
            is_there.then(|| times(intervals.value(row), numbers.value(row))).transpose()
        };
        let products: Result<IntervalMonthDayNanoArray> = (0..intervals.len()).map(product).collect();
        columnar(Arc::new(products?), &args.args)
    }
}

fn times(interval: IntervalMonthDayNano, number: f64) -> Result<IntervalMonthDayNano> {
    let months = f64::from(interval.months) * number;
    let (days, days_of_months) = (f64::from(interval.days) * number, to_a_millionth(months.fract() * DAYS_OF_A_MONTH));
    let rest = ((days.fract() + days_of_months.fract()) * MICROS_OF_A_DAY).round();
    let whole = (rest / MICROS_OF_A_DAY).trunc();
    #[expect(clippy::cast_precision_loss, reason = "what is lost is far below the microsecond that it is rounded to")]
    let micros = (interval.nanoseconds as f64 * number / 1e3).round() + rest - whole * MICROS_OF_A_DAY;
    let fits = |value: f64, most: f64| if value.abs() < most { Ok(value) } else { Err(too_long()) };
    Ok(IntervalMonthDayNano {
        months: fits(months.trunc(), f64::from(i32::MAX))? as i32,
        days: fits(days.trunc() + days_of_months.trunc() + whole, f64::from(i32::MAX))? as i32,
        nanoseconds: fits(micros, 9.2e15)? as i64 * 1_000,
    })
}

/// A part of a day of a month that only a float's last digits make is none.
fn to_a_millionth(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn too_long() -> DataFusionError {
    DataFusionError::Execution("an interval becomes longer than there is time".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_months_and_days_go_where_postgres_puts_them() {
        let interval = |months, days, nanoseconds| IntervalMonthDayNano { months, days, nanoseconds };
        const HOUR: i64 = 3_600_000_000_000;
        for (one, number, expected) in [
            (interval(0, 0, 300_000_000_000), 3.0, interval(0, 0, 900_000_000_000)),
            (interval(1, 0, 0), 1.5, interval(1, 15, 0)),
            (interval(0, 1, 0), 0.25, interval(0, 0, 6 * HOUR)),
            (interval(2, 3, 0), -1.0, interval(-2, -3, 0)),
            (interval(1, 0, 0), 1.9, interval(1, 27, 0)),
            (interval(0, 1, 0), 0.123_456_789, interval(0, 0, 10_666_666_570_000)),
            (interval(0, 1, 0), 0.999_999_999_999_999, interval(0, 1, 0)),
            (interval(0, 0, 1_000_000_000), 1_780_305_243.221_503, interval(0, 0, 1_780_305_243_221_503_000)),
        ] {
            assert_eq!(times(one, number).unwrap(), expected);
        }
        for number in [f64::NAN, f64::INFINITY, 1e18] {
            assert!(times(interval(1, 1, 1_000), number).is_err(), "{number}");
        }
    }
}
