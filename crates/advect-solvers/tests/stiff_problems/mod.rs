//! Stiff problems with published solutions.
//!
//! The equations and values of HIRES, OREGO, POLLU, ROBER and VDPOL are those of the Test Set for Initial Value Problem
//! Solvers (Mazzia and Magherini, release 2.4, 2008), computed there by RADAU5 in quadruple precision.

pub(crate) mod medical_akzo;
pub(crate) mod ring_modulator;

use advect_core::testing::device;
use advect_core::{Field, Result, field_fn};
use candle_core::{DType, Tensor};

/// A right-hand side on plain numbers: the slopes of a state.
type Slopes = fn(&[f64]) -> Vec<f64>;

/// An autonomous problem, from its start at t = 0 to its end.
pub(crate) struct Problem {
    pub(crate) name: &'static str,
    pub(crate) slopes: Slopes,
    pub(crate) start: &'static [f64],
    pub(crate) end: f64,
    /// The state at the end.
    pub(crate) solution: &'static [f64],
    /// The absolute tolerance that goes with a relative tolerance of 1.
    pub(crate) absolute: f64,
}

impl Problem {
    /// A field on states `(batch, dim)`, of the dtype of the state.
    pub(crate) fn field(&self) -> impl Field + use<> {
        let slopes = self.slopes;
        field_fn(move |_, x: &Tensor| -> Result<Tensor> {
            let rows = x.to_dtype(DType::F64)?.to_vec2::<f64>()?;
            let slopes: Vec<f64> = rows.iter().flat_map(|row| slopes(row)).collect();
            Ok(Tensor::from_vec(slopes, x.shape(), device())?.to_dtype(x.dtype())?)
        })
    }

    pub(crate) fn initial(&self) -> Tensor {
        Tensor::from_slice(self.start, (1, self.start.len()), device()).unwrap()
    }

    /// The largest error of a state relative to the solution.
    pub(crate) fn error(&self, x: &Tensor) -> f64 {
        let x = x
            .to_dtype(DType::F64)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        let relative = |(x, y): (&f64, &f64)| (x - y).abs() / y.abs();
        x.iter()
            .zip(self.solution)
            .map(relative)
            .fold(0.0, f64::max)
    }
}

/// Van der Pol's oscillator with μ = 1000 over 2000 units of time.
pub(crate) const VDPOL_THOUSAND: Problem = Problem {
    name: "Van der Pol, 1e3",
    slopes: |x| vec![x[1], 1e3 * (1.0 - x[0] * x[0]) * x[1] - x[0]],
    start: &[2.0, 0.0],
    end: 2000.0,
    solution: &[1.706_167_732_170_47, -0.000_892_809_701_024_8],
    absolute: 1.0,
};

/// Van der Pol's oscillator with ε = 10⁻⁶, whose time is scaled such that a period is about 1.6.
pub(crate) const VDPOL_MILLION: Problem = Problem {
    name: "Van der Pol, 1e6",
    slopes: |x| vec![x[1], 1e6 * ((1.0 - x[0] * x[0]) * x[1] - x[0])],
    start: &[2.0, 0.0],
    end: 2.0,
    solution: &[1.706_167_732_170_469, -0.892_809_701_024_794_8],
    absolute: 1.0,
};

const fn robertson(end: f64, solution: &'static [f64]) -> Problem {
    Problem {
        name: "Robertson",
        slopes: |x| {
            let (a, b, c) = (0.04 * x[0], 3e7 * x[1] * x[1], 1e4 * x[1] * x[2]);
            vec![c - a, a - b - c, b]
        },
        start: &[1.0, 0.0, 0.0],
        end,
        solution,
        absolute: 1e-6,
    }
}

/// Robertson's reactions to t = 10⁴; the solution is that of SciPy's Radau with a tolerance of 3e-14.
pub(crate) const ROBERTSON: Problem = robertson(
    1e4,
    &[0.107_300_428_538, 4.800_166_972_57e-7, 0.892_699_091_445],
);

/// Robertson's reactions to t = 10¹¹.
pub(crate) const ROBERTSON_LONG: Problem = robertson(
    1e11,
    &[
        0.208_334_014_970_125_5e-7,
        0.833_336_077_033_471_3e-13,
        0.999_999_979_166_505,
    ],
);

