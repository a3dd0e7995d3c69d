//! Convolutions: candle's on the device, with gradients of our own.

use advect::ops::Convolution;

use crate::operations::Operation;
use crate::report::Report;

#[test]
fn of_images() {
    let mut report = Report::new();
    let plain = Convolution::padded(1);
    let settings = [
        plain,
        Convolution {
            stride: [2, 2],
            ..plain
        },
        Convolution {
            stride: [2, 1],
            ..plain
        },
        Convolution {
            padding: [0, 2],
            ..plain
        },
        Convolution {
            dilation: [2, 2],
            padding: [2, 2],
            ..plain
        },
        Convolution { groups: 2, ..plain },
    ];
    for c in settings {
        let weight = [6, 4 / c.groups, 3, 3];
        let op = Operation::Conv2d(c, true, false);
        for image in [[2, 4, 7, 6], [2, 4, 4, 8]] {
            let shapes: [&[usize]; 3] = [&image, &weight, &[6]];
            op.check(&mut report, &format!("conv2d {c:?}"), &shapes);
        }
    }
    let weight = [3, 2, 3, 3];
    let channels: [&[usize]; 4] = [&[2, 2, 4, 4], &weight, &[3], &[2, 3]];
    Operation::Conv2d(plain, true, true).check(&mut report, "conv2d onto", &channels);
    let whole: [&[usize]; 3] = [&[2, 2, 4, 4], &weight, &[2, 3, 4, 4]];
    Operation::Conv2d(plain, false, true).check(&mut report, "conv2d onto", &whole);
    let none: [&[usize]; 3] = [&[0, 2, 4, 4], &weight, &[3]];
    Operation::Conv2d(plain, true, false).check(&mut report, "conv2d", &none);
    report.finish();
}

/// Places that see one pixel each: more pixels than weights and fewer, of one image and of several, in one group and in two.
#[test]
fn of_single_pixels() {
    let mut report = Report::new();
    for (image, outputs, groups) in [
        ([2, 3, 4, 4], 5, 1),
        ([3, 16, 2, 1], 18, 1),
        ([1, 4, 3, 5], 6, 2),
        ([3, 4, 2, 4], 6, 2),
    ] {
        let c = Convolution {
            groups,
            ..Convolution::default()
        };
        let weight = [outputs, image[1] / groups, 1, 1];
        let (channels, whole) = ([image[0], outputs], [image[0], outputs, image[2], image[3]]);
        let shapes: [&[usize]; 4] = [&image, &weight, &[outputs], &whole];
        Operation::Conv2d(c, false, false).check(&mut report, "alone", &shapes[..2]);
        Operation::Conv2d(c, true, false).check(&mut report, "with a bias", &shapes[..3]);
        Operation::Conv2d(c, true, true).check(&mut report, "onto all", &shapes);
        let shapes: [&[usize]; 3] = [&image, &weight, &channels];
        Operation::Conv2d(c, false, true).check(&mut report, "onto channels", &shapes);
    }
    let shapes: [&[usize]; 3] = [&[2, 4, 9], &[6, 4, 1], &[6]];
    Operation::Conv1d(Convolution::default(), true, false).check(&mut report, "conv1d", &shapes);
    // A stride that leaves pixels out.
    let c = Convolution {
        stride: [2, 1],
        ..Convolution::default()
    };
    let shapes: [&[usize]; 2] = [&[2, 3, 5, 4], &[5, 3, 1, 1]];
    Operation::Conv2d(c, false, false).check(&mut report, "with a stride", &shapes);
    report.finish();
}

#[test]
fn of_sequences() {
    let mut report = Report::new();
    let plain = Convolution::padded(1);
    for c in [
        plain,
        Convolution {
            stride: [1, 2],
            ..plain
        },
    ] {
        let op = Operation::Conv1d(c, true, false);
        op.check(
            &mut report,
            &format!("conv1d {c:?}"),
            &[&[2, 4, 9], &[6, 4, 3], &[6]],
        );
    }
    let onto: [&[usize]; 4] = [&[2, 4, 9], &[6, 4, 3], &[6], &[2, 6]];
    Operation::Conv1d(plain, true, true).check(&mut report, "conv1d onto", &onto);
    report.finish();
}
