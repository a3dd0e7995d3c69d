//! The ring modulator of the Test Set for Initial Value Problem Solvers (release 2.4): a circuit that mixes two signals by four
//! diodes, with seven voltages and eight currents, whose smallest capacitances make it stiff and let it oscillate.

use std::f64::consts::PI;

use advect_solvers::system::{BoundSystem, Number, system};

pub(crate) const END: f64 = 1e-3;

/// The equations; all elements are 0 at the start.
pub(crate) fn field() -> BoundSystem<15, 0> {
    let (c, smallest, pair, h, s1, s2) = (1.6e-8, 2e-12, 1e-8, 4.45, 2e-3, 5e-4);
    let (r, of_pair, g1, g2, inner, outer) = (25e3, 50.0, 36.3, 17.3, 50.0, 600.0);
    let diode = |u: Number| 40.672_864_02e-9 * ((17.749_333_2 * u).exp() - 1.0);
    let circuit = system(move |t, y, _: [Number; 0]| {
        let signal = 0.5 * (2e3 * PI * t).sin();
        let carrier = 2.0 * (2e4 * PI * t).sin();
        let [v1, v2, v3, v4, v5, v6, v7, i1, i2, i3, i4, i5, i6, i7, i8] = y;
        let q1 = diode(v3 - v5 - v7 - carrier);
        let q2 = diode(v6 - v4 - v7 - carrier);
        let q3 = diode(v4 + v5 + v7 + carrier);
        let q4 = diode(v7 - v3 - v6 + carrier);
        [
            (i1 + 0.5 * (i4 - i3) + i7 - v1 / r) / c,
            (i2 + 0.5 * (i6 - i5) + i8 - v2 / r) / c,
            (i3 - q1 + q4) / smallest,
            (q2 - q3 - i4) / smallest,
            (i5 + q1 - q3) / smallest,
            (q4 - q2 - i6) / smallest,
            (q1 + q2 - q3 - q4 - v7 / of_pair) / pair,
            -v1 / h,
            -v2 / h,
            (0.5 * v1 - v3 - g2 * i3) / s2,
            (v4 - 0.5 * v1 - g2 * i4) / s2,
            (0.5 * v2 - v5 - g2 * i5) / s2,
            (v6 - 0.5 * v2 - g2 * i6) / s2,
            (signal - v1 - (inner + g1) * i7) / s1,
            (-v2 - (outer + g1) * i8) / s1,
        ]
    });
    circuit.unwrap().with([]).unwrap()
}

/// The state at the end.
pub(crate) const SOLUTION: [f64; 15] = [
    -0.233_905_735_848_674_5e-1,
    -0.736_748_554_854_082_5e-2,
    0.258_295_670_929_116_9,
    -0.406_446_572_128_345,
    -0.403_945_566_514_979_4,
    0.260_796_676_542_294_3,
    0.110_676_186_126_997_5,
    0.293_990_434_243_559_6e-6,
    -0.284_002_993_364_232_9e-7,
    0.726_719_826_726_455_3e-3,
    0.792_948_719_696_084e-3,
    -0.725_528_349_569_896_5e-3,
    -0.794_140_196_852_652_1e-3,
    0.708_849_541_697_611_4e-4,
    0.239_005_907_523_657e-4,
];
