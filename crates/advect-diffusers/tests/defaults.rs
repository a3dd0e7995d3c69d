//! What configurations leave out, against the defaults of diffusers 0.42.1, which `golden/pipelines.py` lists.

use std::fmt::Debug;
use std::fs;

use advect_core::Result;
use advect_diffusers::{
    AutoencoderKlConfig, Config, DitTransformer2dConfig, Scheduler, UNet1dConfig, UNet2dConfig,
};

use crate::unet2d::golden;

/// For each class, the least that a file says, and the same with all defaults.
fn files() -> Vec<[String; 2]> {
    let text = fs::read_to_string(golden("defaults.jsonl")).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_string).collect();
    let pairs = lines.chunks_exact(2);
    pairs
        .map(|pair| [pair[0].clone(), pair[1].clone()])
        .collect()
}

fn parsed(text: &str) -> Config {
    Config::parse("config.json", text).unwrap()
}

/// Compares what two files mean.
fn same<T: Debug + PartialEq>(files: &[String; 2], read: impl Fn(Config) -> Result<T>) {
    let [least, full] = files.each_ref().map(|text| read(parsed(text)).unwrap());
    assert!(least == full, "{least:?}\n{full:?}");
}

#[test]
fn keys_that_are_missing_have_the_defaults_of_diffusers() {
    let files = files();
    assert_eq!(files.len(), 11);
    for files in files {
        match parsed(&files[0]).class().unwrap() {
            "UNet2DModel" => same(&files, UNet2dConfig::new),
            "UNet1DModel" => same(&files, UNet1dConfig::new),
            "AutoencoderKL" => same(&files, AutoencoderKlConfig::new),
            "DiTTransformer2DModel" => {
                same(&files, DitTransformer2dConfig::new);
                // diffusers reads early files by today's class, and so with its defaults.
                let class = "DiTTransformer2DModel\"";
                let early = "Transformer2DModel\",\"norm_type\":\"ada_norm_zero\"";
                let early = [files[0].replace(class, early), files[1].clone()];
                same(&early, DitTransformer2dConfig::new);
            }
            _ => same(&files, Scheduler::new),
        }
    }
}

/// As `from_config` of diffusers, which leaves alone what another class knows.
#[test]
fn schedulers_of_diffusions_take_the_settings_of_each_other() {
    let files = files();
    let diffusion = |text: &&[String; 2]| {
        let name = parsed(&text[0]).class().unwrap().to_string();
        name.ends_with("Scheduler") && !name.starts_with("FlowMatch")
    };
    for [_, full] in files.iter().filter(diffusion) {
        for [least, _] in files.iter().filter(diffusion) {
            let class = parsed(least).class().unwrap().to_string();
            let full = full.replace("\"skip_prk_steps\":false", "\"skip_prk_steps\":true");
            let full = match class.as_str() {
                "PNDMScheduler" if !full.contains("skip_prk_steps") => {
                    full.replacen('{', "{\"skip_prk_steps\":true,", 1)
                }
                _ => full,
            };
            let read = Scheduler::new(parsed(&full).of_class(class.clone()));
            assert!(read.is_ok(), "{class} with {full}: {:?}", read.err());
        }
    }
}

/// Where files of early versions are ambiguous.
#[test]
fn positions_of_large_early_transformers_are_refused() {
    let text = |class: &str, size: usize| {
        format!(
            r#"{{"_class_name": "{class}", "norm_type": "ada_norm_zero", "sample_size": {size}}}"#
        )
    };
    let read = |class, size| DitTransformer2dConfig::new(parsed(&text(class, size)));
    assert!(read("DiTTransformer2DModel", 128).is_ok());
    assert!(read("Transformer2DModel", 64).is_ok());
    let error = read("Transformer2DModel", 128).unwrap_err().to_string();
    assert!(
        error.starts_with("config.json: sample_size: got 128, expected at most 127"),
        "{error}"
    );
    let other = r#"{"_class_name": "Transformer2DModel", "norm_type": "ada_norm_single"}"#;
    let error = DitTransformer2dConfig::new(parsed(other))
        .unwrap_err()
        .to_string();
    let expected = "config.json: norm_type: got \"ada_norm_single\", expected \"ada_norm_zero\"";
    assert!(error.starts_with(expected), "{error}");
    let none = r#"{"_class_name": "Transformer2DModel"}"#;
    let error = DitTransformer2dConfig::new(parsed(none))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("config.json: norm_type: got nothing"),
        "{error}"
    );
}
