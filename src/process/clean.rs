//! Giving back the pages of programs and libraries that were needed for the start only.
//!
//! Where a page of a program is needed, Linux maps the fifteen around it that are in memory anyway. So a process that does
//! little but runs a big program soon has most of it mapped, which counts as its memory. The pages belong to the page
//! cache; one that is unmapped and needed again costs a minor fault.

use std::fs;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::libc::c_void;
use nix::sys::mman::{MmapAdvise, madvise};

/// Unmaps what this process has mapped of files and cannot have changed: code and constants. What is needed again comes
/// back by itself. Does nothing where there is no `/proc`.
pub fn release_clean_pages() {
    let Ok(maps) = fs::read_to_string("/proc/self/smaps") else { return };
    for (start, length) in clean(&maps) {
        let start = NonNull::<c_void>::without_provenance(start);
        #[expect(unsafe_code, reason = "memory is unmapped")]
        // SAFETY: the range is mapped from a file, cannot be written, and has no page that differs from the file, such as
        // relocated data has. So what comes back is what was there.
        let _ = unsafe { madvise(start, length, MmapAdvise::MADV_DONTNEED) };
    }
}

/// Starts and lengths of the mappings in a `/proc/PID/smaps` (see `man 5 proc_pid_smaps`) that are as their files are.
fn clean(maps: &str) -> Vec<(NonZeroUsize, usize)> {
    let mut found = Vec::new();
    let mut mapping = None;
    for line in maps.lines() {
        match line.strip_prefix("Anonymous:") {
            Some(changed) if changed.trim() == "0 kB" => found.extend(mapping.take()),
            Some(_) => mapping = None,
            None => mapping = constant(line).or(mapping),
        }
    }
    found
}

/// A mapping's first line, when it is of a file and cannot be written. The other lines have a name and a colon first.
fn constant(line: &str) -> Option<(NonZeroUsize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let is_constant = matches!(fields.next()?, "r-xp" | "r--p") && fields.nth(3)?.starts_with('/');
    if is_constant { Some((NonZeroUsize::new(start)?, end.checked_sub(start)?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: &str, mode: &str, path: &str, anonymous: &str) -> String {
        format!(
            "{start}000-{start}fff {mode} 00001000 fe:00 1234   {path}\nSize: 4 kB\nAnonymous:   {anonymous} kB\nVmFlags: rd\n"
        )
    }

    #[test]
    fn only_what_is_as_in_its_file_is_taken() {
        let maps = [
            mapping("10", "r-xp", "/opt/turnmux", "0"),
            mapping("20", "r--p", "/opt/turnmux", "0"),
            mapping("30", "r--p", "/opt/turnmux", "220"),
            mapping("40", "r-xp", "/opt/turnmux", "4"),
            mapping("50", "rw-p", "/opt/turnmux", "0"),
            mapping("60", "r--s", "/opt/turnmux", "0"),
            mapping("70", "r-xp", "[vdso]", "0"),
            mapping("80", "r--p", "", "0"),
            mapping("90", "r-xp", "/lib/with a space.so (deleted)", "0"),
        ];
        let starts: Vec<_> = clean(&maps.concat()).iter().map(|(start, _)| start.get() >> 12).collect();
        assert_eq!(starts, [0x10, 0x20, 0x90]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn pages_are_given_back_and_the_program_runs_on() {
        let mapped = || {
            let statm = fs::read_to_string("/proc/self/statm").expect("statm");
            statm.split(' ').nth(2).and_then(|pages| pages.parse::<u64>().ok()).expect("a number of pages")
        };
        let before = mapped();
        release_clean_pages();
        let after = mapped();
        assert!(after < before, "{before} pages of files before, {after} after");
    }
}
