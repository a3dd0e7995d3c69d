//! The files that mutations begin with: small ones of each format, written here or kept for the tests of the readers.

use std::collections::HashMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::OnceLock;

use advect_core::{Generator, Key};
use advect_metrics::GaussianMoments;
use advect_nn::{Linear, ParameterStore};
use advect_train::observer::MetricLog;
use advect_train::{AdamW, AdamWConfig, Trainer};
use candle_core::{DType, Device, Tensor};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const CPU: Device = Device::Cpu;

/// A file of the repository.
fn kept(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// What `write` leaves in a file.
fn written(write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed");
    write(&path);
    fs::read(path).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn store() -> ParameterStore {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, &CPU);
    Linear::new(3, 2, &store.builder().pp("layer")).unwrap();
    store
}

pub fn safetensors() -> Vec<Vec<u8>> {
    let tensors = written(|path| {
        let tensors = [
            ("a", Tensor::zeros((2, 3), DType::F64, &CPU).unwrap()),
            ("b.c", Tensor::ones(4, DType::F16, &CPU).unwrap()),
            ("d", Tensor::ones((1, 1, 2), DType::BF16, &CPU).unwrap()),
            ("e", Tensor::new(&[1u8, 2], &CPU).unwrap()),
            ("f", Tensor::new(&[1i64], &CPU).unwrap()),
        ];
        candle_core::safetensors::save(&tensors.into_iter().collect(), path).unwrap();
    });
    let parameters = written(|path| store().save(path).unwrap());
    vec![parameters, tensors, checkpoints().remove(0)]
}

pub fn checkpoints() -> Vec<Vec<u8>> {
    vec![written(|path| {
        let store = store();
        let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
        let trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
        let trainer = trainer.ema(0.9).unwrap().setting("batch", 64);
        trainer.setting("a=b\n", "%25").save(path).unwrap();
    })]
}

pub fn torch() -> Vec<Vec<u8>> {
    let pickle = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02G?\xf0\x00\x00\x00\x00\x00\x00u.";
    let small = archive(
        &[("archive/data.pkl", pickle), ("archive/version", b"3\n")],
        false,
    );
    vec![kept("crates/advect-nn/tests/golden/checkpoint.pt"), small]
}

/// The entries of the archive that is kept for tests.
fn entries() -> &'static [(String, Vec<u8>)] {
    static ENTRIES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    ENTRIES.get_or_init(|| {
        let file = Cursor::new(kept("crates/advect-nn/tests/golden/checkpoint.pt"));
        let mut archive = zip::ZipArchive::new(file).unwrap();
        let entry = |i| {
            let mut file = archive.by_index(i).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        };
        (0..8).map(entry).collect()
    })
}

pub fn pickles() -> Vec<Vec<u8>> {
    let small = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02G?\xf0\x00\x00\x00\x00\x00\x00u.";
    vec![entries()[0].1.clone(), small.to_vec()]
}

/// An archive with this pickle, and the storages of the one that is kept.
pub fn around_pickle(pickle: &[u8]) -> Vec<u8> {
    let pieces = entries().iter().enumerate().map(|(i, (name, bytes))| {
        let bytes = if i == 0 { pickle } else { bytes };
        (name.as_str(), bytes)
    });
    archive(&pieces.collect::<Vec<_>>(), false)
}

pub fn headers() -> Vec<Vec<u8>> {
    let file = checkpoints().remove(0);
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&file).unwrap();
    let header = metadata.metadata().as_ref().unwrap()["advect"].clone();
    let empty = header.lines().next().unwrap().to_string();
    vec![header.into_bytes(), empty.into_bytes()]
}

/// A file without tensors, with this header of a checkpoint.
pub fn around_header(header: &[u8]) -> Vec<u8> {
    let header = String::from_utf8_lossy(header).into_owned();
    let metadata = HashMap::from([("advect".to_string(), header)]);
    let none: [(&str, Tensor); 0] = [];
    safetensors::serialize(none, Some(metadata)).unwrap()
}

/// A zip archive of these entries.
fn archive(entries: &[(&str, &[u8])], packed: bool) -> Vec<u8> {
    let method = match packed {
        true => zip::CompressionMethod::Deflated,
        false => zip::CompressionMethod::Stored,
    };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub fn npy() -> Vec<Vec<u8>> {
    let array = |x: Tensor| written(|path| advect_data::write_npy(path, &x).unwrap());
    vec![
        array(
            Tensor::arange(0f32, 6.0, &CPU)
                .unwrap()
                .reshape((2, 3))
                .unwrap(),
        ),
        array(Tensor::new(&[1i64, 2, 3], &CPU).unwrap()),
        array(Tensor::new(2.5f64, &CPU).unwrap()),
        array(Tensor::zeros((1, 2, 1, 2), DType::F16, &CPU).unwrap()),
        kept("crates/advect-data/tests/golden/fortran.npy"),
    ]
}

pub fn npz() -> Vec<Vec<u8>> {
    let arrays = npy();
    let entries = [("x.npy", &arrays[0][..]), ("y.npy", &arrays[1][..])];
    vec![
        archive(&entries, false),
        archive(&entries, true),
        kept("crates/advect-data/tests/golden/arrays.npz"),
    ]
}

pub fn idx() -> Vec<Vec<u8>> {
    let images = [
        &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2][..],
        &[7; 12],
    ]
    .concat();
    let labels = vec![0, 0, 8, 1, 0, 0, 0, 4, 1, 2, 3, 4];
    vec![gzip(&images), gzip(&labels), images, labels]
}

