//! Characters of Shakespeare's sonnets by two models that draw one after the other: a gated recurrent unit and a causal transformer. The table has bits per character on sonnets that were not
//! seen, beside the frequencies of single characters and of pairs.
//!
//! `cargo run --release --example text`

use std::path::PathBuf;
use std::time::Instant;

use advect::core::file;
use advect::prelude::*;
use clap::Parser;

/// Learn to write sonnets, character by character.
#[derive(Parser)]
struct Args {
    /// Steps of each fit.
    #[arg(long, default_value_t = 500)]
    steps: usize,
    /// Passages of a step.
    #[arg(long, default_value_t = 24)]
    batch: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Characters of a sample.
    #[arg(long, default_value_t = 160)]
    length: usize,
    /// Folder for the samples.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// The text: nineteen sonnets of 1609, in the public domain.
const TEXT: &str = include_str!("sonnets.txt");
/// The part of the text that is not trained on, at its end.
const HELD_OUT: f64 = 0.15;
/// Characters of a passage, beyond which the transformer knows no places.
const PASSAGE: usize = 160;
/// What samples begin with.
const PROMPT: &str = "When I ";

/// Characters as numbers.
struct Alphabet(Vec<char>);

impl Alphabet {
    fn of(text: &str) -> Self {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        Alphabet(characters)
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        let place = |c: char| self.0.binary_search(&c).unwrap_or(0) as u32;
        text.chars().map(place).collect()
    }

    fn decode(&self, tokens: &[u32]) -> String {
        tokens.iter().map(|&k| self.0[k as usize]).collect()
    }
}

/// Passages of a text that begin at these places, `(passages, PASSAGE)`.
fn passages(text: &[u32], starts: impl IntoIterator<Item = usize>) -> Result<Tensor> {
    let rows: Vec<u32> = starts
        .into_iter()
        .flat_map(|start| text[start..start + PASSAGE].to_vec())
        .collect();
    let count = rows.len() / PASSAGE;
    Ok(Tensor::from_vec(rows, (count, PASSAGE), &Device::Cpu)?)
}

/// Bits per character of passages.
fn bits<M: Autoregressive>(model: &M, text: &Tensor) -> Result<f64> {
    let nats = model.cross_entropy(text)?.to_dtype(DType::F64)?;
    Ok(nats.to_scalar::<f64>()? / std::f64::consts::LN_2)
}

/// Bits per character of a text by how often each character follows the `memory` characters before it, mixed with those of shorter memories (Witten and Bell 1991).
fn bits_of_frequencies(seen: &[u32], text: &[u32], memory: usize, vocabulary: usize) -> f64 {
    let probability = |past: &[u32], next: u32| {
        let mut p = 1.0 / vocabulary as f64;
        for n in 0..=past.len() {
            let end = &past[past.len() - n..];
            let mut counts = vec![0.0f64; vocabulary];
            for window in seen.windows(n + 1).filter(|w| w[..n] == *end) {
                counts[window[n] as usize] += 1.0;
            }
            let total: f64 = counts.iter().sum();
            let kinds = counts.iter().filter(|c| **c > 0.0).count() as f64;
            if total > 0.0 {
                p = (counts[next as usize] + kinds * p) / (total + kinds);
            }
        }
        p
    };
    let windows = text.windows(memory + 1);
    let count = windows.len() as f64;
    let sum = windows.map(|w| probability(&w[..memory], w[memory]).log2());
    -sum.sum::<f64>() / count
}

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("steps", args.steps)?;
    check::at_least_one("batch", args.batch)?;
    if !(PROMPT.len() + 1..=PASSAGE).contains(&args.length) {
        let accepted = format!("{} to {PASSAGE}", PROMPT.len() + 1);
        return Err(Error::range("length", args.length, accepted));
    }
    std::fs::create_dir_all(&args.out).map_err(|e| Error::file(&args.out, e))?;
    let alphabet = Alphabet::of(TEXT);
    let text = alphabet.encode(TEXT);
    let (seen, held_out) = text.split_at((text.len() as f64 * (1.0 - HELD_OUT)) as usize);
    let vocabulary = alphabet.0.len();
    println!(
        "{} characters, {vocabulary} different ones; {} are held out",
        text.len(),
        held_out.len()
    );
    println!(
        "{:<22}{:>12}{:>10}{:>10}",
        "", "parameters", "seen", "held out"
    );
    for (name, memory) in [("single characters", 0), ("pairs", 1), ("triples", 2)] {
        let bits = bits_of_frequencies(seen, held_out, memory, vocabulary);
        println!("{name:<22}{:>12}{:>10}{bits:>10.3}", "", "");
    }

