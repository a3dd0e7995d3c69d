//! Reading of regular files, and atomic writing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Error, Result};

/// Tells the temporary files of this process apart.
static WRITES: AtomicUsize = AtomicUsize::new(0);
/// The number of bytes of a file's name that its temporary file repeats: the rest must fit the longest name of the file system, too.
const STEM: usize = 100;
/// The number of symbolic links that are followed, as on Linux.
const LINKS: usize = 40;

/// Opens a regular file for reading.
///
/// # Errors
/// [`Error::File`] if it can't be opened, or is a folder, a pipe or a device, whose end may never come.
pub fn open(path: impl AsRef<Path>) -> Result<File> {
    let path = path.as_ref();
    let failed = |e: io::Error| Error::file(path, e);
    // Opening a pipe waits for a writer, so the kind is asked for first.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Error::file(path, "this is not a regular file"));
    }
    File::open(path).map_err(failed)
}

/// Reads the whole contents of a regular file.
///
/// # Errors
/// As [`open`]; [`Error::File`] if it does not fit the memory.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    let read = io::Read::read_to_end(&mut open(path)?, &mut bytes);
    read.map_err(|e| Error::file(path, e))?;
    Ok(bytes)
}

/// Returns the name of the format that the first bytes of a file show, for messages about files of a wrong format.
///
/// ```
/// use advect_core::file::format;
/// assert_eq!(format(b"\x93NUMPY\x01\x00"), Some("an array of NumPy (.npy)"));
/// assert_eq!(format(b"?"), None);
/// ```
pub fn format(first: &[u8]) -> Option<&'static str> {
    const FORMATS: [(&[u8], &str); 12] = [
        (
            b"PK\x03\x04",
            "a zip archive (as .npz and PyTorch's .pt are)",
        ),
        (b"\x93NUMPY", "an array of NumPy (.npy)"),
        (b"\x1f\x8b", "packed by gzip"),
        (b"\x89PNG", "a PNG picture"),
        (b"\xff\xd8\xff", "a JPEG picture"),
        (b"\x89HDF", "an HDF5 file"),
        (b"GGUF", "a GGUF file"),
        (
            b"version https://git-lfs",
            "a pointer of Git LFS in place of the file: fetch it by `git lfs pull`",
        ),
        (b"<!DOCTYPE", "a web page"),
        (b"<!doctype", "a web page"),
        (b"<html", "a web page"),
        (b"\x80", "a pickle of Python"),
    ];
    // A length of 8 bytes, then JSON.
    if first.get(5..9) == Some(b"\0\0\0{") {
        return Some("a safetensors file");
    }
    let known = FORMATS.iter().find(|(magic, _)| first.starts_with(magic));
    known.map(|(_, name)| *name)
}

