use super::*;

const CPU: Device = Device::Cpu;

#[test]
fn values_are_stable_across_versions() {
    // Written down once: a change here breaks everyone's reproducibility.
    let x = Generator::from_seed(0).values(&StandardNormal, 3).unwrap();
    let expected = [
        0.6999607946268154,
        -0.14406163542784764,
        0.30288628024558556,
    ];
    assert_eq!(x, expected);
}

#[test]
fn a_prefix_does_not_depend_on_the_length() {
    let long = Generator::from_seed(5)
        .values(&StandardNormal, 10_000)
        .unwrap();
    let short = Generator::from_seed(5)
        .values(&StandardNormal, 5_000)
        .unwrap();
    assert_eq!(long[..5_000], short);
}

#[test]
fn events_are_uniform_numbers_below_the_probability() {
    for probability in [0.0, 0.1, 0.5, 1.0] {
        let uniform = Generator::from_seed(5).values(&StandardUniform, 10_001);
        let below: Vec<bool> = (uniform.unwrap().iter())
            .map(|&u| u < probability)
            .collect();
        let mut rng = Generator::from_seed(5);
        let events = rng.events_with(probability, &[(); 10_001], |event, ()| event);
        assert_eq!(events.unwrap(), below);
        assert_eq!(rng.position(), 1);
    }
    for probability in [-0.1, 1.1, f64::NAN] {
        let events = Generator::from_seed(5).events_with(probability, &[()], |event, ()| event);
        assert!(matches!(events, Err(Error::Range { .. })));
    }
}

#[test]
fn samples_have_numbers_of_their_own() {
    for width in [1, 3, 700] {
        let draw = |first, samples| {
            let mut rng = Generator::from_seed(5);
            let values = rng.values_by_sample(&StandardNormal, first, samples, width);
            values.unwrap()
        };
        let all = draw(10, 100);
        assert_eq!(all[37 * width..60 * width], draw(47, 23));
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|w| w[0] < w[1]), "{width}");
    }
    // Written down once, as those above.
    let x = Generator::from_seed(0).values_by_sample(&StandardNormal, 7, 1, 2);
    let x = x.unwrap();
    assert_eq!(x, [0.20774741988070136, -0.6630793168306853]);
}

#[test]
fn samples_without_noise_of_their_own_are_refused() {
    let draw = |first| {
        let mut rng = Generator::from_seed(0);
        rng.values_by_sample(&StandardNormal, first, 2, 3072)
    };
    let last = (1u64 << 54) - 2;
    assert!(draw(last).is_ok() && draw(0).unwrap() != draw(last).unwrap());
    for first in [last + 1, u64::MAX] {
        assert!(matches!(draw(first), Err(Error::Range { .. })), "{first}");
    }
}

#[test]
fn word_positions_address_one_stream() {
    let key = Key::from_seed(2);
    let mut whole = key.stream(9);
    let words: Vec<u32> = (0..200).map(|_| whole.next_u32()).collect();
    for start in [0, 1, 16, 63, 64, 100] {
        let mut part = key.stream(9);
        part.set_word_pos(start as u128);
        assert_eq!(part.next_u32(), words[start], "{start}");
    }
}

#[test]
fn normal_has_the_moments_and_the_law_of_a_normal() {
    let n = 100_000;
    let mut x = Generator::from_seed(11).values(&StandardNormal, n).unwrap();
    let mean = x.iter().sum::<f64>() / n as f64;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
    let kurtosis = x.iter().map(|v| (v - mean).powi(4)).sum::<f64>() / n as f64 / variance.powi(2);
    // Four standard errors each.
    assert!(mean.abs() < 4.0 / (n as f64).sqrt(), "{mean}");
    assert!(
        (variance - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(),
        "{variance}"
    );
    assert!(
        (kurtosis - 3.0).abs() < 4.0 * (24.0 / n as f64).sqrt(),
        "{kurtosis}"
    );
    // The quartiles of N(0, 1) are at ±0.67449.
    x.sort_by(f64::total_cmp);
    assert!((x[n / 4] + 0.674_49).abs() < 0.02 && (x[3 * n / 4] - 0.674_49).abs() < 0.02);
}

#[test]
fn uniform_stays_below_one_in_every_dtype() {
    for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
        let x = Generator::from_seed(3)
            .uniform(0.0..1.0, 50_000, dtype, &CPU)
            .unwrap()
            .to_dtype(DType::F64)
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        assert!(x.iter().all(|&u| (0.0..1.0).contains(&u)), "{dtype:?}");
    }
}

