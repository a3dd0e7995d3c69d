//! Tensors that are no more than views, and sizes that are absurd.

use advect_core::testing::assert_close;
use advect_core::{Error, Generator, Key};
use advect_data::toy::{
    Checkerboard, EightGaussians, Pinwheel, Rings, SCurve, Spirals, SwissRoll, Toy, TwoMoons,
};
use advect_data::{Batches, Normalization, Prefetched, flip_horizontally};
use candle_core::{D, DType, Device, Tensor};

/// Views with the shape `(6, 3, 4, 5)`: transposed, narrowed, with steps, broadcast, flipped in memory.
fn views(dtype: DType) -> Vec<Tensor> {
    let numbers = |shape: &[usize]| {
        let count = shape.iter().product::<usize>() as u32;
        let x = Tensor::arange(0u32, count, &Device::Cpu).unwrap();
        let x = x.reshape(shape).unwrap().to_dtype(DType::I64).unwrap();
        // Bytes hold 256 numbers.
        let x = (&x - ((&x / 251.0).unwrap() * 251.0).unwrap()).unwrap();
        x.to_dtype(dtype).unwrap()
    };
    let views = vec![
        numbers(&[6, 4, 5, 3]).permute((0, 3, 1, 2)).unwrap(),
        numbers(&[5, 4, 3, 6]).permute((3, 2, 1, 0)).unwrap(),
        numbers(&[9, 3, 4, 5]).narrow(0, 2, 6).unwrap(),
        numbers(&[6, 3, 4, 9]).narrow(D::Minus1, 1, 5).unwrap(),
        numbers(&[3, 4, 5]).broadcast_as((6, 3, 4, 5)).unwrap(),
        numbers(&[6, 3, 1, 1]).broadcast_as((6, 3, 4, 5)).unwrap(),
        numbers(&[3, 6, 4, 5]).transpose(0, 1).unwrap(),
    ];
    assert!(views.iter().filter(|view| !view.is_contiguous()).count() >= 5);
    views
}

#[test]
fn batches_of_views_are_those_of_copies() {
    let batches = Batches::new(6, 4, Key::from_seed(3)).unwrap();
    for dtype in [DType::U8, DType::I64, DType::F16, DType::F32, DType::F64] {
        for view in views(dtype) {
            let copy = view.force_contiguous().unwrap();
            assert!(copy.is_contiguous());
            for step in 0..3 {
                let [a, b] = batches.at(step, [&view, &copy]).unwrap();
                assert_eq!((a.dims(), a.dtype()), (&[4, 3, 4, 5][..], dtype));
                assert_close(&a, &b, 0.0, 0.0);
            }
        }
    }
    let labels = Tensor::arange(0u32, 12, &Device::Cpu)
        .unwrap()
        .reshape((6, 2))
        .unwrap();
    let labels = labels.narrow(1, 1, 1).unwrap().squeeze(1).unwrap();
    assert!(!labels.is_contiguous());
    let [picked] = batches.at(0, [&labels]).unwrap();
    assert!(
        picked
            .to_vec1::<u32>()
            .unwrap()
            .iter()
            .all(|label| label % 2 == 1)
    );
}

#[test]
fn images_may_be_views() {
    let normal = Normalization::new(&[0.1, 0.2, 0.3], &[0.5, 2.0, 1.0]).unwrap();
    let rng = || Generator::from_seed(1);
    for bytes in views(DType::U8) {
        let copy = bytes.force_contiguous().unwrap();
        for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
            let x = normal.apply(&bytes, dtype).unwrap();
            assert_close(&x, &normal.apply(&copy, dtype).unwrap(), 0.0, 0.0);
        }
        let flipped = flip_horizontally(&bytes, 0.5, &mut rng()).unwrap();
        let expected = flip_horizontally(&copy, 0.5, &mut rng()).unwrap();
        assert_close(&flipped, &expected, 0.0, 0.0);
    }
    for x in views(DType::F32) {
        let copy = x.force_contiguous().unwrap();
        let inverse = |x: &Tensor| normal.invert(x).unwrap();
        assert_close(&inverse(&x), &inverse(&copy), 0.0, 0.0);
        let bytes = |x: &Tensor| normal.bytes(x).unwrap();
        assert_close(&bytes(&x), &bytes(&copy), 0.0, 0.0);
    }
}

#[test]
fn prefetched_batches_may_be_views() {
    let prefetched = Prefetched::new(2, |step| {
        let x = Tensor::full(step as f32, (2, 3), &Device::Cpu)?;
        Ok(x.t()?)
    })
    .unwrap();
    assert_eq!(
        prefetched.at(4).unwrap().to_vec2::<f32>().unwrap(),
        [[4.0; 2]; 3]
    );
}

