//! Toys and shuffled batches.

use advect::data::toy::*;
use advect::prelude::*;

use crate::{CPU, check, elements};

#[test]
fn toys() {
    let point = |toy: &dyn Toy| {
        let mut rng = Generator::from_seed(7);
        elements(&toy.sample(2, DType::F64, &CPU, &mut rng).unwrap())
    };
    check(&[
        (
            "checkerboard",
            point(&Checkerboard::default()),
            &[
                -3.6844078059587613,
                -3.6640212744557976,
                1.4085522560729125,
                -2.5465174065734697,
            ],
        ),
        (
            "eight Gaussians",
            point(&EightGaussians::default()),
            &[
                4.754805865726379,
                -0.4374763599774307,
                3.8168858662459453,
                3.6493060338125094,
            ],
        ),
        (
            "pinwheel",
            point(&Pinwheel::default()),
            &[
                1.4594525088850616,
                0.5496294654928109,
                -1.434840729031326,
                2.089663393513071,
            ],
        ),
        (
            "rings",
            point(&Rings::default()),
            &[
                0.2999264416124519,
                0.6987975421446577,
                -0.19442797242454374,
                -1.536010003356199,
            ],
        ),
        (
            "S curve",
            point(&SCurve::default()),
            &[
                0.02150206022103742,
                3.0614894140725073,
                1.2884269222279776,
                -2.3533797921519772,
            ],
        ),
        (
            "spirals",
            point(&Spirals::default()),
            &[
                1.0923574213728933,
                -0.5595970991350963,
                1.477247416839687,
                1.1295028360878294,
            ],
        ),
        (
            "Swiss roll",
            point(&SwissRoll::default()),
            &[
                0.9589014212589874,
                0.07440239910619424,
                1.3003953714205239,
                -2.0815094157093346,
            ],
        ),
        (
            "two moons",
            point(&TwoMoons::default()),
            &[
                1.4313503374274128,
                0.5604814532042315,
                4.005795557435015,
                -1.8680234752848377,
            ],
        ),
    ]);
}

#[test]
fn batches() {
    let batches = Batches::new(10, 4, Key::from_seed(7)).unwrap();
    let indices = |step| elements(&batches.indices(step).unwrap());
    check(&[
        ("first", indices(0), &[7.0, 0.0, 2.0, 9.0]),
        ("of the next epoch", indices(2), &[4.0, 0.0, 5.0, 9.0]),
    ]);
}
