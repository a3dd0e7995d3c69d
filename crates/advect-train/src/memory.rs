//! Memory of the process.

/// Returns the largest resident memory of the process so far, in bytes (`VmHWM` on Linux), and `None` elsewhere.
///
/// It counts all pages that were in memory: those of candle's tensors, of mapped files and of other libraries. It does not fall when memory is given back.
///
/// ```
/// use advect_train::peak_memory;
/// if let Some(before) = peak_memory() {
///     let large = vec![1u8; 100 << 20];
///     assert!(peak_memory() >= Some(100 << 20) && peak_memory() >= Some(before));
///     drop(large);
///     assert!(peak_memory() >= Some(100 << 20));
/// }
/// ```
#[doc(alias = "VmHWM")]
#[doc(alias = "max_memory_allocated")]
#[doc(alias = "ru_maxrss")]
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
