//! The readers, each with the files that mutations begin with and the memory that it may take.

use std::fs;
use std::path::Path;

use advect_core::{Error, Result};
use advect_data::images::{Damaged, Folder, Split, cifar10, read_idx};
use advect_data::{Column, Csv, Missing, Standardization, Table, read_csv, read_npy, read_npz};
use advect_diffusers::{
    AutoencoderKlConfig, Config, DitTransformer2dConfig, Scheduler, UNet1dConfig, UNet2dConfig,
};
use advect_examples::configuration;
use advect_metrics::GaussianMoments;
use advect_nn::Weights;
use advect_train::Checkpoint;
use advect_train::observer::MetricLog;
use candle_core::{DType, Device};

use crate::seeds;

/// A reader of files.
pub struct Target {
    pub name: &'static str,
    /// The name of the file, which may decide on how it is read.
    pub file: &'static str,
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// What is written to the file: the mutated bytes themselves, or a whole file around them whose checksums are right.
    pub wrap: fn(&[u8]) -> Vec<u8>,
    /// Reads a file, in each way there is.
    pub read: fn(&Path) -> Result<()>,
    /// The most memory in bytes, besides 256 times the size of the file.
    pub memory: usize,
}

const SMALL: usize = 1 << 21;
/// A picture may have so many pixels.
const PIXELS: u64 = 1 << 16;

pub const TARGETS: &[Target] = &[
    Target {
        name: "checkpoint",
        file: "x.safetensors",
        seeds: seeds::checkpoints,
        wrap: <[u8]>::to_vec,
        read: checkpoint,
        memory: SMALL,
    },
    Target {
        name: "safetensors",
        file: "x.safetensors",
        seeds: seeds::safetensors,
        wrap: <[u8]>::to_vec,
        read: weights,
        memory: SMALL,
    },
    Target {
        name: "torch",
        file: "x.pt",
        seeds: seeds::torch,
        wrap: <[u8]>::to_vec,
        read: weights,
        memory: SMALL,
    },
    // Archives have checksums, by which nearly all mutated ones are refused before their pickle is read.
    Target {
        name: "pickle",
        file: "x.pt",
        seeds: seeds::pickles,
        wrap: seeds::around_pickle,
        read: weights,
        memory: SMALL,
    },
    Target {
        name: "header",
        file: "x.safetensors",
        seeds: seeds::headers,
        wrap: seeds::around_header,
        read: checkpoint,
        memory: SMALL,
    },
    Target {
        name: "index",
        file: "x.safetensors.index.json",
        seeds: seeds::indices,
        wrap: <[u8]>::to_vec,
        read: weights,
        memory: SMALL,
    },
    Target {
        name: "idx",
        file: "x",
        seeds: seeds::idx,
        wrap: <[u8]>::to_vec,
        read: |path| read_idx(path).map(drop),
        memory: SMALL,
    },
    // Of the 60,000 images that a small packed file may hold.
    Target {
        name: "cifar",
        file: "x",
        seeds: seeds::cifar,
        wrap: <[u8]>::to_vec,
        read: |path| cifar10(path, Split::Train).map(drop),
        memory: 3 * 60_000 * 3073,
    },
    Target {
        name: "npy",
        file: "x.npy",
        seeds: seeds::npy,
        wrap: <[u8]>::to_vec,
        read: npy,
        memory: SMALL,
    },
    Target {
        name: "npz",
        file: "x.npz",
        seeds: seeds::npz,
        wrap: <[u8]>::to_vec,
        read: |path| read_npz(path).map(drop),
        memory: SMALL,
    },
    Target {
        name: "csv",
        file: "x.csv",
        seeds: seeds::csv,
        wrap: <[u8]>::to_vec,
        read: csv,
        memory: SMALL,
    },
    // What the documentation of `Folder::most_pixels` says, and what the decoders work with.
    Target {
        name: "picture",
        file: "x.png",
        seeds: seeds::pictures,
        wrap: <[u8]>::to_vec,
        read: picture,
        memory: 32 * PIXELS as usize + (1 << 24),
    },
    Target {
        name: "config",
        file: "config.json",
        seeds: seeds::configs,
        wrap: <[u8]>::to_vec,
        read: config,
        // Ten million steps at most, each with a few numbers.
        memory: 128 * 10_000_000,
    },
    Target {
        name: "run-config",
        file: "x.toml",
        seeds: seeds::run_configs,
        wrap: <[u8]>::to_vec,
        read: run_config,
        memory: SMALL,
    },
    Target {
        name: "standardization",
        file: "x",
        seeds: || vec![b"[2] 2.0/1.0 30.0/20.0".to_vec(), b"[] 1e0/1".to_vec()],
        wrap: <[u8]>::to_vec,
        read: map,
        memory: SMALL,
    },
    Target {
        name: "moments",
        file: "x.npz",
        seeds: seeds::moments,
        wrap: <[u8]>::to_vec,
        read: |path| GaussianMoments::read(path).map(drop),
        memory: SMALL,
    },
    // A log goes on from the rows that a file has.
    Target {
        name: "log-csv",
        file: "x.csv",
        seeds: || vec![b"step,loss,rate\n1,0.5,1e-3\n2,0.25,1e-3\n".to_vec()],
        wrap: <[u8]>::to_vec,
        read: |path| MetricLog::csv(path).map(drop),
        memory: SMALL,
    },
    Target {
        name: "log-json",
        file: "x.jsonl",
        seeds: || vec![b"{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":null}\n".to_vec()],
        wrap: <[u8]>::to_vec,
        read: |path| MetricLog::json_lines(path).map(drop),
        memory: SMALL,
    },
    Target {
        name: "log-events",
        file: "events.out.tfevents.0.advect",
        seeds: seeds::events,
        wrap: <[u8]>::to_vec,
        read: |path| MetricLog::tensorboard(path.with_file_name("")).map(drop),
        memory: SMALL,
    },
];

