//! `host_kind(host)`: what a destination is that may not be a name.
//!
//! Addresses are recognised in every spelling that resolvers accept: dotted, decimal, octal and hexadecimal, short
//! forms (`127.1`), IPv6 with brackets or a zone, and IPv4 inside IPv6. A blocked address in disguise is still that
//! address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::statistic::columnar;

/// Where clouds answer with credentials of the machine.
const METADATA_NAMES: [&str; 5] =
    ["metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal"];
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)];

pub(super) fn host_kind(host: &str) -> &'static str {
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    match address(&host) {
        Some(IpAddr::V4(address)) => kind_of_v4(address),
        Some(IpAddr::V6(address)) => inner_v4(address).map_or_else(|| kind_of_v6(address), kind_of_v4),
        None if METADATA_NAMES.contains(&host.as_str()) => "metadata",
        None if host == "localhost" || host.ends_with(".localhost") => "loopback",
        None => "name",
    }
}

fn kind_of_v4(address: Ipv4Addr) -> &'static str {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    match address {
        _ if METADATA_V4.contains(&address) => "metadata",
        _ if address.is_loopback() || a == 0 => "loopback",
        _ if address.is_link_local() => "link_local",
        _ if address.is_private() || shared => "private",
        _ => "ip_literal",
    }
}

fn kind_of_v6(address: Ipv6Addr) -> &'static str {
    match address {
        _ if METADATA_V6.contains(&address) => "metadata",
        _ if address.is_loopback() || address.is_unspecified() => "loopback",
        _ if address.is_unicast_link_local() => "link_local",
        _ if address.is_unique_local() => "private",
        _ => "ip_literal",
    }
}

/// IPv4 mapped, in the NAT64 prefix, or in 6to4.
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let joined = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(joined(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(joined(high, low)),
        [0x2002, high, low, ..] => Some(joined(high, low)),
        _ => None,
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let unzoned = bare.split('%').next().unwrap_or(bare);
    if let Ok(address) = unzoned.parse::<Ipv6Addr>() {
        return Some(IpAddr::V6(address));
    }
    loose_v4(bare).map(IpAddr::V4)
}

/// As `inet_aton` reads it: one to four numbers, the last fills what is left.
fn loose_v4(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, leading) = numbers.split_last()?;
    if leading.len() > 3 || leading.iter().any(|number| *number > 255) {
        return None;
    }
    let bits_left = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if u64::from(*last) >= 1_u64 << bits_left {
        return None;
    }
    let high = leading.iter().fold(0_u64, |high, number| (high << 8) | u64::from(*number));
    u32::try_from((high << bits_left) | u64::from(*last)).ok().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hexadecimal) => (hexadecimal, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let plain = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    plain.then(|| u32::from_str_radix(digits, radix).ok()).flatten()
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct HostKind {
    signature: Signature,
}

impl HostKind {
    pub(super) fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Utf8], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for HostKind {
    fn name(&self) -> &'static str {
        "host_kind"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let kinds: StringArray = columns[0].as_string::<i32>().iter().map(|host| host.map(host_kind)).collect();
        columnar(Arc::new(kinds), &args.args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_address_is_recognised_in_every_disguise() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0xa9.0xfe.0xa9.0xfe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "[::ffff:169.254.169.254]",
            "::ffff:a9fe:a9fe",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "Metadata.Google.Internal.",
            "fd00:ec2::254",
            "100.100.100.200",
        ] {
            assert_eq!(host_kind(host), "metadata", "{host}");
        }
    }

    #[test]
    fn each_range_has_its_kind() {
        for (host, kind) in [
            ("127.0.0.1", "loopback"),
            ("127.1", "loopback"),
            ("::1", "loopback"),
            ("localhost", "loopback"),
            ("0.0.0.0", "loopback"),
            ("10.1.2.3", "private"),
            ("172.16.0.1", "private"),
            ("192.168.1.1", "private"),
            ("0300.0250.1.1", "private"),
            ("100.64.0.1", "private"),
            ("fd12::1", "private"),
            ("169.254.1.1", "link_local"),
            ("fe80::1%eth0", "link_local"),
            ("8.8.8.8", "ip_literal"),
            ("172.32.0.1", "ip_literal"),
            ("[2606:4700::1111]", "ip_literal"),
        ] {
            assert_eq!(host_kind(host), kind, "{host}");
        }
    }

    #[test]
    fn what_only_looks_like_an_address_is_a_name() {
        for host in ["api.github.com", "1.2.3.4.5", "256.1.1.1", "4294967296", "0x", "09.1.1.1", "", "1e3", "abc.1"] {
            assert_eq!(host_kind(host), "name", "{host:?}");
        }
    }
}
