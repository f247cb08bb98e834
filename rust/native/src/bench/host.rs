//! What this machine is, as far as a reader of a ratio needs it, without naming it.

use std::fs;

use serde::Serialize;

/// The machine under a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Host {
    /// Model name of the processor, with family and model where there are such.
    pub cpu: String,
    /// Processors this process may use.
    pub processors: usize,
    /// Whether a hypervisor says it is there.
    pub virtualised: bool,
    /// Kernel release.
    pub kernel: String,
    /// Frequency governor, where one is visible.
    pub governor: Option<String>,
    /// Runnable threads over the last minute when this was asked.
    pub load: Option<f64>,
}

impl Host {
    /// Looks.
    #[must_use]
    pub fn here() -> Self {
        let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            cpuinfo
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.trim() == name)
                .map(|(_, value)| value.trim().to_owned())
        };
        let model = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let cpu = match (field("cpu family"), field("model")) {
            (Some(family), Some(number)) => format!("{model} (family {family} model {number})"),
            _ => model,
        };
        Self {
            cpu,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            virtualised: field("flags")
                .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "hypervisor")),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_default(),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            load: read("/proc/loadavg")
                .and_then(|line| line.split_whitespace().next()?.parse().ok()),
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_a_name_and_a_processor() {
        let host = Host::here();
        assert!(!host.cpu.is_empty());
        assert!(host.processors >= 1);
    }
}