fn checkpoint(path: &Path) -> Result<()> {
    Checkpoint::load(path, &Device::Cpu).map(drop)
}

fn weights(path: &Path) -> Result<()> {
    let _ = Weights::new(path).contents();
    let _ = Weights::new(path).read();
    let weights = Weights::new(path).within("net_model").cast(DType::F32);
    weights.read().map(drop)
}

fn npy(path: &Path) -> Result<()> {
    let _ = Table::read_npy(path).and_then(|table| table.labelled_by(0));
    read_npy(path).map(drop)
}

fn csv(path: &Path) -> Result<()> {
    let _ = read_csv(path);
    let _ = Csv::new(path)
        .without(["name"])
        .label("kind")
        .missing(Missing::DropRow)
        .read();
    let _ = Csv::new(path)
        .headerless()
        .separator(b';')
        .missing(Missing::FillMean)
        .read();
    let table = Csv::new(path)
        .columns([Column::Index(1)])
        .label(0)
        .missing(Missing::FillMean)
        .read()?;
    table.standardization().map(drop)
}

fn picture(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let folder = Folder::new(folder).most_pixels(PIXELS);
    let _ = folder.clone().grey().size(5).damaged(Damaged::Skip).read();
    folder.read().map(drop)
}

fn config(path: &Path) -> Result<()> {
    let config = Config::read(path)?;
    // Networks are not built of them: a configuration may ask for any size.
    let _ = UNet2dConfig::new(config.clone());
    let _ = UNet1dConfig::new(config.clone());
    let _ = AutoencoderKlConfig::new(config.clone());
    let _ = DitTransformer2dConfig::new(config.clone());
    Scheduler::new(config).map(drop)
}

fn run_config(path: &Path) -> Result<()> {
    let set = [
        "training.steps=7".to_string(),
        "data.label=kind".to_string(),
    ];
    let _ = configuration::Config::read(Some(path), &set);
    let config = configuration::Config::read(Some(path), &[])?;
    // What is written is read again.
    let text = config.to_toml()?;
    fs::write(path, &text).map_err(|e| Error::file(path, e))?;
    let again = configuration::Config::read(Some(path), &[])?;
    assert_eq!(again.to_toml()?, text);
    Ok(())
}

fn map(path: &Path) -> Result<()> {
    let bytes = fs::read(path).unwrap_or_default();
    let map: Standardization = String::from_utf8_lossy(&bytes).parse()?;
    // What is written is read again.
    let again: Standardization = map.to_string().parse()?;
    assert_eq!(map.to_string(), again.to_string());
    map.log_determinant().map(drop)
}
