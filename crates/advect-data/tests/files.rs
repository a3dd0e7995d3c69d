//! Files of images and arrays: what is in them, and what is said of damaged ones.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use advect_core::{Error, Result};
use advect_data::images::{Damaged, Folder, Split, cifar10, mnist, mnist_files, read_idx};
use advect_data::{read_npy, read_npz};
use candle_core::{DType, Tensor};
use flate2::write::GzEncoder;
use image::{GrayImage, Luma, Rgb, RgbImage};
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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn flat(x: &Tensor) -> Vec<u8> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn mnist_is_read_packed_or_not() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pixels: Vec<u8> = (0..24).collect();
    fs::write(
        at("train-images-idx3-ubyte.gz"),
        gzip(&idx(&[2, 3, 4], &pixels)),
    )
    .unwrap();
    fs::write(at("train-labels.idx1-ubyte"), idx(&[2], &[7, 1])).unwrap();
    let images = mnist(folder.path(), Split::Train).unwrap();
    assert_eq!(images.pixels.dims(), [2, 1, 3, 4]);
    assert_eq!((images.len(), images.dim()), (2, [1, 3, 4]));
    assert_eq!(flat(&images.pixels), pixels);
    assert_eq!(images.labels.to_vec1::<u32>().unwrap(), [7, 1]);
    reason(mnist(folder.path(), Split::Test), "t10k-images-idx3-ubyte");

    fs::write(at("three"), idx(&[3], &[7, 1, 2])).unwrap();
    let labels = mnist_files(at("train-images-idx3-ubyte.gz"), at("three"));
    assert!(reason(labels, "three").contains("[3]"));
    let images = mnist_files(at("three"), at("three"));
    assert!(reason(images, "three").contains("(images, height, width)"));
}

