//! What a process has used, as Linux tells it.

use std::fs::read_to_string;

/// CPU seconds until now, user and system.
pub(crate) fn cpu_of(process: &str) -> f64 {
    let stat = read_to_string(format!("/proc/{process}/stat")).expect("a process on Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("after the name").split_whitespace().collect();
    // utime and stime, in ticks of which Linux has a hundred a second.
    fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks") / 100.0).sum()
}

/// The most memory that it ever held, in MiB.
pub(crate) fn peak_of(process: &str) -> f64 {
    memory(process, "VmHWM:")
}

/// The memory that it holds, in MiB.
pub(crate) fn resident(process: &str) -> f64 {
    memory(process, "VmRSS:")
}

fn memory(process: &str, key: &str) -> f64 {
    let status = read_to_string(format!("/proc/{process}/status")).expect("a process on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line about memory");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("KiB") / 1024.0
}