/// The "high irradiance response" of plants, eight reactions.
pub(crate) const HIRES: Problem = Problem {
    name: "HIRES",
    slopes: |x| {
        let joined = 280.0 * x[5] * x[7] - 1.81 * x[6];
        vec![
            -1.71 * x[0] + 0.43 * x[1] + 8.32 * x[2] + 0.0007,
            1.71 * x[0] - 8.75 * x[1],
            -10.03 * x[2] + 0.43 * x[3] + 0.035 * x[4],
            8.32 * x[1] + 1.71 * x[2] - 1.12 * x[3],
            -1.745 * x[4] + 0.43 * (x[5] + x[6]),
            -280.0 * x[5] * x[7] + 0.69 * x[3] + 1.71 * x[4] - 0.43 * x[5] + 0.69 * x[6],
            joined,
            -joined,
        ]
    },
    start: &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057],
    end: 321.8122,
    solution: &[
        0.737_131_257_332_566_8e-3,
        0.144_248_572_631_618_5e-3,
        0.588_872_974_096_757_5e-4,
        0.117_565_134_328_314_9e-2,
        0.238_635_619_883_133_1e-2,
        0.623_896_825_274_279_6e-2,
        0.284_999_839_518_576_9e-2,
        0.285_000_160_481_423_1e-2,
    ],
    absolute: 1e-3,
};

/// The Oregonator, three reactions that oscillate.
pub(crate) const OREGO: Problem = Problem {
    name: "OREGO",
    slopes: |x| {
        vec![
            77.27 * (x[1] + x[0] * (1.0 - 8.375e-6 * x[0] - x[1])),
            (x[2] - (1.0 + x[0]) * x[1]) / 77.27,
            0.161 * (x[0] - x[2]),
        ]
    },
    start: &[1.0, 2.0, 3.0],
    end: 360.0,
    solution: &[
        0.100_081_487_031_852_3e1,
        0.122_817_852_154_991_7e4,
        0.132_055_494_284_670_6e3,
    ],
    absolute: 1.0,
};

/// Air pollution, 25 reactions of 20 species.
pub(crate) const POLLU: Problem = Problem {
    name: "POLLU",
    slopes: pollution,
    start: &[
        0.0, 0.2, 0.0, 0.04, 0.0, 0.0, 0.1, 0.3, 0.01, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.007,
        0.0, 0.0, 0.0,
    ],
    end: 60.0,
    solution: &[
        0.564_625_548_002_276_9e-1,
        0.134_248_413_042_233_9,
        0.413_973_433_109_942_7e-8,
        0.552_314_020_748_435_9e-2,
        0.201_897_726_230_219_6e-6,
        0.146_454_186_349_396_6e-6,
        0.778_424_911_899_796_4e-1,
        0.324_507_535_339_601_8,
        0.749_401_338_388_040_6e-2,
        0.162_229_315_730_156_1e-7,
        0.113_586_383_325_707_5e-7,
        0.223_050_597_572_135_9e-2,
        0.208_716_288_279_863e-3,
        0.139_692_101_684_015_8e-4,
        0.896_488_485_689_829_5e-2,
        0.435_284_636_933_010_3e-17,
        0.689_921_969_626_340_5e-2,
        0.100_780_303_736_594_6e-3,
        0.177_214_651_396_998_4e-5,
        0.568_294_329_231_639_2e-4,
    ],
    absolute: 1e-3,
};

fn pollution(x: &[f64]) -> Vec<f64> {
    let r = [
        0.35 * x[0],
        26.6 * x[1] * x[3],
        12_300.0 * x[4] * x[1],
        0.86e-3 * x[6],
        0.82e-3 * x[6],
        15_000.0 * x[6] * x[5],
        0.13e-3 * x[8],
        24_000.0 * x[8] * x[5],
        16_500.0 * x[10] * x[1],
        9_000.0 * x[10] * x[0],
        0.022 * x[12],
        12_000.0 * x[9] * x[1],
        1.88 * x[13],
        16_300.0 * x[0] * x[5],
        4.8e6 * x[2],
        0.35e-3 * x[3],
        0.0175 * x[3],
        1e8 * x[15],
        4.44e11 * x[15],
        1_240.0 * x[16] * x[5],
        2.1 * x[18],
        5.78 * x[18],
        0.0474 * x[0] * x[3],
        1_780.0 * x[18] * x[0],
        3.12 * x[19],
    ];
    vec![
        -r[0] - r[9] - r[13] - r[22] - r[23] + r[1] + r[2] + r[8] + r[10] + r[11] + r[21] + r[24],
        -r[1] - r[2] - r[8] - r[11] + r[0] + r[20],
        -r[14] + r[0] + r[16] + r[18] + r[21],
        -r[1] - r[15] - r[16] - r[22] + r[14],
        -r[2] + 2.0 * r[3] + r[5] + r[6] + r[12] + r[19],
        -r[5] - r[7] - r[13] - r[19] + r[2] + 2.0 * r[17],
        -r[3] - r[4] - r[5] + r[12],
        r[3] + r[4] + r[5] + r[6],
        -r[6] - r[7],
        -r[11] + r[6] + r[8],
        -r[8] - r[9] + r[7] + r[10],
        r[8],
        -r[10] + r[9],
        -r[12] + r[11],
        r[13],
        -r[17] - r[18] + r[15],
        -r[19],
        r[19],
        -r[20] - r[21] - r[23] + r[22] + r[24],
        -r[24] + r[23],
    ]
}