#[test]
fn permutations_hold_each_index_once() {
    let mut rng = Generator::from_seed(4);
    for n in [0usize, 1, 2, 67] {
        let mut p = rng.permutation(n, &CPU).unwrap().to_vec1::<u32>().unwrap();
        p.sort_unstable();
        assert!(p.iter().enumerate().all(|(i, &v)| i == v as usize) && p.len() == n);
    }
}

#[test]
fn integers_are_uniform() {
    let x = Generator::from_seed(8)
        .integers(0..10, 100_000, &CPU)
        .unwrap()
        .to_vec1::<u32>()
        .unwrap();
    for digit in 0..10 {
        let share = x.iter().filter(|&&v| v == digit).count() as f64 / 1e5;
        assert!((share - 0.1).abs() < 0.004, "{digit}: {share}");
    }
}

#[test]
#[allow(clippy::reversed_empty_ranges)]
fn bad_arguments_are_typed_errors() {
    let mut rng = Generator::from_seed(0);
    assert!(matches!(
        rng.integers(3..3, 1, &CPU),
        Err(Error::Range { .. })
    ));
    assert!(matches!(
        rng.uniform(1.0..0.0, 1, DType::F32, &CPU),
        Err(Error::Range { .. })
    ));
    assert!(matches!(
        rng.normal(1, DType::U32, &CPU),
        Err(Error::DType { .. })
    ));
}

#[test]
fn resuming_continues_the_stream() {
    let mut a = Generator::from_seed(6);
    a.values(&StandardNormal, 5).unwrap();
    let mut b = Generator::resume(a.key(), a.position());
    let draw = |rng: &mut Generator| rng.values(&StandardNormal, 5).unwrap();
    assert_eq!(draw(&mut a), draw(&mut b));
    assert_eq!(a.split(), b.split());
    // A split is none of the key's own children.
    let split = Generator::from_seed(6).split();
    assert!((0..10).all(|i| Key::from_seed(6).child(i) != split));
}

#[test]
fn absurd_shapes_are_typed_errors() {
    let mut rng = Generator::from_seed(0);
    let large = 1usize << 62;
    for shape in [
        vec![large],
        vec![large, 4],
        vec![large, large, 0],
        vec![usize::MAX],
        vec![1 << 45],
    ] {
        let shape = shape.as_slice();
        let draws = [
            rng.normal(shape, DType::F32, &CPU),
            rng.uniform(0.0..1.0, shape, DType::F32, &CPU),
            rng.integers(0..3, shape, &CPU),
        ];
        for draw in draws {
            assert!(matches!(draw, Err(Error::Range { .. })), "{shape:?}");
        }
    }
    assert!(rng.values(&StandardNormal, large).is_err());
    assert!(rng.values_by_sample(&StandardNormal, 0, 2, large).is_err());
    assert!(rng.values_by_sample(&StandardNormal, 0, large, 0).is_ok());
    assert!(rng.permutation(large, &CPU).is_err());
    for (dtype, end) in [(DType::F16, 1e6), (DType::F32, 1e39), (DType::BF16, 1e39)] {
        let draw = rng.uniform(0.0..end, 1, dtype, &CPU);
        assert!(matches!(draw, Err(Error::Range { .. })), "{dtype:?}");
    }
}

#[test]
fn a_generator_never_ends_and_never_repeats() {
    let key = Key::from_seed(6);
    let mut last = Generator::resume(key, POSITIONS - 1);
    let draw = |rng: &mut Generator| rng.values(&StandardNormal, 2).unwrap();
    let (a, b) = (draw(&mut last), draw(&mut last));
    assert!(last.key() != key && last.position() == 1);
    let first = draw(&mut Generator::from(key));
    assert!(a != b && b != first && a != first);
    let mut beyond = Generator::resume(key, u64::MAX);
    assert_eq!(draw(&mut beyond), b);
    assert_eq!(beyond, last);
}
