//! Launches beside threads that read the same tensors.

use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use advect::candle::Var;
use advect::ops::update::{average, follow, round};
use advect::prelude::*;

use crate::place::{Place, device};

/// Far longer than anything here takes, kernels' compilation included.
const LONG: Duration = Duration::from_secs(60);

/// Starts a function in a thread, and returns where its result arrives.
fn in_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = channel();
    // It is left alone if it never ends.
    thread::spawn(move || sender.send(f()));
    receiver
}

fn var(place: &Place, seed: u64) -> Var {
    Var::from_tensor(&place.normal(seed, &[5, 3]).unwrap()).unwrap()
}

/// What changes two parameters, given copies of them in 16 bits.
fn changes(x: &Var, y: &Var, narrow: &[(Var, Var)]) -> Result<()> {
    let named = vec![("x".into(), x.clone()), ("y".into(), y.clone())];
    let mut optimizer = AdamW::from_named(named, AdamWConfig::default())?;
    optimizer.backward_step(&(x.sqr()?.sum_all()? + y.sqr()?.sum_all()?)?)?;
    average(x, y, 0.5)?;
    average(y, x, 0.5)?;
    round(narrow)?;
    follow(narrow)?;
    // Another thread, whose stream is another one, may read them now.
    Ok(x.device().synchronize()?)
}

#[test]
fn changes_wait_for_no_reader() {
    if device().is_cpu() {
        return;
    }
    // One on which each thread has a stream, and nothing waits for events.
    let Device::Cuda(tested) = device() else {
        panic!("{:?}", device());
    };
    let ordinal = tested.cuda_stream().context().ordinal();
    let place = Place::tested(DType::F32).on(Device::new_cuda(ordinal).unwrap());
    let (x, y) = (var(&place, 0), var(&place, 1));
    let narrow = [&x, &y].map(|x| {
        let zeros = Tensor::zeros(x.shape(), DType::BF16, &place.device);
        (Var::from_tensor(&zeros.unwrap()).unwrap(), x.clone())
    });
    place.device.synchronize().unwrap();
    let readers = [&x, &y, &narrow[0].0, &narrow[1].0].map(|x| x.storage_and_layout());
    let changed = {
        let (x, y, narrow) = (x.clone(), y.clone(), narrow.clone());
        in_thread(move || changes(&x, &y, &narrow))
    };
    let result = changed.recv_timeout(LONG);
    drop(readers);
    result.expect("they wait for readers").unwrap();
    // Those of a stream of the device's own tell each other.
    let place = place.on(Device::new_cuda_with_stream(ordinal).unwrap());
    let (others_x, others_y) = (var(&place, 0), var(&place, 1));
    changes(&others_x, &others_y, &[]).unwrap();
    for (x, other) in [(x, others_x), (y, others_y)] {
        let numbers = |x: &Var| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(numbers(&x), numbers(&other));
    }
}