pub fn cifar() -> Vec<Vec<u8>> {
    let image: Vec<u8> = (0..3073).map(|i| (i % 10) as u8).collect();
    let two = [image.clone(), image.clone()].concat();
    vec![gzip(&two), gzip(&[]), two, image]
}

pub fn csv() -> Vec<Vec<u8>> {
    vec![
        b"name,kind,mass,size\nA,round,1,2\nB,flat,NA,3\nC,flat,5,6\n".to_vec(),
        b"a,b\n1,2\n3,4\n".to_vec(),
        b"\"a, b\";c\r\n 1e3;-0.5\r\n\"7\";nan\r\n".to_vec(),
        b"\xef\xbb\xbf0,1,2\n3,4,5\n".to_vec(),
    ]
}

pub fn pictures() -> Vec<Vec<u8>> {
    let encoded = |picture: DynamicImage, format| {
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, format).unwrap();
        file.into_inner()
    };
    let rgb = RgbImage::from_fn(9, 7, |x, y| Rgb([x as u8 * 20, y as u8 * 30, 9]));
    let rgba = RgbaImage::from_fn(4, 5, |x, y| Rgba([x as u8 * 20, y as u8 * 30, 9, 100]));
    let grey = DynamicImage::from(rgb.clone()).to_luma8();
    let wide = DynamicImage::from(rgb.clone()).to_rgb16();
    vec![
        encoded(rgb.clone().into(), ImageFormat::Png),
        encoded(rgba.into(), ImageFormat::Png),
        encoded(grey.clone().into(), ImageFormat::Png),
        encoded(wide.into(), ImageFormat::Png),
        encoded(rgb.into(), ImageFormat::Jpeg),
        encoded(grey.into(), ImageFormat::Jpeg),
    ]
}

pub fn configs() -> Vec<Vec<u8>> {
    let golden = "crates/advect-diffusers/tests/golden/pipeline";
    vec![
        kept(&format!("{golden}/scheduler/scheduler_config.json")),
        kept(&format!("{golden}/unet/config.json")),
        kept(&format!("{golden}/model_index.json")),
        br#"{"_class_name": "EulerDiscreteScheduler", "prediction_type": "sample", "use_karras_sigmas": true, "num_train_timesteps": 1000}"#
            .to_vec(),
        br#"{"_class_name": "AutoencoderKL", "block_out_channels": [8, 16], "layers_per_block": 1, "latent_channels": 2, "norm_num_groups": 4}"#
            .to_vec(),
    ]
}

/// Configurations of the example `train`.
pub fn run_configs() -> Vec<Vec<u8>> {
    let all = "seed = 3\ndevice = \"cpu\"\n\
        [data]\nimages = \"here\"\ncolumns = [\"a\", \"b\"]\nseparator = \";\"\nmissing = \"mean\"\nsize = 16\nheld_out = 1e-1\n\
        [network]\nwidth = 64\nlayers = 2\nchannels = 16\n\
        [training]\nrate = 0.002\nema = 0.99\nclip = 1.0\ncoupling = \"independent\"\ndropout = 0.1\nnon_finite = \"lower\"\n\
        every = 20\npatience = 100\nkeep = 2\n[samples]\ncount = 5\nguidance = 1.5\n[logs]\nformats = [\"csv\", \"jsonl\", \"tensorboard\"]\nspeeds = true\n";
    vec![kept("examples/train/penguins.toml"), all.into()]
}

pub fn moments() -> Vec<Vec<u8>> {
    let mean = Tensor::new(&[1.0, -2.0], &CPU).unwrap();
    let covariance = Tensor::new(&[[2.0, 0.5], [0.5, 1.0]], &CPU).unwrap();
    let moments = GaussianMoments::new(&mean, &covariance).unwrap();
    vec![written(|path| moments.write(path).unwrap())]
}

/// The event file of a run of three steps.
pub fn events() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let store = store();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
    let net = Linear::new(3, 2, &store.builder().pp("layer")).unwrap();
    let x = Tensor::ones((1, 3), DType::F32, &CPU).unwrap();
    let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
    let mut log = MetricLog::tensorboard(folder.path()).unwrap();
    trainer.run(3, loss, &mut log).unwrap();
    let mut entries = fs::read_dir(folder.path()).unwrap();
    vec![fs::read(entries.next().unwrap().unwrap().path()).unwrap()]
}

pub fn indices() -> Vec<Vec<u8>> {
    vec![
        br#"{"metadata": {"total_size": 32}, "weight_map": {"layer.weight": "part.safetensors", "layer.bias": "part.safetensors"}}"#.to_vec(),
        br#"{"weight_map": {"a": "../part.safetensors"}}"#.to_vec(),
    ]
}
