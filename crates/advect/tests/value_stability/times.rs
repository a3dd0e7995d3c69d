//! Laws of times.

use advect::objectives::time_sampler::{CosMap, LogNormalNoise, Mode, UniformOverLogSnr};
use advect::prelude::*;

use crate::check;

#[test]
fn time_samplers() {
    let times =
        |sampler: &dyn TimeSampler| sampler.sample(3, &mut Generator::from_seed(7)).unwrap();
    let vp = VariancePreserving::default();
    check(&[
        (
            "uniform",
            times(&Uniform),
            &[0.15779609702061936, 0.1679893627721013, 0.7042761280364565],
        ),
        (
            "stratified",
            times(&Stratified),
            &[0.05259869900687312, 0.3893297875907004, 0.9014253760121521],
        ),
        (
            "uniform within",
            times(&UniformWithin::new(0.1, 0.9).unwrap()),
            &[0.2262368776164955, 0.23439149021768105, 0.6634209024291652],
        ),
        (
            "logit-normal",
            times(&LogitNormal::new(0.0, 1.0).unwrap()),
            &[0.3153181965204087, 0.2004600187020857, 0.7088309461588563],
        ),
        (
            "mode",
            times(&Mode::new(1.29).unwrap()),
            &[0.283708735194383, 0.2969370998751012, 0.5816952669099408],
        ),
        (
            "CosMap",
            times(&CosMap),
            &[0.20195968023278982, 0.21270833197745193, 0.6661810509526384],
        ),
        (
            "levels",
            times(&Levels::evenly_spaced(10).unwrap()),
            &[0.1111111111111111, 0.1111111111111111, 0.7777777777777778],
        ),
        (
            "log-normal noise",
            times(&LogNormalNoise::new(EdmSchedule::default(), -1.2, 1.2).unwrap()),
            &[0.7764625612898524, 0.8265215177066467, 0.609402041501126],
        ),
        (
            "uniform log-SNR",
            times(&UniformOverLogSnr::new(vp, 0.01, 0.99).unwrap()),
            &[0.14751091406511252, 0.15715565905176432, 0.8603725433963522],
        ),
    ]);
}
