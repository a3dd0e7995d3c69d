//! Weights from files of safetensors and of PyTorch, and what is said of files that don't fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use advect_core::testing::device;
use advect_core::{Error, Key, Result};
use advect_nn::{ParameterStore, State, Stateful, Weights};
use candle_core::{DType, Tensor};
use candle_nn::Init;
use tempfile::{TempDir, tempdir};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// What `golden/torch_files.py` wrote, as torch.save would.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/checkpoint.pt")
}

/// The reason of an error that names a file.
fn reason<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::File { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

fn flat(x: &Tensor) -> Vec<f64> {
    let x = x.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    x.to_vec1().unwrap()
}

fn store() -> ParameterStore {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let builder = store.builder().pp("layer");
    builder
        .get_with_hints((2, 3), "weight", Init::Const(9.0))
        .unwrap();
    builder.get_with_hints(2, "bias", Init::Const(9.0)).unwrap();
    store
}

#[test]
fn a_file_of_pytorch_is_read_by_its_dictionaries() {
    let store = store();
    store
        .load(Weights::new(golden()).within("net_model"))
        .unwrap();
    let state = store.state();
    // A transposed part of a matrix, and what begins in the middle of the same storage.
    assert_eq!(flat(&state["layer.weight"]), [1.0, 2.0, 3.0, 1.5, 2.5, 3.5]);
    assert_eq!(flat(&state["layer.bias"]), [3.0, 3.5]);

    let ema = Weights::new(golden())
        .within("ema_model")
        .without_prefix("module.");
    let state = ema.read().unwrap();
    assert_eq!(state["layer.weight"].dtype(), DType::F16);
    assert_eq!(flat(&state["layer.weight"]), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
    assert_eq!(
        (state["batches"].dtype(), flat(&state["batches"])),
        (DType::I64, vec![-7.0])
    );
    let state = ema.clone().cast(DType::F32).read().unwrap();
    assert_eq!(state["layer.weight"].dtype(), DType::F32);
    assert_eq!(state["batches"].dtype(), DType::I64);
    let layer = ema.within("module").within("layer").cast(DType::F64);
    assert_eq!(
        reason(layer.read()).matches("module.").count(),
        1,
        "it is gone already"
    );
    // Names that a dictionary's key begins are taken like a dictionary of that key.
    let layer = Weights::new(golden())
        .within("ema_model")
        .within("module")
        .within("layer");
    assert_eq!(
        layer.read().unwrap().into_keys().collect::<Vec<_>>(),
        ["bias", "weight"]
    );
    // A dictionary in a dictionary; a tensor whose elements are all the same one.
    let inner = Weights::new(golden())
        .within("outer")
        .within("inner")
        .read()
        .unwrap();
    assert_eq!(flat(&inner["bias"]), [0.5, 0.5]);
}

#[test]
fn what_a_file_lacks_is_said_with_what_it_has() {
    let weights = || Weights::new(golden());
    has(
        &reason(weights().read()),
        &[
            "no tensors here",
            "net_model (2 tensors)",
            "ema_model (3 tensors)",
            "outer (0 tensors)",
        ],
    );
    has(
        &reason(weights().within("ema").read()),
        &["\"ema\"", "net_model (2 tensors)"],
    );
    has(
        &reason(weights().within("outer").read()),
        &["inner (1 tensors)"],
    );
    has(
        &reason(weights().within("masks").read()),
        &["tensor \"mask\"", "BoolStorage"],
    );
    let prefix = weights().within("net_model").without_prefix("module.");
    has(
        &reason(prefix.read()),
        &[
            "\"module.\"",
            "not all of its names (2 in all)",
            "layer.bias, layer.weight",
        ],
    );
    assert!(matches!(
        weights().cast(DType::I64).read(),
        Err(Error::DType { .. })
    ));
    // Into a store that it does not fit as it is.
    let ema = weights().within("ema_model");
    has(
        &reason(store().load(ema.clone())),
        &[
            "2 missing: layer.bias, layer.weight",
            "3 not known: module.batches",
            "\"module.\" begins 2 of its 3 names",
        ],
    );
    let single = reason(store().load(ema.within("module")));
    has(
        &single,
        &[
            "not known: batches",
            "of another dtype: layer.bias F16 in place of F32",
        ],
    );
}

fn safetensors(path: &Path, tensors: &[(&str, Tensor)]) {
    let tensors: HashMap<&str, Tensor> = tensors.iter().cloned().collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn files_of_safetensors_are_selected_from_too() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("weights.pt");
    let ones = |dtype| Tensor::ones(2, dtype, device()).unwrap();
    let tensors = [
        ("model.a.b", ones(DType::F64)),
        ("model.a.c", ones(DType::BF16)),
        ("other/d", ones(DType::U8)),
    ];
    safetensors(&path, &tensors);
    assert_eq!(Weights::from(&path).read().unwrap().len(), 3);
    let model = Weights::new(&path)
        .within("model")
        .without_prefix("a.")
        .cast(DType::F32);
    let state = model.read().unwrap();
    assert_eq!(state.keys().collect::<Vec<_>>(), ["b", "c"]);
    assert!(state.values().all(|tensor| tensor.dtype() == DType::F32));
    assert_eq!(
        Weights::new(&path).within("other").read().unwrap()["d"].dtype(),
        DType::U8
    );
    let none = reason(Weights::new(&path).within("mod").read());
    has(&none, &["\"mod\"", "model (2 tensors), other (1 tensors)"]);
    // A number that the dtype does not hold.
    safetensors(
        &path,
        &[("large", Tensor::new(&[1.0, 1e300], device()).unwrap())],
    );
    has(
        &reason(Weights::new(&path).cast(DType::F32).read()),
        &["\"large\"", "F32"],
    );
    assert!(Weights::new(&path).cast(DType::F64).read().is_ok());
}

/// Writes a header and so many bytes of data.
fn raw_safetensors(path: &Path, header: &str, bytes: usize) {
    let length = (header.len() as u64).to_le_bytes();
    fs::write(
        path,
        [&length[..], header.as_bytes(), &vec![0; bytes]].concat(),
    )
    .unwrap();
}

#[test]
fn dtypes_that_are_not_read_are_named_with_their_tensors() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    for (dtype, bytes) in [("BOOL", 2), ("C64", 16)] {
        let header = format!(
            r#"{{"x\u001b":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,{bytes}]}}}}"#
        );
        raw_safetensors(&path, &header, bytes);
        let error = store().load(&path).unwrap_err().to_string();
        has(&error, &["weights.safetensors: tensor x", dtype]);
        assert!(!error.contains('\u{1b}'), "{error}");
    }
    let shape = vec!["1"; 65].join(",");
    let header = format!(r#"{{"x":{{"dtype":"F32","shape":[{shape}],"data_offsets":[0,4]}}}}"#);
    raw_safetensors(&path, &header, 4);
    has(&reason(store().load(&path)), &["tensor x", "65 dimensions"]);
    let header = r#"{"__metadata__":{"advect":"1"},"ema/x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    raw_safetensors(&path, header, 4);
    has(
        &reason(store().load(&path)),
        &["checkpoint", "Trainer::resume", "ema (1 tensors)"],
    );
    assert!(Weights::new(&path).within("ema").read().is_ok());
}

#[test]
fn other_files_are_called_by_their_names() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        reason(store().load(&path))
    };
    has(
        &read(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."),
        &["PyTorch before 1.6"],
    );
    has(&read(b"\x80\x04\x95"), &["a pickle of Python"]);
    has(&read(b"\x89HDF\r\n"), &["HDF5"]);
    has(
        &read(b"{\"weight_map\": {}}"),
        &["weight_map: got no names"],
    );
    has(&read(b"{}"), &["no object \"weight_map\""]);
    has(&read(b"{"), &["not JSON"]);
    has(
        &read(b"version https://git-lfs.github.com/spec/v1\n"),
        &["git lfs pull"],
    );
    has(&read(b"<!DOCTYPE html>"), &["a web page"]);
    has(&read(b""), &["neither of safetensors nor of PyTorch"]);
    has(&read(&[9, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']), &["damaged"]);
    let archive = |entries: &[(&str, &[u8])]| archive(CompressionMethod::Stored, entries);
    has(&read(&archive(&[("x.npy", b"")])), &["read_npz"]);
    has(&read(&archive(&[("x", b"")])), &["no entry data.pkl"]);
    has(
        &read(&archive(&[
            ("m/data.pkl", b"\x80\x02}."),
            ("m/constants.pkl", b""),
        ])),
        &["TorchScript"],
    );
    has(
        &read(&archive(&[
            ("m/data.pkl", b"\x80\x02}."),
            ("m/byteorder", b"big"),
        ])),
        &["highest byte"],
    );
    has(
        &read(&archive(&[(
            "m/data.pkl",
            b"\x80\x02ctorch.nn\nNet\n)\x81}b.",
        )])),
        &["torch.nn.Net", "state_dict()"],
    );
    has(
        &read(&archive(&[("m/data.pkl", b"\x80\x02].")])),
        &["not a dictionary"],
    );
    let packed = [("data.pkl", &[0x80u8, 2, b'}', b'.'][..])];
    has(
        &read(&self::archive(CompressionMethod::Deflated, &packed)),
        &["compressed"],
    );
    assert!(store().load(folder.path()).is_err());
    #[cfg(unix)]
    has(&reason(store().load("/dev/zero")), &["not a regular file"]);
}

fn archive(method: CompressionMethod, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(method);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A file of PyTorch with this pickle, and a storage "0" of so many bytes.
struct Torch(TempDir);

impl Torch {
    fn read(&self, pickle: &[u8], storage: usize) -> Result<State> {
        let path = self.0.path().join("x.pt");
        let storage = vec![0; storage];
        let entries = [("x/data.pkl", pickle), ("x/data/0", &storage)];
        fs::write(&path, archive(CompressionMethod::Stored, &entries)).unwrap();
        Weights::new(&path).read()
    }

    /// One tensor "w" of a storage of 4 floats.
    fn tensor(&self, offset: &[u8], size: &[u8], stride: &[u8]) -> Result<State> {
        let storage =
            b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ";
        let begin = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(";
        let end = b"\x89}tRs.";
        self.read(
            &[begin, &storage[..], offset, size, stride, end].concat(),
            16,
        )
    }
}

#[test]
fn hostile_pickles_are_refused() {
    let torch = Torch(tempdir().unwrap());
    // In order: a whole tensor, one too many, one beyond the end, sizes that overflow, nothing, no size at all.
    assert_eq!(
        flat(&torch.tensor(b"K\0", b"K\x04\x85", b"K\x01\x85").unwrap()["w"]),
        [0.0; 4]
    );
    let huge = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let pair = [&huge[..], huge, b"\x86"].concat();
    for (offset, size, stride) in [
        (&b"K\0"[..], &b"K\x05\x85"[..], &b"K\x01\x85"[..]),
        (b"K\x01", b"K\x04\x85", b"K\x01\x85"),
        (b"K\0", b"K\x02\x85", b"K\x04\x85"),
        (b"K\0", &[huge, &b"\x85"[..]].concat(), b"K\0\x85"),
        (b"K\0", &pair, b"K\x01K\x01\x86"),
        (b"K\0", b"K\x02\x85", &[huge, &b"\x85"[..]].concat()),
        (huge, b"K\x01\x85", b"K\x01\x85"),
        (b"K\0", b"K\x01K\x01\x86", b"K\x01\x85"),
        (b"J\xff\xff\xff\xff", b"K\x01\x85", b"K\x01\x85"),
        (b"K\0", b"N", b"K\x01\x85"),
        // A few bytes that are to be a gigabyte.
        (b"K\0", b"J\0\0\0\x10\x85", b"K\0\x85"),
    ] {
        reason(torch.tensor(offset, size, stride));
    }
    assert_eq!(
        torch
            .tensor(b"K\0", b"K\0K\x03\x86", b"K\x03K\x01\x86")
            .unwrap()["w"]
            .dims(),
        [0, 3]
    );

    // What doubles with each of a thousand lines; what nests a million deep; a list in itself; lengths that lie.
    let doubles = [
        b"\x80\x02N"[..].to_vec(),
        b"q\0h\0\x86".repeat(1000),
        b".".to_vec(),
    ]
    .concat();
    reason(torch.read(&doubles, 0));
    let nested = [
        b"\x80\x02N"[..].to_vec(),
        vec![0x85; 1_000_000],
        b".".to_vec(),
    ]
    .concat();
    reason(torch.read(&nested, 0));
    let itself =
        b"\x80\x02]q\0ctorch._utils\n_rebuild_parameter\nh\0Rq\x01h\0h\x01a0}X\x01\0\0\0wh\x01s.";
    reason(torch.read(itself, 0));
    for pickle in [
        &b"\x80\x02X\xff\xff\xff\xff"[..],
        b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x80\x02\x8a\xff",
        b"\x80\x02\x8b\xff\xff\xff\x7f",
        b"\x80\x02(((((((t",
        b"\x80\x02(0t.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02h\x07.",
        b"\x80\x02R",
        b"",
        b".",
    ] {
        reason(torch.read(pickle, 0));
    }
}

/// A few kilobytes that name the same things again and again cost no more than their length.
#[test]
fn pickles_that_repeat_are_refused_or_read_at_once() {
    let torch = Torch(tempdir().unwrap());
    let contents = || Weights::new(torch.0.path().join("x.pt")).contents();
    let key = |i: u8| [b'K', i];
    // Eight dictionaries, each of which has the one before under 100 keys.
    let mut pickle = b"\x80\x02}q\0".to_vec();
    for level in 1..8 {
        pickle.extend(b"}(");
        for i in 0..100 {
            pickle.extend([&key(i)[..], b"h", &[level - 1]].concat());
        }
        pickle.extend([b'u', b'q', level]);
    }
    pickle.push(b'.');
    has(
        &reason(torch.read(&pickle, 0)),
        &["no tensors here", "(0 tensors)"],
    );
    has(&reason(contents()), &["what its pickle repeats"]);

    // A tensor of 100,000 dimensions under many names.
    let tensor = [
        &b"ctorch._utils\n_rebuild_tensor_v2\n("[..],
        b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQK\0",
        &[
            b"(".to_vec(),
            b"K\x01".repeat(100_000),
            b"tq\x01h\x01".to_vec(),
        ]
        .concat(),
        b"\x89}tRq\x02",
    ]
    .concat();
    let names: Vec<u8> = (0..10_000u16)
        .flat_map(|i| [&b"M"[..], &i.to_le_bytes(), b"h\x02"].concat())
        .collect();
    let pickle = [b"\x80\x02", &tensor[..], b"0}(", &names, b"u."].concat();
    has(
        &reason(torch.read(&pickle, 16)),
        &["it has 100000 dimensions; expected at most 64"],
    );
    contents().unwrap();

    // Many names of one dictionary with many entries.
    let entries = |of: &[u8], count: u16| -> Vec<u8> {
        let one = |i: u16| [&b"M"[..], &i.to_le_bytes(), of].concat();
        (0..count).flat_map(one).collect()
    };
    let inner = [b"}(", &entries(b"N", 60_000)[..], b"uq\0"].concat();
    let pickle = [
        b"\x80\x02",
        &inner[..],
        b"0}(",
        &entries(b"h\0", 60_000),
        b"u.",
    ]
    .concat();
    has(
        &reason(torch.read(&pickle, 0)),
        &["0 (0 tensors), ", "(60000 in all)"],
    );
    // A long name, again and again.
    let long = [b"X\x40\x42\x0f\0", &b"a".repeat(1_000_000)[..], b"q\0"].concat();
    let again = b"Nh\0".repeat(100_000);
    let pickle = [b"\x80\x02}(", &long[..], &again, b"Nu."].concat();
    has(&reason(torch.read(&pickle, 0)), &["no tensors here"]);
    assert_eq!(contents().unwrap().others.len(), 1);
}

/// Sizes whose product overflows, though another of them is 0.
#[test]
fn sizes_beside_a_zero_are_checked() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let header = br#"{"x":{"dtype":"F32","shape":[0,9223372036854775808,4],"data_offsets":[0,0]}}"#;
    let length = (header.len() as u64).to_le_bytes();
    fs::write(&path, [&length[..], header].concat()).unwrap();
    has(
        &reason(Weights::new(&path).read()),
        &["tensor x: got [0, 9223372036854775808, 4]"],
    );
}

/// Files with a byte changed, or cut short, are read or refused: nothing panics.
#[test]
fn damaged_files_do_no_harm() {
    let whole = fs::read(golden()).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.pt");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        for part in ["net_model", "ema_model", "outer", "optim"] {
            let _ = Weights::new(&path).within(part).read();
        }
    };
    for end in (0..whole.len()).step_by(7) {
        read(&whole[..end]);
    }
    let mut pickle = Vec::new();
    let mut archive = ZipArchive::new(Cursor::new(&whole)).unwrap();
    archive
        .by_name("checkpoint/data.pkl")
        .unwrap()
        .read_to_end(&mut pickle)
        .unwrap();
    let torch = Torch(tempdir().unwrap());
    for at in 0..pickle.len() {
        for byte in [b'.', b'a', 0xff] {
            let mut changed = pickle.clone();
            changed[at] = byte;
            let _ = torch.read(&changed, 32);
        }
    }
}

/// Short, by kind, with the likely cause.
#[test]
fn messages_of_misfits_are_short_and_guess_the_cause() {
    let build = |prefix: &str, width: usize, layers: usize, dtype| {
        let store = ParameterStore::new(Key::from_seed(0), dtype, device());
        for i in 0..layers {
            let builder = store.builder().pp(format!("{prefix}layers.{i}"));
            builder.get((width, 3), "weight").unwrap();
        }
        store
    };
    let network = build("", 4, 120, DType::F32);
    let message = |store: &ParameterStore| {
        let message = network.restore(&store.state()).unwrap_err().to_string();
        assert!(message.len() < 1500, "{message}");
        message
    };
    has(
        &message(&build("module.", 4, 120, DType::F32)),
        &[
            "240 tensors that don't fit (120 missing: layers.0.weight, ",
            "(120 in all); 120 not known: module.layers.0.weight, ",
            "its names (120 in all) begin with \"module.\", which Weights::without_prefix removes",
        ],
    );
    has(
        &message(&build("", 5, 120, DType::F32)),
        &[
            "120 of another shape: layers.0.weight [5, 3] in place of [4, 3], ",
            "another width",
        ],
    );
    has(
        &message(&build("", 4, 120, DType::F64)),
        &["F64 in place of F32", "Weights::cast"],
    );
    has(
        &message(&build("", 4, 7, DType::F32)),
        &["113 missing", "another depth"],
    );
    has(
        &message(&build("other.", 4, 0, DType::F32)),
        &["it has no tensors"],
    );
    let prefixed = build("net.", 4, 3, DType::F32);
    let error = prefixed
        .restore(&build("", 4, 3, DType::F32).state())
        .unwrap_err()
        .to_string();
    has(
        &error,
        &["names lack \"net.\", with which they would fit (3 in all)"],
    );
    let long = build(&"x".repeat(10_000), 4, 2, DType::F32);
    has(&message(&long), &["no name fits"]);
    let empty = build("", 4, 0, DType::F32);
    let error = empty.restore(&network.state()).unwrap_err().to_string();
    has(&error, &["build the network first"]);
}

/// Two files with an index, as `save_pretrained` writes them, alone and in a folder.
#[test]
fn weights_in_several_files_are_read_by_their_index() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let tensor = |values: &[f32]| Tensor::new(values, device()).unwrap();
    let save = |name: &str, tensors: &[(&str, Tensor)]| {
        let tensors: HashMap<&str, Tensor> = tensors.iter().cloned().collect();
        candle_core::safetensors::save(&tensors, path(name)).unwrap();
    };
    let whole = tensor(&[1.0, 2.0]);
    let halves = tensor(&[3.0, 4.5]).to_dtype(DType::BF16).unwrap();
    save(
        "a.safetensors",
        &[("net.x", whole), ("other", tensor(&[9.0]))],
    );
    save("b.safetensors", &[("net.y", halves)]);
    let index = path("model.safetensors.index.json");
    let write = |map: &str| {
        let text = format!("{{\"metadata\": {{\"total_size\": 12}}, \"weight_map\": {map}}}");
        fs::write(&index, text).unwrap();
    };
    write(r#"{"net.x": "a.safetensors", "net.y": "b.safetensors"}"#);
    for path in [index.as_path(), folder.path()] {
        let state = Weights::new(path)
            .within("net")
            .cast(DType::F32)
            .read()
            .unwrap();
        assert_eq!(state.keys().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(
            (flat(&state["x"]), flat(&state["y"])),
            (vec![1.0, 2.0], vec![3.0, 4.5])
        );
        let contents = Weights::new(path).contents().unwrap();
        let listed: Vec<_> = contents
            .tensors
            .iter()
            .map(|t| (&*t.name, &*t.dtype, t.shard.as_deref()))
            .collect();
        assert_eq!(
            listed,
            [
                ("net.x", "f32", Some("a.safetensors")),
                ("net.y", "bf16", Some("b.safetensors"))
            ]
        );
    }
    for (map, expected) in [
        (
            r#"{"z": "a.safetensors"}"#,
            "a.safetensors lacks tensors that the index lists: z",
        ),
        (r#"{"z": "c.safetensors"}"#, "c.safetensors: "),
        (
            r#"{"z": "../a.safetensors"}"#,
            "expected the name of a file beside the index",
        ),
        (
            r#"{"z": "/dev/zero"}"#,
            "expected the name of a file beside the index",
        ),
        (
            r#"{"z": "model.safetensors.index.json"}"#,
            "it is an index, too",
        ),
        (
            r#"{"z": 3}"#,
            "expected the name of a file beside the index",
        ),
    ] {
        write(map);
        has(&reason(Weights::new(&index).read()), &[expected]);
        has(&reason(Weights::new(&index).contents()), &[expected]);
    }
    fs::remove_file(&index).unwrap();
    has(
        &reason(Weights::new(folder.path()).read()),
        &["several files of weights, of which one has to be named: a.safetensors, b.safetensors"],
    );
}

#[test]
fn contents_are_listed_without_reading_numbers() {
    let contents = Weights::new(golden()).contents().unwrap();
    let weight = contents
        .tensors
        .iter()
        .find(|t| t.dictionaries == ["net_model"] && t.name == "layer.weight");
    assert_eq!(
        (&*weight.unwrap().shape, &*weight.unwrap().dtype),
        (&[2, 3][..], "f32")
    );
    let nested = ["outer", "inner"].map(str::to_string);
    let nested = (contents.tensors.iter()).find(|t| t.dictionaries == nested && t.name == "bias");
    assert_eq!(nested.unwrap().shape, [2]);
    let other = |name: &str| (contents.others.iter()).any(|(other, _)| other == name);
    assert!(other("step") && other("optim/state/0/list"));
    assert!(
        contents
            .tensors
            .iter()
            .any(|t| t.name == "mask" && t.dtype == "bool")
    );

    let folder = tempdir().unwrap();
    let path = folder.path().join("x");
    store().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let contents = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Weights::new(&path).contents()
    };
    let listed = contents(&whole).unwrap();
    assert_eq!(listed.tensors.len(), 2);
    assert_eq!(listed.metadata["format"], "pt");
    has(
        &reason(contents(&whole[..whole.len() - 1])),
        &["damaged", "cut short"],
    );
    for end in 0..whole.len() {
        assert!(contents(&whole[..end]).is_err());
    }
    let torch = fs::read(golden()).unwrap();
    has(
        &reason(contents(&torch[..torch.len() / 2])),
        &["damaged, or cut short"],
    );
    for end in (0..torch.len()).step_by(11) {
        assert!(contents(&torch[..end]).is_err());
    }
}

/// `{"net": Net(), "step": 7}`, where the class is someone's own.
#[test]
fn objects_of_other_classes_are_named() {
    let torch = Torch(tempdir().unwrap());
    let pickle = b"\x80\x02}(X\x03\0\0\0netcmine.models\nNet\n)\x81X\x04\0\0\0stepK\x07u.";
    let text = reason(torch.read(pickle, 0));
    has(
        &text,
        &["net: an object of mine.models.Net", "save its state_dict()"],
    );
    let contents = Weights::new(torch.0.path().join("x.pt"))
        .contents()
        .unwrap();
    let expected = [("net", "an object of mine.models.Net"), ("step", "7")];
    assert_eq!(
        contents.others,
        expected.map(|(a, b)| (a.to_string(), b.to_string()))
    );
}

#[test]
fn parts_of_names_are_replaced() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    store().save(&path).unwrap();
    let names = |weights: Weights| weights.read().unwrap().into_keys().collect::<Vec<_>>();
    let weights = Weights::new(&path)
        .renaming("layer.", "out.")
        .renaming("bias", "shift");
    assert_eq!(names(weights), ["out.shift", "out.weight"]);
    let same = Weights::new(&path).renaming("weight", "bias");
    has(
        &reason(same.read()),
        &["two of its tensors get the name \"layer.bias\""],
    );
    // A name that is nearly right is told.
    let near = store().load(Weights::new(&path).renaming("weight", "wieght"));
    has(&reason(near), &["perhaps layer.wieght is layer.weight"]);
}
