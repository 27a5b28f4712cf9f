//! What a process has used, as Linux tells it.

use std::fs::{read_to_string, write};

/// CPU seconds until now, user and system.
pub(crate) fn cpu_of(process: &str) -> f64 {
    cpu(process).expect("a process on Linux")
}

/// The most memory that it ever held, in MiB.
pub(crate) fn peak_of(process: &str) -> f64 {
    memory(process, "VmHWM:").expect("a process on Linux")
}

/// From now on its peak begins anew.
pub(crate) fn forget_peak(process: &str) {
    write(format!("/proc/{process}/clear_refs"), "5").expect("a process of ours on Linux");
}

/// The memory that it holds, in MiB.
pub(crate) fn resident(process: &str) -> f64 {
    memory(process, "VmRSS:").expect("a process on Linux")
}

/// What of it are pages of files, of the program's own above all, in MiB: whenever somebody else needs memory they are
/// given up.
pub(crate) fn of_files(process: &str) -> f64 {
    memory(process, "RssFile:").expect("a process on Linux")
}

/// CPU seconds until now and the most memory; of one that has ended nothing is known.
pub(crate) fn used_by(process: &str) -> Option<(f64, f64)> {
    Some((cpu(process)?, memory(process, "VmHWM:")?))
}

fn cpu(process: &str) -> Option<f64> {
    let stat = read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    // utime and stime, in ticks of which Linux has a hundred a second.
    Some(fields.get(11..13)?.iter().map(|ticks| ticks.parse::<f64>().expect("ticks") / 100.0).sum())
}

fn memory(process: &str, key: &str) -> Option<f64> {
    let status = read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().expect("KiB") / 1024.0)
}