#[test]
fn images_of_any_dtype_are_mirrored_or_refused() {
    for dtype in [
        DType::U8,
        DType::U32,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::BF16,
    ] {
        let x = Tensor::zeros((2, 1, 1, 3), dtype, &Device::Cpu).unwrap();
        let flipped = flip_horizontally(&x, 0.5, &mut Generator::from_seed(0));
        assert!(flipped.is_err() || flipped.unwrap().dtype() == dtype);
    }
    // More elements than there is memory, of which only one exists.
    let absurd = Tensor::zeros((1, 1, 1, 1), DType::U8, &Device::Cpu).unwrap();
    let absurd = absurd.broadcast_as((1 << 30, 1 << 20, 1 << 12, 1)).unwrap();
    let flipped = flip_horizontally(&absurd, 0.5, &mut Generator::from_seed(0));
    assert!(matches!(flipped, Err(Error::Range { .. })));
}

#[test]
fn absurd_sizes_are_typed_errors() {
    let key = Key::from_seed(0);
    for size in [0, 1 << 32, 1 << 62, usize::MAX] {
        assert!(
            matches!(Batches::new(size, size, key), Err(Error::Range { .. })),
            "{size}"
        );
        let prefetched = Prefetched::new(size, Ok);
        assert!(matches!(prefetched, Err(Error::Range { .. })), "{size}");
    }
    assert!(Batches::new(usize::MAX, 1, key).is_err());
    let batches = Batches::new(1, 1, key).unwrap();
    assert!(batches.indices(1 << 60).is_ok());
    assert!(matches!(
        batches.indices(usize::MAX),
        Err(Error::Range { .. })
    ));
    // The last step there is.
    let last = Prefetched::new(3, Ok).unwrap();
    assert_eq!(last.at(usize::MAX).unwrap(), usize::MAX);
    assert_eq!(last.at(usize::MAX - 1).unwrap(), usize::MAX - 1);
    assert_eq!(last.at(usize::MAX).unwrap(), usize::MAX);

    let toys: [&dyn Toy; 8] = [
        &Checkerboard::default(),
        &EightGaussians::default(),
        &Pinwheel::default(),
        &Rings::default(),
        &SCurve::default(),
        &Spirals::default(),
        &SwissRoll::default(),
        &TwoMoons::default(),
    ];
    let mut rng = Generator::from_seed(0);
    for toy in toys {
        for count in [1 << 62, usize::MAX] {
            let points = toy.sample(count, DType::F32, &Device::Cpu, &mut rng);
            assert!(matches!(points, Err(Error::Range { .. })));
        }
        for index in [usize::MAX - 1, usize::MAX] {
            let point = toy.point(index, &mut rng.stream());
            assert!(point.iter().all(|v| v.is_finite()));
        }
    }
}

/// Every field of every toy, at its extremes: an error, or finite points.
#[test]
fn absurd_fields_are_errors_or_finite_points() {
    let mut rng = Generator::from_seed(0);
    let mut check = |toy: &dyn Toy| {
        for dtype in [DType::F16, DType::F32, DType::F64] {
            let points = toy.sample(9, dtype, &Device::Cpu, &mut rng);
            assert!(points.is_err() || advect_core::check::is_finite(&points.unwrap()).unwrap());
        }
        // What a check refuses is no point, but no panic either.
        toy.point(usize::MAX, &mut rng.stream());
    };
    for count in [0, 1, 2, 3, 1 << 32, 1 << 62, usize::MAX - 1, usize::MAX] {
        check(&Checkerboard {
            squares: count,
            ..Checkerboard::default()
        });
        check(&Pinwheel {
            arms: count,
            ..Pinwheel::default()
        });
        check(&Rings {
            rings: count,
            ..Rings::default()
        });
    }
    for v in [f64::NAN, f64::INFINITY, -1.0, 0.0, 5e-324, 1e300, f64::MAX] {
        check(&Checkerboard {
            side: v,
            ..Checkerboard::default()
        });
        check(&EightGaussians { radius: v, std: v });
        check(&Pinwheel {
            radial_std: v,
            tangential_std: v,
            rate: v,
            ..Pinwheel::default()
        });
        check(&Rings {
            radius: v,
            noise: v,
            ..Rings::default()
        });
        check(&SCurve { noise: v, scale: v });
        check(&Spirals { turns: v, noise: v });
        check(&SwissRoll { noise: v, scale: v });
        check(&TwoMoons {
            noise: v,
            scale: v,
            shift: v,
        });
    }
}

#[test]
fn numbers_that_do_not_fit_the_dtype_are_refused() {
    let bytes = Tensor::new(&[[255u8]], &Device::Cpu).unwrap();
    let narrow = Normalization::new(&[0.5], &[1e-39]).unwrap();
    for dtype in [DType::F16, DType::BF16, DType::F32] {
        assert!(
            matches!(narrow.apply(&bytes, dtype), Err(Error::Range { .. })),
            "{dtype:?}"
        );
    }
    let x = narrow.apply(&bytes, DType::F64).unwrap();
    assert!(advect_core::check::is_finite(&x).unwrap());
}
