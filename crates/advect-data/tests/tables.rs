//! Tables: what is read of them, what is said of bad ones, and the way back to original units.

use std::fs;

use advect_core::testing::assert_close;
use advect_core::{Error, Generator, Key};
use advect_data::images::write_grid;
use advect_data::{
    Batches, Column, Csv, Missing, Standardization, Table, read_csv, read_npy, write_csv, write_npy,
};
use candle_core::{DType, Device, Tensor};
use tempfile::{TempDir, tempdir};

const CPU: Device = Device::Cpu;

/// A reader of this text, and the folder of its file.
fn csv(text: &str) -> (Csv, TempDir) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.csv");
    fs::write(&path, text).unwrap();
    (Csv::new(path), folder)
}

fn rows(table: &Table) -> Vec<Vec<f64>> {
    table.values().to_vec2().unwrap()
}

/// The message of the file's error.
fn message(csv: &Csv) -> String {
    match csv.read() {
        Err(Error::File { path, reason }) if path.ends_with("x.csv") => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn columns_labels_and_separators_are_chosen() {
    let text = "\u{feff}id;\"kind; of\"; a ;b\r\n1;\"x\";0.5;-1e3\r\n2;w;\"7\"; 8\r\n";
    let (csv, _folder) = csv(text);
    let csv = csv.separator(b';');
    let table = csv
        .clone()
        .without(["id"])
        .label("kind; of")
        .read()
        .unwrap();
    assert_eq!(table.columns(), ["a", "b"]);
    assert_eq!(rows(&table), [[0.5, -1e3], [7.0, 8.0]]);
    assert_eq!(table.classes(), ["w", "x"]);
    assert_eq!(table.labels().unwrap().to_vec1::<u32>().unwrap(), [1, 0]);
    // By number, in any order.
    let table = csv
        .clone()
        .columns([Column::from(3), "id".into()])
        .read()
        .unwrap();
    assert_eq!(rows(&table), [[-1e3, 1.0], [8.0, 2.0]]);
    assert!(table.labels().unwrap_err().to_string().contains("label"));
    let missing = message(&csv.clone().columns(["c"]));
    assert!(
        missing.contains("\"c\"") && missing.contains("\"id\""),
        "{missing}"
    );
    assert!(message(&csv.clone().label(4)).contains("column 4"));
    assert!(message(&csv.without([0, 2, 3]).label(1)).contains("no columns"));
}

#[test]
fn files_without_names_have_numbers() {
    let (csv, _folder) = csv("10,1\n9,2\n-3,3\n10,4\n");
    let table = csv.headerless().label(0).read().unwrap();
    assert_eq!(table.columns(), ["1"]);
    // In the order of the integers, not of their digits.
    assert_eq!(table.classes(), ["-3", "9", "10"]);
    assert_eq!(
        table.labels().unwrap().to_vec1::<u32>().unwrap(),
        [2, 1, 0, 2]
    );
}

#[test]
fn missing_values_are_refused_dropped_or_filled() {
    let text = "a,b,k\n1,2,u\n,4,v\n5,NA,u\n6,9,\n9,3,v\n";
    let (csv, _folder) = csv(text);
    let with = |missing| csv.clone().missing(missing);
    let refused = message(&with(Missing::Refuse).columns(["a", "b"]));
    assert!(
        refused.contains("line 3") && refused.contains("\"a\""),
        "{refused}"
    );
    let dropped = with(Missing::DropRow).label("k").read().unwrap();
    assert_eq!(
        (rows(&dropped), dropped.left_out()),
        (vec![vec![1.0, 2.0], vec![9.0, 3.0]], 3)
    );
    // Cells that nobody asks for may be missing.
    let dropped = with(Missing::DropRow).columns(["b"]).read().unwrap();
    assert_eq!((dropped.len(), dropped.left_out()), (4, 1));
    let filled = with(Missing::FillMean).without(["k"]).read().unwrap();
    assert_eq!(rows(&filled)[1], [5.25, 4.0]);
    assert_eq!(rows(&filled)[2], [5.0, 4.5]);
    let label = message(&with(Missing::FillMean).label("k"));
    assert!(
        label.contains("line 5") && label.contains("\"k\""),
        "{label}"
    );
}

#[test]
fn bad_cells_are_named_by_line_and_column() {
    let in_folder = |text: &str| {
        let (csv, _folder) = csv(text);
        message(&csv.label("k"))
    };
    let infinite = in_folder("a,k\n1,u\ninf,v\n");
    assert!(
        infinite.contains("line 3") && infinite.contains("finite"),
        "{infinite}"
    );
    let word = in_folder("a,k\n1,u\n\n2 m,v\n");
    assert!(
        word.contains("line 4") && word.contains("\"2 m\""),
        "{word}"
    );
    let real = in_folder("a,k\n1,1\n2,1.5\n");
    assert!(real.contains("\"1.5\"") && real.contains("\"k\""), "{real}");
    assert!(in_folder("a,k\n").contains("no rows"));
    // Two columns of one name can't be told apart by it.
    let (twice, _folder) = csv("a,a,k\n1,2,3\n");
    assert!(message(&twice.columns(["a"])).contains("two columns"));
}

#[test]
fn parts_are_the_same_for_a_key_and_share_no_row() {
    let values = Tensor::arange(0f64, 20.0, &CPU)
        .unwrap()
        .reshape((10, 2))
        .unwrap();
    let labels: Vec<u32> = (0..10).map(|i| i % 3).collect();
    let labels = Tensor::new(labels, &CPU).unwrap();
    let table = Table::new(&values, &["x", "y"]).unwrap();
    let table = table.with_labels(&labels, "k", &["a", "b", "c"]).unwrap();
    let split = |seed| table.split(0.3, Key::from_seed(seed)).unwrap();
    let (train, validation) = split(1);
    let (again, _) = split(1);
    assert_eq!(rows(&train), rows(&again));
    assert!((2..9).any(|seed| rows(&split(seed).0) != rows(&train)));
    assert_eq!((train.len(), validation.len()), (7, 3));
    let mut all = [rows(&train), rows(&validation)].concat();
    all.sort_by(|a, b| a[0].total_cmp(&b[0]));
    assert_eq!(all, rows(&table));
    // Labels stay with their rows.
    for part in [&train, &validation] {
        let labels = part.labels().unwrap().to_vec1::<u32>().unwrap();
        for (row, label) in rows(part).iter().zip(labels) {
            assert_eq!(row[0] as u32 / 2 % 3, label);
        }
        assert_eq!(part.classes(), ["a", "b", "c"]);
    }
    for fraction in [0.0, 1.0, f64::NAN] {
        assert!(matches!(
            table.split(fraction, Key::from_seed(0)),
            Err(Error::Range { .. })
        ));
    }
    // All rows, the last short batch too.
    let chunks: Vec<Table> = table.chunks(4).unwrap().collect();
    let sizes: Vec<usize> = chunks.iter().map(Table::len).collect();
    assert_eq!(sizes, [4, 4, 2]);
    let cut: Vec<Vec<f64>> = chunks.iter().flat_map(rows).collect();
    assert_eq!(cut, rows(&table));
    assert!(table.chunks(0).is_err());
    let batches = Batches::new(10, 4, Key::from_seed(0)).unwrap().keep_rest();
    for epoch in 0..2 {
        let steps = 3 * epoch..3 * epoch + 3;
        let drawn = steps.map(|step| batches.indices(step).unwrap().to_vec1::<u32>().unwrap());
        let mut drawn: Vec<u32> = drawn.flatten().collect();
        drawn.sort_unstable();
        assert_eq!(drawn, (0..10).collect::<Vec<_>>());
    }
}

/// `ln p(x)` of a normal law in original units, from that of the standardised numbers.
#[test]
fn likelihoods_come_back_to_original_units() {
    let mut rng = Generator::from_seed(0);
    let z = rng.normal((50, 2), DType::F64, &CPU).unwrap();
    let scale = Tensor::new(&[1e-3f64, 4e3], &CPU).unwrap();
    let shift = Tensor::new(&[2000.0, -7e4], &CPU).unwrap();
    let x = z
        .broadcast_mul(&scale)
        .unwrap()
        .broadcast_add(&shift)
        .unwrap();
    let table = Table::new(&x, &["a", "b"]).unwrap();
    let map = table.standardization().unwrap();
    let standardized = table.standardized(&map).unwrap();
    let mean = standardized.values().mean(0).unwrap();
    let square = standardized.values().sqr().unwrap().mean(0).unwrap();
    assert_close(
        &mean,
        &Tensor::zeros(2, DType::F64, &CPU).unwrap(),
        0.0,
        1e-9,
    );
    assert_close(
        &square,
        &Tensor::ones(2, DType::F64, &CPU).unwrap(),
        1e-9,
        0.0,
    );
    assert_close(&map.invert(standardized.values()).unwrap(), &x, 1e-14, 0.0);
    // The law N(mean, deviation²) of each column, written twice: in z, and in x.
    let log_normal = |u: &Tensor| (u.sqr().unwrap().sum(1).unwrap() * -0.5).unwrap();
    let constant = (2.0 * std::f64::consts::PI).ln();
    let in_z = (log_normal(standardized.values()) - constant).unwrap();
    let deviations = map.deviation().unwrap().to_vec1::<f64>().unwrap();
    let expected = (&in_z - deviations[0].ln()).unwrap();
    let expected = (expected - deviations[1].ln()).unwrap();
    assert_close(&map.log_densities(&in_z).unwrap(), &expected, 1e-13, 0.0);
    // Every digit survives the text, in any shape.
    let kept: Standardization = map.to_string().parse().unwrap();
    assert_eq!(kept.to_string(), map.to_string());
    assert_close(&kept.apply(&x).unwrap(), standardized.values(), 0.0, 0.0);
    let planes = Standardization::of(&rng.normal((9, 1, 2, 3), DType::F64, &CPU).unwrap()).unwrap();
    let kept: Standardization = planes.to_string().parse().unwrap();
    assert_eq!(kept.mean().unwrap().dims(), [1, 2, 3]);
    for text in [
        "",
        "[2] 1.0/1.0",
        "[1] 1.0/0.0",
        "[1] 1.0/-1.0",
        "[1] nan/1.0",
        "[9999999999999, 9999999999999]",
    ] {
        assert!(text.parse::<Standardization>().is_err(), "{text}");
    }
    // Samples in f32, back as a table.
    let table = table
        .with_labels(
            &Tensor::zeros(50, DType::U32, &CPU).unwrap(),
            "k",
            &["u", "v"],
        )
        .unwrap();
    let turn = table.classes_in_turn(3).unwrap();
    assert_eq!(turn.to_vec1::<u32>().unwrap(), [0, 1, 0]);
    let drawn = Tensor::zeros((3, 2), DType::F32, &CPU).unwrap();
    let drawn = table.unstandardized(&drawn, Some(&turn), &map).unwrap();
    assert_eq!(
        rows(&drawn)[2],
        map.mean().unwrap().to_vec1::<f64>().unwrap()
    );
    assert_eq!(
        (drawn.columns(), drawn.classes()),
        (table.columns(), table.classes())
    );
    // In f32 the numbers of the first column would all be the same.
    let single = map.to(DType::F32, &CPU).unwrap();
    assert!(single.apply(&x).is_err() && single.mean().unwrap().dtype() == DType::F32);
    // Equal numbers, whose mean is off by a rounding.
    let still = Tensor::full(0.1, (3, 1), &CPU).unwrap();
    let map = Standardization::of(&still).unwrap();
    assert_eq!(map.deviation().unwrap().to_vec1::<f64>().unwrap(), [1.0]);
}

/// A million rows around 1,000, whose sums in f32 and less would be off by more than their deviation.
#[test]
fn moments_of_many_rows_are_exact() {
    let mut rng = Generator::from_seed(0);
    let z = rng.normal((1_000_000, 1), DType::F64, &CPU).unwrap();
    let x = ((z + 1000.0).unwrap().to_dtype(DType::F32)).unwrap();
    let map = Standardization::of(&x).unwrap();
    let number = |x: Tensor| x.to_vec1::<f32>().unwrap()[0];
    let (mean, deviation) = (
        number(map.mean().unwrap()),
        number(map.deviation().unwrap()),
    );
    assert!((mean - 1000.0).abs() < 0.005 && (deviation - 1.0).abs() < 0.005);
    let ones = Tensor::ones((4096, 1), DType::F16, &CPU).unwrap();
    let mean = Standardization::of(&ones).unwrap().mean().unwrap();
    assert_eq!(number(mean.to_dtype(DType::F32).unwrap()), 1.0);
}

#[test]
fn rows_return_to_their_units_and_take_numbers_beside_them() {
    let text: String = (0..20)
        .map(|i| format!("{},{},{}\n", 3000 + 7 * i, 0.5 * f64::from(i), i % 2))
        .collect();
    let (csv, folder) = csv(&format!("mass,size,kind\n{text}"));
    let table = csv.label("kind").read().unwrap();
    let key = Key::from_seed(0);
    let (train, test, map) = table
        .standardized_split(0.25, key, DType::F32, &CPU)
        .unwrap();
    let (_, plain) = table.split(0.25, key).unwrap();
    let back = test.in_original_units(&map).unwrap();
    assert_close(back.values(), plain.values(), 1e-6, 1e-6);
    assert_eq!(
        (back.classes(), back.labels().unwrap().to_vec1().unwrap()),
        (
            plain.classes(),
            plain.labels().unwrap().to_vec1::<u32>().unwrap()
        )
    );
    let nats = Tensor::arange(0f64, 5.0, &CPU).unwrap();
    let rows = back.clone().with_column("nats", &nats).unwrap();
    let path = folder.path().join("rows.csv");
    rows.write_csv(&path).unwrap();
    let read = Csv::new(path).label("kind").read().unwrap();
    assert_eq!(read.columns(), ["mass", "size", "nats"]);
    let last = read.select(["nats"]).unwrap();
    assert_eq!(self::rows(&last)[4], [4.0]);
    // A number too few, numbers of another dtype, and one that is none.
    let few = nats.narrow(0, 0, 4).unwrap();
    let wrong = |x: &Tensor| back.clone().with_column("nats", x).unwrap_err();
    assert!(matches!(wrong(&few), Error::Shape { .. }));
    let single = nats.to_dtype(DType::F32).unwrap();
    assert!(matches!(wrong(&single), Error::DType { .. }));
    let none = (nats / 0.0).unwrap();
    assert!(matches!(wrong(&none), Error::NonFinite { .. }));
    // Of the dtype of the rows.
    let noise = train.noise(7, key).unwrap();
    assert_eq!((noise.dims(), noise.dtype()), (&[7, 2][..], DType::F32));
}

#[test]
fn tables_come_from_arrays_too() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let array = Tensor::new(&[[3i64, 5, 0], [4, 6, 10]], &CPU).unwrap();
    write_npy(at("x.npy"), &array).unwrap();
    let table = Table::read_npy(at("x.npy"))
        .unwrap()
        .labelled_by(2)
        .unwrap();
    assert_eq!(
        (table.columns(), table.classes()),
        (
            &["0".to_string(), "1".into()][..],
            &["0".to_string(), "10".into()][..]
        )
    );
    assert_eq!(rows(&table), [[3.0, 5.0], [4.0, 6.0]]);
    let chosen = table.select(["1"]).unwrap();
    assert_eq!(rows(&chosen), [[5.0], [6.0]]);
    assert_eq!(chosen.labels().unwrap().to_vec1::<u32>().unwrap(), [0, 1]);
    write_npy(at("x.npy"), &Tensor::new(&[1f32, f32::NAN], &CPU).unwrap()).unwrap();
    assert!(
        Table::read_npy(at("x.npy"))
            .unwrap_err()
            .to_string()
            .contains("x.npy")
    );
    write_npy(
        at("x.npy"),
        &Tensor::new(&[[1f32, f32::NAN]], &CPU).unwrap(),
    )
    .unwrap();
    assert!(
        Table::read_npy(at("x.npy"))
            .unwrap_err()
            .to_string()
            .contains("NaN")
    );
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let values = Tensor::new(&[[0.1f64, 1e-300], [-1e300, 1.0 / 3.0]], &CPU).unwrap();
    let table = Table::new(&values, &["a, b", "\"c\""]).unwrap();
    let labels = Tensor::new(&[1u32, 0], &CPU).unwrap();
    let table = table.with_labels(&labels, "kind", &["p q", "r,s"]).unwrap();
    table.write_csv(at("x.csv")).unwrap();
    let again = Csv::new(at("x.csv")).label("kind").read().unwrap();
    assert_eq!(
        (rows(&again), again.columns()),
        (rows(&table), table.columns())
    );
    assert_eq!(again.classes(), table.classes());
    // f32 has the digits of f32.
    write_csv(
        at("y.csv"),
        &["x"],
        &Tensor::new(&[[0.1f32]], &CPU).unwrap(),
    )
    .unwrap();
    assert_eq!(fs::read_to_string(at("y.csv")).unwrap(), "x\n0.1\n");
    assert!(read_csv(at("y.csv")).is_ok());
    assert!(
        write_csv(
            at("y.csv"),
            &["x", "y"],
            &Tensor::new(&[[0.1f32]], &CPU).unwrap()
        )
        .is_err()
    );

    for dtype in [
        DType::U8,
        DType::U32,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::F32,
        DType::F64,
    ] {
        for shape in [&[][..], &[1], &[2, 3], &[2, 0]] {
            let count = shape.iter().product::<usize>() as u32;
            let x = Tensor::arange(0u32, count, &CPU)
                .unwrap()
                .reshape(shape)
                .unwrap();
            let x = x.to_dtype(dtype).unwrap();
            write_npy(at("x.npy"), &x).unwrap();
            let y = read_npy(at("x.npy")).unwrap();
            assert_eq!((x.dims(), x.dtype()), (y.dims(), y.dtype()));
            let [x, y] = [x, y].map(|x| x.to_dtype(DType::F64).unwrap().flatten_all().unwrap());
            assert_eq!(x.to_vec1::<f64>().unwrap(), y.to_vec1::<f64>().unwrap());
        }
    }
    let bf16 = Tensor::zeros(2, DType::BF16, &CPU).unwrap();
    assert!(matches!(
        write_npy(at("x.npy"), &bf16),
        Err(Error::DType { .. })
    ));
    // The bytes of numpy.save, for arrays of one dimension.
    write_npy(at("x.npy"), &Tensor::new(&[7i64, 8], &CPU).unwrap()).unwrap();
    let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }";
    let expected = [
        b"\x93NUMPY\x01\x00v\x00",
        format!("{header:<117}\n").as_bytes(),
        &[7, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(fs::read(at("x.npy")).unwrap(), expected);
}

#[test]
fn grids_show_images_in_rows() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("grid.png");
    let colours: Vec<f32> = vec![-1.0, 1.0, 0.0, 9.0, -9.0, 0.5];
    // Two images of one pixel in colour.
    let images = Tensor::from_vec(colours, (2, 3, 1, 1), &CPU).unwrap();
    write_grid(&path, &images, 5).unwrap();
    let picture = image::open(&path).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (8, 5));
    assert_eq!(picture.get_pixel(2, 2).0, [0, 255, 128]);
    assert_eq!(picture.get_pixel(5, 2).0, [255, 0, 191]);
    assert_eq!(picture.get_pixel(3, 2).0, [255; 3]);
    let grey = Tensor::new(&[[[[3u8, 4]]]], &CPU).unwrap();
    write_grid(&path, &grey, 1).unwrap();
    assert_eq!(
        image::open(&path).unwrap().into_rgb8().get_pixel(3, 2).0,
        [4; 3]
    );
    for shape in [&[2, 2, 3, 3][..], &[3, 3]] {
        let wrong = Tensor::zeros(shape, DType::F32, &CPU).unwrap();
        assert!(matches!(
            write_grid(&path, &wrong, 1),
            Err(Error::Shape { .. })
        ));
    }
    assert!(write_grid(&path, &grey, 0).is_err());
    let nan = Tensor::full(f32::NAN, (1, 1, 1, 1), &CPU).unwrap();
    assert!(matches!(
        write_grid(&path, &nan, 1),
        Err(Error::NonFinite { .. })
    ));
}
