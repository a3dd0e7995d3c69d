use std::fs::File;
use std::ops::Deref;

/// A file that is locked as long as this value lives.
///
/// The system gives up a lock when the last copy of the file is closed, and a child process that is just being started has
/// copies of all open files until its program runs. So the lock is given up here, not left to the closing.
pub(crate) struct Locked(pub(crate) File);

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_value_though_copies_of_the_file_live() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = File::create(&path).unwrap();
        file.try_lock().unwrap();
        let copy = file.try_clone().unwrap();
        let locked = Locked(file);
        let other = File::open(&path).unwrap();
        assert!(other.try_lock().is_err());
        drop(locked);
        other.try_lock().unwrap();
        drop(copy);
    }
}
