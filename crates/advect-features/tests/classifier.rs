//! The shipped classifiers: their kind, their accuracy where the data are, and bad arguments.

use advect_core::Error;
use advect_core::testing::device;
use advect_data::images::{Split, mnist};
use advect_features::{Classifier, FeatureExtractor};
use candle_core::{DType, Tensor};

#[test]
fn features_do_not_depend_on_batches() {
    let classifier = Classifier::fashion_mnist(device()).unwrap();
    let pixels: Vec<u8> = (0..7 * 784).map(|i| (i * 37 % 251) as u8).collect();
    let images = Tensor::from_vec(pixels, (7, 1, 28, 28), device()).unwrap();
    let whole = classifier.features(&images).unwrap();
    let parts = classifier.features_by(&images, 2).unwrap();
    let apart = (&whole - &parts).unwrap().abs().unwrap().max_all().unwrap();
    assert!(apart.to_scalar::<f32>().unwrap() < 1e-4);
    assert_eq!(classifier.logits(&whole).unwrap().dims(), [7, 10]);
    assert!(!whole.track_op());
    let statistics = classifier.statistics(&images, 3).unwrap();
    assert_eq!((statistics.count(), statistics.dim()), (7, 64));
}

#[test]
fn bad_images_are_typed_errors() {
    let classifier = Classifier::mnist(device()).unwrap();
    let images = |shape: [usize; 4], dtype| Tensor::zeros(&shape, dtype, device()).unwrap();
    for (shape, dtype) in [([2, 3, 28, 28], DType::U8), ([2, 1, 32, 28], DType::U8)] {
        let error = classifier.features(&images(shape, dtype)).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
    let floats = images([2, 1, 28, 28], DType::F32);
    assert!(matches!(
        classifier.features(&floats),
        Err(Error::DType { .. })
    ));
    let none = images([0, 1, 28, 28], DType::U8);
    assert!(matches!(
        classifier.features(&none),
        Err(Error::Empty { .. })
    ));
    let one = images([1, 1, 28, 28], DType::U8);
    assert!(classifier.features_by(&one, 0).is_err());
}

/// On Fashion-MNIST of Debian's package, and on what `ADVECT_MNIST` names; not run where neither is there.
#[test]
fn classifiers_find_classes_of_images_that_they_have_not_seen() {
    let digits = std::env::var("ADVECT_MNIST").ok().map(|folder| {
        let classifier = Classifier::mnist(device()).unwrap();
        (folder, classifier, 0.98)
    });
    let clothes = "/usr/share/datasets/fashion-mnist".to_string();
    let clothes = (clothes, Classifier::fashion_mnist(device()).unwrap(), 0.86);
    for (folder, classifier, least) in digits.into_iter().chain([clothes]) {
        if !std::path::Path::new(&folder).is_dir() {
            eprintln!("not run: there is no {folder}");
            continue;
        }
        let test = mnist(&folder, Split::Test).unwrap();
        let found = classifier
            .classes(&test.pixels.narrow(0, 0, 1000).unwrap())
            .unwrap();
        let labels = test.labels.to_vec1::<u32>().unwrap();
        let right = labels.iter().zip(&found).filter(|(a, b)| a == b).count();
        assert!(right as f64 > least * 1000.0, "{folder}: {right}");
    }
}
