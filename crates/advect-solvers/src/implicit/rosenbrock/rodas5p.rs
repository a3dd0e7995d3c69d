//! Steinebach's method Rodas5P (Construction of Rosenbrock–Wanner method Rodas5P and numerical benchmarks within the Julia
//! Differential Equations package, BIT Numer. Math. 63, 2023, table 1, in the form of Hairer and Wanner).

use super::{Rosenbrock, RosenbrockTableau};

/// Steinebach's pair of order 5 with an embedded method of order 4: eight stages, L-stable and stiffly accurate, with little
/// loss of order in stiff equations.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::implicit::{Rodas5P, Rosenbrock};
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −10⁵ (x − cos t)
/// let field = field_fn(|t, x| Ok(((x - t.values()?[0].cos())? * -1e5)?));
/// let x = Tensor::new(&[2f64], &Device::Cpu)?;
/// let solver = Solver::new(Rodas5P.by_differences(), Adaptive::new(1e-6, 1e-6)?);
/// let solution = solver.solve(&field, &x, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - 1f64.cos()).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Rosenbrock")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rodas5P;

impl Rosenbrock for Rodas5P {
    const COEFFICIENTS: RosenbrockTableau = RosenbrockTableau {
        order: 5,
        embedded_order: 4,
        gamma: 0.211_937_563_194_290_14,
        alpha: &[
            0.0,
            0.635_812_689_582_870_4,
            0.409_579_839_339_753_5,
            0.976_930_672_506_071_6,
            0.428_840_360_955_866_4,
            1.0,
            1.0,
            1.0,
        ],
        gammas: &[
            0.211_937_563_194_290_14,
            -0.423_875_126_388_580_27,
            -0.338_462_712_623_592_4,
            1.804_645_287_288_273_4,
            2.325_825_639_765_069,
            0.0,
            0.0,
            0.0,
        ],
        a: &[
            &[],
            &[3.0],
            &[2.849_394_379_747_939, 0.458_422_422_044_639_23],
            &[
                -6.954_028_509_809_101,
                2.489_845_061_869_568,
                -10.358_996_098_473_584,
            ],
            &[
                2.802_998_627_562_896_4,
                0.507_246_473_622_820_6,
                -0.398_831_254_177_052_4,
                -0.047_211_872_304_046_41,
            ],
            &[M[0], M[1], M[2], M[3], M[4]],
            &[M[0], M[1], M[2], M[3], M[4], 1.0],
            &[M[0], M[1], M[2], M[3], M[4], 1.0, 1.0],
        ],
        c: &[
            &[],
            &[-14.155_112_264_123_755],
            &[-17.972_960_358_859_52, -2.859_693_295_451_294],
            &[
                147.121_502_757_117_16,
                -1.412_214_027_182_13,
                71.689_402_513_023_58,
            ],
            &[
                165.435_170_248_716_76,
                -0.459_282_345_649_112_6,
                42.909_383_369_586_03,
                -5.961_986_721_573_306,
            ],
            &[
                24.854_864_614_690_072,
                -3.000_922_700_283_218_6,
                47.493_111_002_076_8,
                5.581_419_782_155_812_5,
                -0.661_069_182_524_947_1,
            ],
            &[
                30.912_732_140_285_99,
                -3.120_824_334_993_797_4,
                77.799_546_460_708_92,
                34.286_460_282_947_83,
                -19.097_331_116_725_623,
                -28.087_943_162_872_662,
            ],
            &[
                37.802_771_233_905_63,
                -3.257_196_902_907_227_6,
                112.269_188_494_963_27,
                66.934_723_124_404_7,
                -40.066_189_370_910_02,
                -54.667_802_628_779_68,
                -9.488_616_523_096_27,
            ],
        ],
        m: &M,
        e: &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
    };
}

const M: [f64; 8] = [
    -7.502_846_399_306_121,
    2.561_846_144_803_919,
    -11.627_539_656_261_098,
    -0.182_687_676_599_422_56,
    0.030_198_172_008_377_946,
    1.0,
    1.0,
    1.0,
];
