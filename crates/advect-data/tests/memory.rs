//! Memory that hostile files cost. One test alone, as it measures its whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::path::Path;

use advect_core::{Error, Result};
use advect_data::images::{Folder, Split, cifar10, read_idx};
use advect_data::read_npz;
use flate2::write::GzEncoder;
use image::GrayImage;
use tempfile::tempdir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The reason of an error that names a file.
fn reason<T: std::fmt::Debug>(result: Result<T>, name: &str) -> String {
    match result {
        Err(Error::File { path, reason }) => {
            assert!(path.ends_with(name), "{} instead of {name}", path.display());
            reason
        }
        other => panic!("{other:?}"),
    }
}

fn idx(sizes: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, sizes.len() as u8];
    bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// Bytes of zeros that take a few kilobytes packed, behind what a file begins with.
struct Zeros<'a>(&'a [u8], usize);

impl Zeros<'_> {
    fn write(&self, mut to: impl Write) {
        to.write_all(self.0).unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..self.1 >> 20 {
            to.write_all(&zeros).unwrap();
        }
    }

    fn gzip(&self, path: &Path) {
        let mut encoder =
            GzEncoder::new(fs::File::create(path).unwrap(), flate2::Compression::fast());
        self.write(&mut encoder);
        encoder.finish().unwrap();
    }
}

fn npy(header: &str) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat()
}

/// The most memory that this process held, in bytes.
fn peak() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| {
        1024 * line
            .trim()
            .trim_end_matches(" kB")
            .parse::<usize>()
            .unwrap()
    })
}

/// Files that would unpack to half a gigabyte: what their headers ask for is what they cost.
fn little_is_read_of_files_that_lie() {
    const ZEROS: usize = 1 << 29;
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let header = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }");
    Zeros(&idx(&[2, 3], &[1; 6]), ZEROS).gzip(&at("long.gz"));
    Zeros(&[], ZEROS).gzip(&at("zeros.gz"));
    let mut archive = ZipWriter::new(fs::File::create(at("long.npz")).unwrap());
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    archive.start_file("x.npy", deflated).unwrap();
    Zeros(&header, ZEROS).write(&mut archive);
    archive.finish().unwrap();
    assert!(fs::metadata(at("long.npz")).unwrap().len() < ZEROS as u64 / 100);

    let before = peak();
    let long = reason(read_idx(at("long.gz")), "long.gz");
    assert!(long.contains("more than 6 bytes"), "{long}");
    reason(read_idx(at("zeros.gz")), "zeros.gz");
    let npz = reason(read_npz(at("long.npz")), "long.npz");
    assert!(npz.starts_with("x: it has 536870912 bytes"), "{npz}");
    // Its zeros are images of aeroplanes, of which there are too many.
    let cifar = reason(cifar10(at("zeros.gz"), Split::Train), "zeros.gz");
    assert!(cifar.contains("60000"), "{cifar}");
    // The last alone takes the memory of 60,000 images.
    assert!(
        peak() - before < 3 * 60_000 * 3072,
        "{} bytes",
        peak() - before
    );
}

/// A picture of one colour is small however many pixels it has.
fn pictures_of_too_many_pixels_are_refused() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    GrayImage::new(10_000, 10_000).save(at("huge.png")).unwrap();
    let before = peak();
    for folder in [
        Folder::new(folder.path()),
        Folder::new(folder.path()).size(8),
    ] {
        let reason = reason(folder.read(), "huge.png");
        assert!(reason.contains("10000 × 10000"), "{reason}");
    }
    assert!(peak() - before < 1 << 26, "{} bytes", peak() - before);
    assert!(matches!(
        Folder::new(folder.path()).size(u32::MAX).read(),
        Err(Error::Range { .. })
    ));
}

#[test]
fn hostile_files_cost_little() {
    pictures_of_too_many_pixels_are_refused();
    little_is_read_of_files_that_lie();
}
