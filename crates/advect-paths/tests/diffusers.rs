//! Against diffusers 0.42.1 (`golden/samplers_diffusers.json`, f32 tables): ᾱ and posterior variances of DDPM's steps.

use advect_paths::schedule::DiscreteDiffusion;
use approx::assert_relative_eq;
use serde_json::Value;

#[test]
fn tables_agree() {
    let golden: Value =
        serde_json::from_str(include_str!("golden/samplers_diffusers.json")).unwrap();
    let numbers = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
    let linear = DiscreteDiffusion::default();
    let cosine = DiscreteDiffusion::cosine(1000).unwrap();
    let bars = &golden["alphas_cumprod"];
    for (i, index) in numbers(&bars["index"]).into_iter().enumerate() {
        // Their step 0 is our 1.
        let k = index as usize + 1;
        for (name, ours) in [("linear", &linear), ("squaredcos", &cosine)] {
            let theirs = numbers(&bars[name])[i];
            assert_relative_eq!(ours.alpha_bar(k), theirs, max_relative = 2e-4);
        }
    }
    let variances = &golden["posterior_variance"];
    for (i, index) in numbers(&variances["index"]).into_iter().enumerate() {
        let theirs = numbers(&variances["linear"])[i];
        let ours = linear.posterior_variance(index as usize + 1);
        // They put 1e-20 for 0; and differences of f32 numbers near 1 leave three digits of small rates.
        assert_relative_eq!(ours, theirs, max_relative = 5e-4, epsilon = 1e-19);
    }
}