/// Writes a file through a temporary file beside it, which takes the file's name when it is complete and on disk. A
/// crash at any moment leaves the previous file intact.
///
/// The file keeps its permissions and, where the system allows it, its owner. If the path is a symbolic link, the link
/// stays, and the file that it leads to is written. Temporary files are called `NAME.advect-PROCESS-NUMBER.partial`;
/// the files of earlier writes that were killed are removed.
///
/// ```
/// # fn main() -> advect_core::Result<()> {
/// let path = std::env::temp_dir().join(format!("advect-doc-{}", std::process::id()));
/// advect_core::file::write_atomically(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"whole");
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::File`] if anything fails, or if there is a folder, a pipe or a device of this name; the temporary file is
/// removed, the previous file stays.
#[doc(alias = "atomic write")]
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, write).map_err(|error| Error::file(path, error))
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let path = linked(path)?;
    let Some(name) = path.file_name() else {
        return Err(io::Error::other("this is not a file name"));
    };
    let previous = match fs::metadata(&path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::other("this is not a regular file"));
        }
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let stem = stem(name);
    remove_dead(folder, &stem);
    let (file, temporary) = create(folder, &stem)?;
    let result = (|| {
        if let Some(previous) = &previous {
            keep_owner(&file, previous);
            file.set_permissions(previous.permissions())?;
        }
        let mut writer = BufWriter::new(file);
        write(&mut writer)?;
        let file = writer.into_inner().map_err(|e| e.into_error())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        // Closing it is not enough: a child that is just being started has copies of all open files until its program runs.
        let _ = file.unlock();
        Ok(())
    })();
    match result {
        Ok(()) => {
            // The new name is on the disk when its folder is; not every system can sync a folder.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
            Ok(())
        }
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// Returns the path that symbolic links lead to, whether there is a file or not.
fn linked(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = path.with_file_name("").join(target),
            // No link, or not there.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Returns the beginning of the names of a file's temporary files.
fn stem(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    let end = (0..=STEM.min(name.len())).rev();
    let end = end.into_iter().find(|&end| name.is_char_boundary(end));
    format!("{}.advect-", &name[..end.unwrap_or(0)])
}

/// Returns a new temporary file, locked as long as it is open.
fn create(folder: &Path, stem: &str) -> io::Result<(File, PathBuf)> {
    loop {
        let number = WRITES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{stem}{}-{number}.partial", std::process::id());
        let path = folder.join(name);
        let file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            // A process of the same number left it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        // Where there are no locks, nothing is taken for dead either.
        let _ = file.lock();
        // Another write may have taken it for dead before it was locked.
        if path.exists() {
            return Ok((file, path));
        }
    }
}

/// Removes the temporary files that nobody writes any more: those that are not locked.
fn remove_dead(folder: &Path, stem: &str) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name: OsString = entry.file_name();
        let number = (name.to_str())
            .and_then(|name| name.strip_prefix(stem)?.strip_suffix(".partial"))
            .and_then(|number| number.split_once('-'));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !number.is_some_and(|(process, number)| digits(process) && digits(number))
            || !entry.file_type().is_ok_and(|kind| kind.is_file())
        {
            continue;
        }
        let path = entry.path();
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// Gives a new file to the owner of the previous one, if that is allowed.
#[cfg(unix)]
fn keep_owner(file: &File, previous: &fs::Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    if file
        .metadata()
        .is_ok_and(|new| (new.uid(), new.gid()) != (previous.uid(), previous.gid()))
    {
        let _ = fchown(file, Some(previous.uid()), Some(previous.gid()));
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &fs::Metadata) {}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("advect-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn write(path: &Path, text: &str) -> Result<()> {
        write_atomically(path, |f| f.write_all(text.as_bytes()))
    }

    #[test]
    fn a_failed_write_leaves_the_previous_file() {
        let folder = Folder::new("failed");
        let path = folder.0.join("file");
        write(&path, "first").unwrap();
        assert_eq!(folder.names(), ["file"], "nothing partial is left");
        let error = write_atomically(&path, |f| {
            f.write_all(b"sec")?;
            Err(io::Error::other("power cut"))
        })
        .unwrap_err();
        assert!(error.to_string().ends_with("file: power cut"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(folder.names(), ["file"], "nothing partial is left");
        assert!(write(&folder.0.join("no/such/folder"), "").is_err());
        assert!(
            write(&folder.0, "")
                .unwrap_err()
                .to_string()
                .contains("not a regular file")
        );
        assert!(write(Path::new(""), "").is_err());
    }

    #[test]
    fn dead_temporary_files_are_removed_and_living_ones_are_not() {
        let folder = Folder::new("dead");
        let path = folder.0.join("file");
        // Of a process that was killed, and of ones that are none of this file's.
        for name in [
            "file.advect-123-0.partial",
            "file.advect-notes-0.partial",
            "file.partial",
            "other.advect-123-0.partial",
        ] {
            fs::write(folder.0.join(name), "half").unwrap();
        }
        write_atomically(&path, |f| {
            // Another write of the same file, in between.
            write(&path, "inner").unwrap();
            f.write_all(b"outer")
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"outer");
        let left = [
            "file",
            "file.advect-notes-0.partial",
            "file.partial",
            "other.advect-123-0.partial",
        ];
        assert_eq!(folder.names(), left);
    }

    #[cfg(unix)]
    #[test]
    fn a_written_file_is_not_locked_while_children_start() {
        use std::sync::atomic::AtomicBool;
        let folder = Folder::new("children");
        let path = folder.0.join("file");
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = std::process::Command::new("true").status();
                }
            });
            let locked = (0..300).filter(|_| {
                write(&path, "x").unwrap();
                File::open(&path).unwrap().try_lock().is_err()
            });
            let locked = locked.count();
            done.store(true, Ordering::Relaxed);
            assert_eq!(locked, 0);
        });
    }

    #[test]
    fn names_as_long_as_the_file_system_allows_are_written() {
        let folder = Folder::new("long");
        for name in ["n".repeat(255), "é".repeat(127)] {
            write(&folder.0.join(&name), "x").unwrap();
            assert_eq!(folder.names(), std::slice::from_ref(&name));
            fs::remove_file(folder.0.join(name)).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = Folder::new("links");
        let (file, link) = (folder.0.join("file"), folder.0.join("link"));
        write(&file, "first").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("file", &link).unwrap();
        write(&link, "second").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"second");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        // A link to nothing makes what it leads to, through another folder too.
        fs::create_dir(folder.0.join("deep")).unwrap();
        symlink("deep/new", folder.0.join("dangling")).unwrap();
        write(&folder.0.join("dangling"), "third").unwrap();
        assert_eq!(fs::read(folder.0.join("deep/new")).unwrap(), b"third");
        symlink("circle", folder.0.join("circle")).unwrap();
        assert!(write(&folder.0.join("circle"), "").is_err());
        assert_eq!(
            folder.names(),
            ["circle", "dangling", "deep", "file", "link"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_neither_read_nor_replaced() {
        let folder = Folder::new("pipe");
        let pipe = folder.0.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if !made.is_ok_and(|status| status.success()) {
            return;
        }
        for path in [&pipe, &folder.0] {
            for error in [read(path).unwrap_err(), write(path, "").unwrap_err()] {
                assert!(error.to_string().contains("not a regular file"), "{error}");
            }
        }
        assert!(read(folder.0.join("none")).is_err());
    }
}
