use super::*;

#[test]
fn bad_settings_are_refused() {
    let good = Adaptive::new(1e-3, 1e-3).unwrap();
    for bad in [-1e-3, f64::NAN, f64::INFINITY] {
        let error = Adaptive::new(bad, 1e-3).unwrap_err();
        assert!(error.to_string().starts_with("rtol: "), "{error}");
        let error = Adaptive::new(1e-3, bad).unwrap_err();
        assert!(error.to_string().starts_with("atol: "), "{error}");
    }
    for bad in [0.0, -1e-3, f64::NAN, f64::INFINITY] {
        assert!(good.first_step(bad).is_err() && good.max_step(bad).is_err());
        assert!(good.min_step(bad).is_err() && good.gains(0.0, bad, 0.0).is_err());
    }
    assert!(Adaptive::new(0.0, 0.0).is_err());
    assert!(Adaptive::new(0.0, 1e-3).is_ok() && Adaptive::new(1e-3, 0.0).is_ok());
    assert!(good.max_step(0.1).unwrap().min_step(0.2).is_err());
    assert!(good.min_step(0.2).unwrap().max_step(0.1).is_err());
    assert!(good.max_steps(0).is_err());
    assert!(good.gains(-0.1, 1.0, 0.0).is_err());
    assert!(good.gains(0.3, 0.4, f64::NAN).is_err());
}