    let mut samples = String::new();
    let key = Key::from_seed(args.seed);
    let recurrent = |builder: &Builder| RecurrentModel::new(vocabulary, 96, 1, builder);
    let gru = fit("recurrent unit", recurrent, (seen, held_out), key, &args)?;
    write("recurrent unit", &gru, &alphabet, key, &args, &mut samples)?;
    let config = CausalTransformer::config(vocabulary, PASSAGE)
        .width(64)
        .heads(4)
        .layers(2);
    let attentive = |builder: &Builder| config.build(builder);
    let transformer = fit(
        "causal transformer",
        attentive,
        (seen, held_out),
        key,
        &args,
    )?;
    write(
        "causal transformer",
        &transformer,
        &alphabet,
        key,
        &args,
        &mut samples,
    )?;
    compare_with_cache(&transformer, seen, &args)?;

    println!("{samples}");
    let path = args.out.join("text.txt");
    file::write_atomically(&path, |f| f.write_all(samples.as_bytes()))
}

/// Fits a model to passages from random places, prints its row of the table, and returns the average of its parameters over the last steps.
fn fit<M: Autoregressive>(
    name: &str,
    model: impl Fn(&Builder) -> Result<M>,
    (seen, held_out): (&[u32], &[u32]),
    key: Key,
    args: &Args,
) -> Result<M> {
    let started = Instant::now();
    let key = key.named(name);
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu);
    let trained = model(&store.builder())?;
    let config = AdamWConfig {
        weight_decay: 0.1,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config)?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(5e-3, args.steps / 20, args.steps)?)
        .ema(0.98)?;
    let most = (seen.len() - PASSAGE) as u32;
    let loss = |_: usize, rng: &mut Generator| {
        let starts = rng.integers(0..most, args.batch, &Device::Cpu)?;
        let starts = starts.to_vec1::<u32>()?.into_iter().map(|s| s as usize);
        trained.cross_entropy(&passages(seen, starts)?)
    };
    trainer.run(args.steps, loss, &mut Progress::new(name))?;
    let model = model(&trainer.averaged().frozen())?;
    let whole = |text: &[u32]| passages(text, (0..=text.len() - PASSAGE).step_by(PASSAGE));
    println!(
        "{name:<22}{:>12}{:>10.3}{:>10.3}",
        store.element_count(),
        bits(&model, &whole(seen)?)?,
        bits(&model, &whole(held_out)?)?
    );
    println!("training {name} {:.1} s", started.elapsed().as_secs_f64());
    Ok(model)
}

/// Draws samples at three temperatures.
fn write<M: Autoregressive>(
    name: &str,
    model: &M,
    alphabet: &Alphabet,
    key: Key,
    args: &Args,
    samples: &mut String,
) -> Result<()> {
    let prompt = Tensor::new(alphabet.encode(PROMPT), &Device::Cpu)?.unsqueeze(0)?;
    for temperature in [0.3, 0.7, 1.0] {
        let mut rng = Generator::from(key.named("samples"));
        let sampling = TokenSampling::new().temperature(temperature)?;
        let tokens = model.complete(&prompt, args.length, &sampling, &mut rng)?;
        let tokens = tokens.get(0)?.to_vec1::<u32>()?;
        *samples += &format!(
            "\n{name} at temperature {temperature}:\n{}\n",
            alphabet.decode(&tokens)
        );
    }
    Ok(())
}

/// Prints the time of a text whose tokens each see kept keys and values, and of one whose past is computed anew for every token; and by how much their logits differ.
fn compare_with_cache(model: &CausalTransformer, text: &[u32], args: &Args) -> Result<()> {
    let tokens = Tensor::new(&text[..args.length], &Device::Cpu)?.unsqueeze(0)?;
    let started = Instant::now();
    let (mut state, first) = model.start(1)?;
    let mut kept = vec![first];
    for i in 0..args.length - 1 {
        let logits;
        (state, logits) = model.step(state, &tokens.narrow(1, i, 1)?.squeeze(1)?)?;
        kept.push(logits);
    }
    let with = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let mut anew = Vec::with_capacity(args.length);
    for n in 1..=args.length {
        let logits = model.logits(&tokens.narrow(1, 0, n)?.contiguous()?)?;
        anew.push(logits.narrow(1, n - 1, 1)?.squeeze(1)?);
    }
    let without = started.elapsed().as_secs_f64();
    let difference = (Tensor::cat(&kept, 0)? - Tensor::cat(&anew, 0)?)?.abs()?;
    let largest = difference.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    println!(
        "logits with kept keys and values differ by less than {:.0e}",
        f64::from(largest).max(1e-6) * 1.001
    );
    println!(
        "cost of {} characters: {:.1} ms with kept keys and values, {:.1} ms without",
        args.length,
        1e3 * with,
        1e3 * without
    );
    Ok(())
}
