//! Files that are whole or not there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Error, Result};

/// Tells the temporary files of this process apart.
static WRITES: AtomicUsize = AtomicUsize::new(0);

/// Writes a file through a temporary one beside it, which takes its name when it is complete and on
/// the disk: a crash at any moment leaves the previous file whole.
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
/// [`Error::File`] if anything fails; the temporary file is removed, the previous file stays.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let Some(name) = path.file_name() else {
        return Err(Error::file(path, "this is no file name"));
    };
    let mut temporary: OsString = name.to_os_string();
    let number = WRITES.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".{}.{number}.partial", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let result = (|| {
        let mut writer = BufWriter::new(File::create(&temporary)?);
        write(&mut writer)?;
        writer
            .into_inner()
            .map_err(|e| e.into_error())?
            .sync_all()?;
        fs::rename(&temporary, path)?;
        // The new name is on the disk when its folder is; not every system can sync a folder.
        if let Some(Ok(folder)) = path.parent().map(|p| {
            File::open(if p.as_os_str().is_empty() {
                Path::new(".")
            } else {
                p
            })
        }) {
            let _ = folder.sync_all();
        }
        Ok(())
    })();
    result.map_err(|error: std::io::Error| {
        let _ = fs::remove_file(&temporary);
        Error::file(path, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_previous_file() {
        let folder = std::env::temp_dir().join(format!("advect-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        write_atomically(&path, |f| f.write_all(b"first")).unwrap();
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "nothing partial is left"
        );
        let error = write_atomically(&path, |f| {
            f.write_all(b"sec")?;
            Err(std::io::Error::other("power cut"))
        })
        .unwrap_err();
        assert!(error.to_string().ends_with("file: power cut"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "nothing partial is left"
        );
        assert!(write_atomically(folder.join("no/such/folder"), |_| Ok(())).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
