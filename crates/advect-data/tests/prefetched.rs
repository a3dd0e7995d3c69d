//! Batches that a thread makes ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use advect_core::{Error, Generator};
use advect_data::{Normalization, Prefetched, flip_horizontally};
use candle_core::{DType, Device, Tensor};

#[test]
fn steps_come_in_order_from_wherever_they_are_asked_for() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let prefetched = Prefetched::new(3, move |step| {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(step * step)
    })
    .unwrap();
    assert_eq!(made.load(Ordering::SeqCst), 0, "nobody asked yet");
    let squares: Vec<usize> = (5..25).map(|step| prefetched.at(step).unwrap()).collect();
    assert_eq!(squares, (5..25).map(|step| step * step).collect::<Vec<_>>());
    assert!(
        made.load(Ordering::SeqCst) <= 20 + 3,
        "not more than three ahead"
    );
    assert_eq!(
        (prefetched.at(2).unwrap(), prefetched.at(3).unwrap()),
        (4, 9)
    );
    assert!(Prefetched::new(0, Ok).is_err());
}

#[test]
fn errors_and_panics_reach_the_caller() {
    let fails = Arc::new(AtomicUsize::new(1));
    let counter = fails.clone();
    let prefetched = Prefetched::new(4, move |step| match step {
        3 if counter.swap(0, Ordering::SeqCst) > 0 => Err(Error::range("file", step, "another")),
        7 => panic!("no seven"),
        _ => Ok(step),
    })
    .unwrap();
    for step in 0..3 {
        assert_eq!(prefetched.at(step).unwrap(), step);
    }
    assert!(matches!(prefetched.at(3), Err(Error::Range { .. })));
    // Asked again, and there it is.
    assert_eq!(prefetched.at(3).unwrap(), 3);
    for step in 4..7 {
        assert_eq!(prefetched.at(step).unwrap(), step);
    }
    let error = prefetched.at(7).unwrap_err();
    assert!(
        matches!(error, Error::Stopped { .. }) && error.to_string().contains("no seven"),
        "{error}"
    );
    assert_eq!(prefetched.at(8).unwrap(), 8);
}

/// Asking for another step ends the thread before, so that the function runs once at a time.
#[test]
fn the_function_never_runs_twice_at_a_time() {
    use std::sync::atomic::AtomicBool;
    static RUNNING: AtomicBool = AtomicBool::new(false);
    let prefetched = Prefetched::new(3, |step| {
        let alone = !RUNNING.swap(true, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(3));
        RUNNING.store(false, Ordering::SeqCst);
        Ok((step, alone))
    })
    .unwrap();
    for step in [0, 1, 7, 8, 3, 100, 2, 3, 50] {
        assert_eq!(prefetched.at(step).unwrap(), (step, true));
    }
}

#[test]
fn each_image_is_mirrored_by_chance() {
    let x = Tensor::arange(0u8, 200, &Device::Cpu)
        .unwrap()
        .reshape((100, 1, 1, 2))
        .unwrap();
    let y = flip_horizontally(&x, 0.3, &mut Generator::from_seed(0)).unwrap();
    assert_eq!(y.dtype(), DType::U8);
    let y = y.flatten_all().unwrap().to_vec1::<u8>().unwrap();
    let mirrored = y.chunks(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((15..45).contains(&mirrored), "{mirrored}");
    for (i, pair) in (0..).zip(y.chunks(2)) {
        assert!(pair == [2 * i, 2 * i + 1] || pair == [2 * i + 1, 2 * i]);
    }
    assert!(flip_horizontally(&x, 1.5, &mut Generator::from_seed(0)).is_err());
    assert!(flip_horizontally(&x.get(0).unwrap(), 0.5, &mut Generator::from_seed(0)).is_err());
}

#[test]
fn normalization_goes_there_and_back() {
    let bytes = Tensor::arange(0u8, 255, &Device::Cpu)
        .unwrap()
        .reshape((5, 3, 17))
        .unwrap();
    let normal = Normalization::new(&[0.1, 0.2, 0.3], &[0.5, 2.0, 1.0]).unwrap();
    for dtype in [DType::F32, DType::F64] {
        let x = normal.apply(&bytes, dtype).unwrap();
        assert_eq!(x.dtype(), dtype);
        let back = normal.bytes(&x).unwrap();
        let all = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<u8>().unwrap();
        assert_eq!(all(&back), all(&bytes));
    }
    let x = normal
        .apply(&bytes, DType::F64)
        .unwrap()
        .to_vec3::<f64>()
        .unwrap();
    // Byte 17 is the first of channel 1.
    assert!((x[0][1][0] - (17.0 / 255.0 - 0.2) / 2.0).abs() < 1e-15);
    assert!(
        normal
            .apply(&bytes.narrow(1, 0, 2).unwrap(), DType::F32)
            .is_err()
    );
    assert!(normal.apply(&bytes, DType::U8).is_err());
    let nan = Tensor::new(&[[f32::NAN]], &Device::Cpu).unwrap();
    assert!(matches!(
        Normalization::default().bytes(&nan),
        Err(Error::NonFinite { .. })
    ));
    assert!(matches!(
        Normalization::default().bytes(&bytes),
        Err(Error::DType { .. })
    ));
    assert!(Normalization::new(&[0.5], &[0.0]).is_err());
    assert!(Normalization::new(&[0.5], &[]).is_err());
}