#[test]
fn damaged_idx_files_are_named() {
    let folder = tempdir().unwrap();
    let read = |bytes: &[u8]| {
        fs::write(folder.path().join("x"), bytes).unwrap();
        reason(read_idx(folder.path().join("x")), "x")
    };
    let whole = idx(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    assert!(read(&whole[..whole.len() - 1]).contains("5 bytes"));
    assert!(read(&[&whole[..], &[0]].concat()).contains("7 bytes"));
    assert!(read(&whole[..9]).contains("header"));
    assert!(read(b"").contains("not an IDX"));
    assert!(read(b"PNG!").contains("not an IDX"));
    assert!(read(&[0, 0, 0x0d, 0]).contains("0x0d"));
    assert!(read(&idx(&[u32::MAX; 4], &[])).contains("sizes"));
    assert!(read(&idx(&[0, u32::MAX, u32::MAX, u32::MAX], &[])).contains("sizes"));
    let packed = gzip(&whole);
    read(&packed[..packed.len() - 9]);
    reason(read_idx(folder.path().join("missing")), "missing");
}

#[test]
fn cifar_is_read_in_its_order() {
    let folder = tempdir().unwrap();
    let write = |name: &str, labels: &[u8]| {
        let image = |label: &u8| [vec![*label], vec![10 * label; 3072]].concat();
        let bytes: Vec<u8> = labels.iter().flat_map(image).collect();
        fs::write(folder.path().join(name), bytes).unwrap();
    };
    for i in 1..=5 {
        write(&format!("data_batch_{i}.bin"), &[i, 0]);
    }
    write("test_batch.bin", &[9]);
    let train = cifar10(folder.path(), Split::Train).unwrap();
    assert_eq!(train.pixels.dims(), [10, 3, 32, 32]);
    assert_eq!(
        train.labels.to_vec1::<u32>().unwrap(),
        [1, 0, 2, 0, 3, 0, 4, 0, 5, 0]
    );
    assert_eq!(flat(&train.pixels.get(2).unwrap()), [20; 3072]);
    assert_eq!(train.classes[9], "truck");
    assert_eq!(cifar10(folder.path(), Split::Test).unwrap().len(), 1);

    write("bad", &[3, 10]);
    assert!(reason(cifar10(folder.path().join("bad"), Split::Train), "bad").contains("image 1"));
    fs::write(folder.path().join("bad"), [0; 3072]).unwrap();
    assert!(reason(cifar10(folder.path().join("bad"), Split::Train), "bad").contains("3072 bytes"));
    fs::remove_file(folder.path().join("data_batch_3.bin")).unwrap();
    reason(cifar10(folder.path(), Split::Train), "data_batch_3.bin");
}

fn picture(path: &Path, width: u32, height: u32, value: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(width, height, |x, y| Rgb([value, x as u8, y as u8]))
        .save(path)
        .unwrap();
}

#[test]
fn folders_are_read_by_class() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    picture(&at("cat/b.png"), 4, 3, 2);
    picture(&at("cat/a.png"), 4, 3, 1);
    picture(&at("dog/c.PNG"), 4, 3, 3);
    fs::write(at("dog/notes.txt"), "no picture").unwrap();
    let (images, skipped) = Folder::new(folder.path()).read().unwrap();
    assert!(skipped.is_empty());
    assert_eq!(images.pixels.dims(), [3, 3, 3, 4]);
    assert_eq!(images.classes, ["cat", "dog"]);
    assert_eq!(images.labels.to_vec1::<u32>().unwrap(), [0, 0, 1]);
    let first = flat(&images.pixels.get(0).unwrap());
    assert_eq!(first[..12], [1; 12]);
    assert_eq!(first[12..24], [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
    assert_eq!(first[24..], [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);

    // Cut out of the middle, and scaled.
    picture(&at("dog/wide.png"), 8, 3, 9);
    assert!(reason(Folder::new(folder.path()).read(), "dog/wide.png").contains("8 × 3"));
    let (images, _) = Folder::new(folder.path()).size(3).read().unwrap();
    assert_eq!(images.dim(), [3, 3, 3]);
    let wide = flat(&images.pixels.get(3).unwrap());
    assert_eq!(wide[9..12], [2, 3, 4]);
    // Long and thin.
    picture(&at("dog/thin.png"), 4000, 1, 9);
    let (images, _) = Folder::new(folder.path()).size(300).read().unwrap();
    assert_eq!(images.dim(), [3, 300, 300]);
    assert!(Folder::new(folder.path()).size(0).read().is_err());

    // As many pixels as are accepted.
    let limited = |pixels| Folder::new(at("cat")).most_pixels(pixels).read();
    assert_eq!(limited(12).unwrap().0.dim(), [3, 3, 4]);
    assert!(reason(limited(11), "cat/a.png").contains("4 × 3"));

    picture(&at("stray.png"), 4, 3, 1);
    assert!(reason(Folder::new(folder.path()).read(), "stray.png").contains("classes"));
}

#[test]
fn damaged_pictures_are_named_or_skipped() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    reason(
        Folder::new(folder.path()).read(),
        folder.path().file_name().unwrap().to_str().unwrap(),
    );
    GrayImage::from_pixel(2, 2, Luma([5]))
        .save(at("a.png"))
        .unwrap();
    RgbImage::from_pixel(2, 2, Rgb([200, 200, 200]))
        .save(at("b.jpg"))
        .unwrap();
    let whole = fs::read(at("a.png")).unwrap();
    fs::write(at("c.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(at("d.jpeg"), "no picture").unwrap();
    reason(Folder::new(folder.path()).read(), "c.png");
    let (images, skipped) = Folder::new(folder.path())
        .grey()
        .damaged(Damaged::Skip)
        .read()
        .unwrap();
    assert_eq!(images.pixels.dims(), [2, 1, 2, 2]);
    let pixels = flat(&images.pixels);
    assert!(
        pixels[..4] == [5; 4] && pixels[4..].iter().all(|p| p.abs_diff(200) < 3),
        "{pixels:?}"
    );
    assert_eq!(skipped.len(), 2);
    assert!(skipped[0].to_string().contains("c.png") && skipped[1].to_string().contains("d.jpeg"));
}

/// What NumPy wrote (`golden/arrays.py`).
#[test]
fn arrays_are_those_of_numpy() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let arrays = read_npz(golden.join("arrays.npz")).unwrap();
    assert_eq!(arrays.len(), 16);
    for (name, array) in &arrays {
        let numbers = array.to_dtype(DType::F64).unwrap();
        let numbers = numbers.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        match name.as_str() {
            "scalar" => assert_eq!((array.rank(), numbers), (0, vec![2.5])),
            "vector" => assert_eq!(numbers, [0.0, 1.0, 2.0]),
            "0_bool" => assert_eq!(numbers, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]),
            _ => {
                assert_eq!(
                    (array.dims(), numbers),
                    (&[2, 3][..], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
                );
            }
        }
    }
    let dtype = |name: &str| arrays.iter().find(|(n, _)| n == name).unwrap().1.dtype();
    assert_eq!(dtype("9_float16"), DType::F16);
    assert_eq!(dtype("8_int64"), DType::I64);
    let fortran = read_npy(golden.join("fortran.npy")).unwrap();
    let expected = Tensor::arange(0f32, 24.0, fortran.device())
        .unwrap()
        .reshape((2, 3, 4))
        .unwrap();
    assert_eq!(
        fortran.to_vec3::<f32>().unwrap(),
        expected.to_vec3::<f32>().unwrap()
    );
}

#[test]
fn damaged_arrays_are_named() {
    let folder = tempdir().unwrap();
    let read = |bytes: &[u8]| {
        fs::write(folder.path().join("x.npy"), bytes).unwrap();
        reason(read_npy(folder.path().join("x.npy")), "x.npy")
    };
    let file = |header: &str, data: &[u8]| {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    };
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    let whole = file(header, &[0; 8]);
    fs::write(folder.path().join("x.npy"), &whole).unwrap();
    assert_eq!(read_npy(folder.path().join("x.npy")).unwrap().dims(), [2]);
    for end in 0..whole.len() {
        read(&whole[..end]);
    }
    assert!(read(&[&whole[..], &[0]].concat()).contains("9 bytes"));
    assert!(
        read(&file(
            &header.replace("(2,)", "(4611686018427387904, 4)"),
            &[0; 8]
        ))
        .contains("shape")
    );
    assert!(read(&file(&header.replace("<f4", "<c8"), &[0; 8])).contains("c8"));
    assert!(read(&file("{'descr': 3}", &[0; 8])).contains("header"));
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/arrays.npz");
    let packed = fs::read(packed).unwrap();
    fs::write(folder.path().join("x.npz"), &packed[..packed.len() / 2]).unwrap();
    reason(read_npz(folder.path().join("x.npz")), "x.npz");
}

fn npy(header: &str) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat()
}

#[test]
fn headers_that_ask_for_much_cost_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let read = |header: &str| {
        fs::write(&path, npy(header)).unwrap();
        reason(read_npy(&path), "x.npy")
    };
    let header =
        |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let start = Instant::now();
    assert!(read(&header(&"1,".repeat(65))).contains("65 dimensions"));
    assert!(read(&header(&"1,".repeat(32_000))).contains("dimensions"));
    assert!(read(&header("1099511627776,")).contains("4398046511104"));
    // A header of version 2 can have any length.
    let long = header(&"1,".repeat(300_000));
    let length = (long.len() as u32).to_le_bytes();
    fs::write(
        &path,
        [b"\x93NUMPY\x02\x00", &length[..], long.as_bytes()].concat(),
    )
    .unwrap();
    assert!(reason(read_npy(&path), "x.npy").contains("its header has 6000"));
    let unknown = read(&format!("{{'descr': [{}]}}", "('x', '<f4'), ".repeat(1000)));
    assert!(unknown.len() < 400, "{unknown}");
    assert!(start.elapsed().as_secs() < 5);

    let ranks = idx(&[1; 255], &[0]);
    fs::write(folder.path().join("x"), ranks).unwrap();
    assert!(reason(read_idx(folder.path().join("x")), "x").contains("255 dimensions"));
    // As many as are accepted, and the long integers of Python 2.
    let most = "1L, ".repeat(64);
    fs::write(&path, [npy(&header(&most)), vec![0; 4]].concat()).unwrap();
    assert_eq!(read_npy(&path).unwrap().dims(), [1; 64]);
    fs::write(&path, [npy(&header("3L,")), vec![0; 12]].concat()).unwrap();
    assert_eq!(read_npy(&path).unwrap().dims(), [3]);
}

#[test]
fn arrays_that_share_names_or_bytes_are_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let array = [
        npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }"),
        vec![7; 2],
    ]
    .concat();
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let archive = |names: &[&str]| {
        let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for name in names {
            archive.start_file(*name, stored).unwrap();
            archive.write_all(&array).unwrap();
        }
        archive.finish().unwrap().into_inner()
    };
    fs::write(&path, archive(&["x", "x.npy"])).unwrap();
    assert!(reason(read_npz(&path), "x.npz").contains("the name x"));
    // Names that the archive itself repeats.
    let mut twice = archive(&["x.npy", "y.npy"]);
    while let Some(at) = twice.windows(5).position(|name| name == b"y.npy") {
        twice[at] = b'x';
    }
    fs::write(&path, twice).unwrap();
    assert!(reason(read_npz(&path), "x.npz").contains("same name"));
    // Entries of one and the same bytes.
    let mut overlapping = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    overlapping.start_file("x.npy", stored).unwrap();
    overlapping.write_all(&array).unwrap();
    overlapping.shallow_copy_file("x.npy", "y.npy").unwrap();
    fs::write(&path, overlapping.finish().unwrap().into_inner()).unwrap();
    assert!(reason(read_npz(&path), "x.npz").contains("overlap"));
    fs::write(&path, archive(&["x.npy", "y.npy"])).unwrap();
    assert_eq!(read_npz(&path).unwrap().len(), 2);
}

#[cfg(unix)]
#[test]
fn folders_with_strange_things_in_them() {
    use std::os::unix::fs::symlink;
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let nested = [
        "cat/a.png",
        "cat/more/b.png",
        "cat/more/yet/c.png",
        "dog/d.png",
    ];
    for (i, name) in (0..).zip(nested) {
        picture(&at(name), 2, 2, i);
    }
    // Hidden things, and links to folders that they lie in.
    picture(&at(".cache/x.png"), 9, 9, 9);
    picture(&at("cat/.thumbnails/x.png"), 9, 9, 9);
    picture(&at("dog/._d.png"), 9, 9, 9);
    for (to, link) in [
        (".", "aaa"),
        ("..", "cat/up"),
        (".", "dog/self"),
        ("..", "zzz"),
    ] {
        symlink(to, at(link)).unwrap();
    }
    symlink("more", at("cat/again")).unwrap();
    let (images, _) = Folder::new(folder.path()).read().unwrap();
    assert_eq!(images.classes, ["cat", "dog"]);
    assert_eq!(images.labels.to_vec1::<u32>().unwrap(), [0, 0, 0, 1]);
    let reds: Vec<u8> = (0..4)
        .map(|i| flat(&images.pixels.get(i).unwrap())[0])
        .collect();
    assert_eq!(reds, [0, 1, 2, 3]);

    // A pipe blocks nobody, and control characters reach no terminal.
    let pipe = std::process::Command::new("mkfifo")
        .arg(at("cat/pipe.png"))
        .status();
    if pipe.is_ok_and(|status| status.success()) {
        assert!(reason(Folder::new(folder.path()).read(), "cat/pipe.png").contains("regular"));
        let skip = Folder::new(folder.path()).damaged(Damaged::Skip);
        assert_eq!(skip.read().unwrap().1.len(), 1);
        fs::remove_file(at("cat/pipe.png")).unwrap();
    }
    fs::write(at("cat/\u{1b}[2J.png"), "").unwrap();
    let error = Folder::new(folder.path()).read().unwrap_err().to_string();
    assert!(error.contains("\\u{1b}[2J.png"), "{error}");
}

/// What is no file at all is refused at once.
#[cfg(unix)]
#[test]
fn pipes_and_devices_are_no_files() {
    let zero = Path::new("/dev/zero");
    assert!(reason(read_npy(zero), "zero").contains("regular"));
    assert!(reason(read_npz(zero), "zero").contains("regular"));
    assert!(reason(read_idx(zero), "zero").contains("regular"));
    assert!(reason(cifar10(zero, Split::Test), "zero").contains("regular"));
}
