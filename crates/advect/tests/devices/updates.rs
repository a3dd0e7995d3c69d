//! Updates of parameters in place, and numbers of tensors on the host.

use advect::candle::Var;
use advect::ops::update::{
    AdamWRates, LionRates, MomentumRates, Steps, adamw, average, descend, follow, lion, momentum,
    norm, round, scale, together, widen,
};
use advect::ops::{ScaledError, scaled_error, scaled_errors, squared_distances, with_gradient};
use advect::prelude::*;

use crate::place::Place;
use crate::report::Report;

/// A step of each kind, for a value, two moments and a gradient.
fn steps([value, first, second]: &[Var; 3], gradient: &Tensor) -> Result<()> {
    let adam = AdamWRates {
        decay: 0.99,
        rate: 0.1,
        correction: 0.001,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    let heavy = MomentumRates {
        rate: 0.1,
        decay: 0.2,
        momentum: 0.9,
        fresh: 0.7,
        ahead: 0.3,
        along: 0.6,
    };
    let signs = LionRates {
        decay: 0.9,
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.99,
    };
    adamw(value, first, second, gradient, &adam)?;
    momentum(value, first, gradient, &heavy)?;
    lion(value, first, gradient, &signs)?;
    descend(value, gradient, 0.9, 0.2)?;
    average(second, value, 0.75)
}

/// What three variables hold after these steps, each made of a tensor by a function.
fn after_steps(
    place: &Place,
    shape: &[usize],
    variable: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let [value, first, second, gradient] = [0, 1, 2, 3].map(|seed| place.normal(seed, shape));
    let var = |x: Tensor| Ok::<Var, Error>(Var::from_tensor(&variable(&x)?)?);
    // Second moments are not below 0.
    let variables = [var(value?)?, var(first?)?, var(second?.sqr()?)?];
    steps(&variables, &variable(&gradient?)?)?;
    Ok(variables.map(|var| var.as_detached_tensor()).into())
}

#[test]
fn in_place() {
    let mut report = Report::new();
    for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-14)] {
        let places = || [Place::tested(dtype), Place::exact(dtype)];
        for shape in [&[7, 5][..], &[1], &[3, 700]] {
            report.compare(
                &format!("steps {shape:?} {dtype:?}"),
                places(),
                tolerance,
                |place| after_steps(place, shape, |x| Ok(x.clone())),
            );
        }
        let same = [Place::tested(dtype), Place::same_on_cpu(dtype)];
        report.compare(&format!("bits of steps {dtype:?}"), same, 0.0, |place| {
            after_steps(place, &[3, 700], |x| Ok(x.clone()))
        });
        let name = format!("steps along rows {dtype:?}");
        report.compare(&name, places(), tolerance, |place| {
            after_steps(place, &[9, 5], |x| Ok(x.narrow(0, 2, 5)?))
        });
        let name = format!("steps along columns {dtype:?}");
        report.compare(&name, places(), tolerance, |place| {
            after_steps(place, &[7, 5], |x| Ok(x.t()?))
        });
        // Gradients in the variable's own memory.
        let name = format!("steps of themselves {dtype:?}");
        report.compare(&name, places(), tolerance, |place| {
            let value = Var::from_tensor(&place.normal(0, &[6, 6])?)?;
            descend(&value, value.as_tensor(), 0.9, 0.2)?;
            descend(&value, &value.t()?, 0.9, 0.2)?;
            average(&value, &value, 0.75)?;
            Ok(vec![value.as_detached_tensor()])
        });
    }
    report.holds("a variable given twice is refused", |place| {
        let x = place.normal(0, &[7, 5])?;
        let var = Var::from_tensor(&x)?;
        let rates = LionRates {
            decay: 0.9,
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.99,
        };
        let result = lion(&var, &var.clone(), &x, &rates);
        Ok(matches!(result, Err(Error::Range { .. })))
    });
    for (dtype, tolerance) in [
        (DType::F32, 1e-6),
        (DType::F64, 1e-14),
        (DType::BF16, 1e-2),
        (DType::F16, 1e-3),
    ] {
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare(&format!("averages {dtype:?}"), places, tolerance, |place| {
            let mean = Var::from_tensor(&place.normal(0, &[7, 5])?)?;
            average(&mean, &Var::from_tensor(&place.normal(1, &[7, 5])?)?, 0.75)?;
            let scaled = scale(&place.normal(2, &[7, 5])?, 0.3)?;
            Ok(vec![mean.as_detached_tensor(), scaled])
        });
    }
    report.finish();
}

/// More parameters than one launch is for, of a piece or several, some empty.
const SIZES: [usize; 20] = [
    1, 4095, 4096, 4097, 1, 7, 300, 12_300, 33, 2, 0, 5, 8193, 64, 3, 9, 0, 4, 1, 600,
];

/// Three variables and a gradient.
type Parameter = ([Var; 3], Tensor);

/// A parameter of each size, the last eight in another type.
fn parameters(place: &Place, last: DType) -> Result<Vec<Parameter>> {
    let each = |(k, &size): (usize, &usize)| {
        let dtype = if k < 12 { place.dtype } else { last };
        let draw = |seed: usize| {
            let x = place.normal((10 * k + seed) as u64, &[size])?;
            // candle doesn't convert empty tensors on a device.
            let x = x.to_device(&Device::Cpu)?.to_dtype(dtype)?;
            Ok::<Tensor, Error>(x.to_device(&place.device)?)
        };
        let var = |x: Tensor| Ok::<Var, Error>(Var::from_tensor(&x)?);
        // Second moments are not below 0.
        let variables = [var(draw(0)?)?, var(draw(1)?)?, var(draw(2)?.sqr()?)?];
        Ok((variables, draw(3)?))
    };
    SIZES.iter().enumerate().map(each).collect()
}

type Add<'a> = Box<dyn Fn(&mut Steps) -> Result<()> + 'a>;

/// A step of each kind for all parameters, with rates of their own.
fn of_each_kind(parameters: &[Parameter]) -> Vec<Add<'_>> {
    let mut kinds: [Vec<Add<'_>>; 5] = Default::default();
    for (k, ([value, first, second], gradient)) in parameters.iter().enumerate() {
        let own = 1.0 + k as f64;
        let adam = AdamWRates {
            decay: 1.0 - 0.01 * own,
            rate: 0.1 / own,
            correction: 0.001 * own,
            beta1: 0.9 - 0.01 * own,
            beta2: 0.999 - 0.001 * own,
            epsilon: 1e-8 * own,
        };
        let heavy = MomentumRates {
            rate: 0.1 / own,
            decay: 0.02 * own,
            momentum: 0.9 - 0.01 * own,
            fresh: 0.1 * own,
            ahead: 0.3 / own,
            along: 0.6 / own,
        };
        let signs = LionRates {
            decay: 1.0 - 0.01 * own,
            rate: 0.1 / own,
            beta1: 0.9 - 0.01 * own,
            beta2: 0.99 - 0.01 * own,
        };
        let of_kinds: [Add<'_>; 5] = [
            Box::new(move |steps| steps.adamw(value, first, second, gradient, &adam)),
            Box::new(move |steps| steps.momentum(value, first, gradient, &heavy)),
            Box::new(move |steps| steps.lion(value, first, gradient, &signs)),
            Box::new(move |steps| steps.descend(value, gradient, 1.0 - 0.01 * own, 0.2 / own)),
            Box::new(move |steps| steps.average(second, value, 1.0 - 0.5 / own)),
        ];
        for (kind, add) in kinds.iter_mut().zip(of_kinds) {
            kind.push(add);
        }
    }
    kinds.into_iter().flatten().collect()
}

fn average_of(([x, ..], y): &Parameter) -> Add<'_> {
    Box::new(move |steps| steps.average(x, y, 0.75))
}

fn one_by_one(steps: &[Add<'_>]) -> Result<()> {
    steps
        .iter()
        .try_for_each(|add| together(|steps| add(steps)))
}

fn at_once(steps: &[Add<'_>]) -> Result<()> {
    together(|several| steps.iter().try_for_each(|add| add(several)))
}

fn held(parameters: &[Parameter]) -> Vec<Tensor> {
    let variables = parameters.iter().flat_map(|(variables, _)| variables);
    variables.map(|var| var.as_detached_tensor()).collect()
}

/// Whether steps at once leave the bits of one after another.
fn alike(
    make: impl Fn() -> Result<Vec<Parameter>>,
    steps: impl Fn(&[Parameter]) -> Vec<Add<'_>>,
) -> Result<bool> {
    let [ours, expected] = [make()?, make()?];
    at_once(&steps(&ours))?;
    one_by_one(&steps(&expected))?;
    same(&held(&ours), &held(&expected))
}

/// Whether all bits are the same.
fn same(x: &[Tensor], y: &[Tensor]) -> Result<bool> {
    let bits = |x: &Tensor| -> Result<Vec<u64>> {
        let x = x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        let numbers = x.flatten_all()?.to_vec1::<f64>()?;
        Ok(numbers.into_iter().map(f64::to_bits).collect())
    };
    for (x, y) in x.iter().zip(y) {
        if x.dtype() != y.dtype() || bits(x)? != bits(y)? {
            return Ok(false);
        }
    }
    Ok(x.len() == y.len())
}

#[test]
fn several_at_once() {
    let mut report = Report::new();
    for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-14)] {
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare(&format!("steps of {dtype:?}"), places, tolerance, |place| {
            let parameters = parameters(place, place.dtype)?;
            at_once(&of_each_kind(&parameters))?;
            Ok(held(&parameters))
        });
    }
    for last in [DType::F32, DType::F64] {
        report.holds(&format!("bits, the last in {last:?}"), |place| {
            alike(|| parameters(place, last), of_each_kind)
        });
    }
    report.holds("on several devices, in columns", |place| {
        let make = || {
            let mut mixed = parameters(place, place.dtype)?;
            let here = Place::same_on_cpu(place.dtype);
            for (k, other) in parameters(&here, place.dtype)?.into_iter().enumerate() {
                if k % 5 == 1 {
                    mixed[k] = other;
                }
            }
            // Not contiguous.
            let columns = |x: &Tensor| Ok::<Tensor, Error>(x.reshape((100, 3))?.t()?);
            let (variables, gradient) = &mixed[6];
            let [value, first, second] = variables.each_ref().map(|x| columns(x));
            let variables = [value?, first?, second?].map(|x| Var::from_tensor(&x).unwrap());
            mixed[8] = (variables, columns(gradient)?);
            Ok(mixed)
        };
        alike(make, of_each_kind)
    });
    for dtype in [DType::F16, DType::BF16] {
        report.holds(&format!("averages in {dtype:?}"), |place| {
            let make = || parameters(&Place::tested(dtype), place.dtype);
            alike(make, |parameters| {
                parameters.iter().map(average_of).collect()
            })
        });
    }
    report.finish();
}

/// Steps of three parameters.
type Case = fn(&[Var; 3]) -> Vec<Add<'_>>;

/// Steps that use the memory of others are made in their order.
#[test]
fn in_shared_memory() {
    let mut report = Report::new();
    let cases: [(&str, Case); 5] = [
        ("gradients that others change", |[x, y, z]| {
            vec![
                Box::new(move |steps| steps.descend(x, y, 1.0, 0.5)),
                Box::new(move |steps| steps.descend(y, x, 1.0, 0.25)),
                Box::new(move |steps| steps.descend(z, &y.narrow(0, 2, 4)?.reshape(4)?, 1.0, 0.5)),
            ]
        }),
        ("values that others have read", |[x, y, z]| {
            vec![
                Box::new(move |steps| steps.average(z, &y.narrow(0, 1, 4)?, 0.5)),
                Box::new(move |steps| steps.average(y, x, 0.5)),
            ]
        }),
        ("a parameter twice", |[x, y, _]| {
            vec![
                Box::new(move |steps| steps.average(x, y, 0.5)),
                Box::new(move |steps| steps.average(x, y, 0.25)),
            ]
        }),
        ("a parameter and a part of it", |[x, _, z]| {
            vec![
                Box::new(move |steps| steps.average(z, &x.narrow(0, 1, 4)?, 0.5)),
                Box::new(move |steps| steps.descend(x, x, 1.0, 0.5)),
                Box::new(move |steps| steps.descend(z, &x.narrow(0, 2, 4)?, 1.0, 0.5)),
            ]
        }),
        ("what waits is read", |[x, y, z]| {
            vec![
                Box::new(move |steps| steps.descend(x, y, 1.0, 0.5)),
                Box::new(move |steps| {
                    steps.make()?;
                    assert_eq!(steps.waiting(), 0);
                    steps.average(z, &(x.as_tensor() * 2.0)?.narrow(0, 0, 4)?, 0.5)
                }),
            ]
        }),
    ];
    for (name, steps) in cases {
        report.holds(name, |place| {
            let make = || {
                let var =
                    |seed, size| Ok::<Var, Error>(Var::from_tensor(&place.normal(seed, &[size])?)?);
                let gradient = place.normal(9, &[6])?;
                Ok(vec![([var(0, 6)?, var(1, 6)?, var(2, 4)?], gradient)])
            };
            alike(make, |parameters| steps(&parameters[0].0))
        });
    }
    report.finish();
}

/// With an error in the middle, those before it have been made but for those that wait.
#[test]
fn with_an_error() {
    let mut report = Report::new();
    for bad in [3, 9] {
        report.holds(&format!("at {bad}"), |place| {
            let [ours, expected] = [0, 0].map(|_| parameters(place, place.dtype));
            let (mut ours, expected) = (ours?, expected?);
            ours[bad].1 = place.normal(0, &[6])?;
            let (mut added, mut made) = (0, 0);
            let result = together(|steps| {
                for ([value, ..], gradient) in &ours {
                    made = added - steps.waiting();
                    steps.descend(value, gradient, 1.0, 0.5)?;
                    added += 1;
                }
                Ok(())
            });
            for ([value, ..], gradient) in &expected[..made] {
                descend(value, gradient, 1.0, 0.5)?;
            }
            let waited = if place.device.is_cpu() { 0 } else { bad % 8 };
            let refused = matches!(result, Err(Error::Shape { .. }));
            Ok(refused && made == bad - waited && same(&held(&ours), &held(&expected))?)
        });
    }
    report.finish();
}

#[test]
fn numbers() {
    let mut report = Report::new();
    let numbers = |values: &[f64]| Ok::<Tensor, Error>(Tensor::new(values, &Device::Cpu)?);
    for (dtype, tolerance) in [
        (DType::F32, 1e-5),
        (DType::F64, 1e-12),
        (DType::BF16, 2e-2),
        (DType::F16, 2e-2),
    ] {
        // Rows of a warp, of a block, and of several.
        for shape in [&[9, 3][..], &[3, 300], &[2, 4200], &[1]] {
            let places = [Place::tested(dtype), Place::exact(dtype)];
            let name = format!("errors {shape:?} {dtype:?}");
            report.compare(&name, places, tolerance, |place| {
                let (x, y) = (place.normal(0, shape)?, place.normal(1, shape)?);
                let error = (place.normal(2, shape)? * 1e-2)?;
                let all = scaled_error(&error, &x, &y, 1e-2, 1e-2)?;
                let each = scaled_errors(&error, &x, &y, 1e-2, 1e-2)?;
                let each = each.iter().flat_map(|e| [e.rms(), e.largest()]);
                Ok(vec![
                    numbers(&[all.rms(), all.largest()])?,
                    numbers(&each.collect::<Vec<f64>>())?,
                ])
            });
        }
        let places = [Place::tested(dtype), Place::exact(dtype)];
        report.compare(&format!("numbers {dtype:?}"), places, tolerance, |place| {
            let (x, y) = (place.normal(0, &[9, 3])?, place.normal(1, &[9, 3])?);
            // More than one launch's tensors, in several blocks, some empty, some views.
            let sizes = [1, 9000, 0, 4096, 4097, 1, 2, 3, 4, 5, 700];
            let many = (10..).zip(sizes).map(|(seed, n)| place.normal(seed, &[n]));
            let many = many.collect::<Result<Vec<Tensor>>>()?;
            let mut many: Vec<&Tensor> = many.iter().collect();
            let (part, across) = (x.narrow(0, 2, 3)?, y.t()?);
            many.extend([&part, &across]);
            Ok(vec![
                numbers(&[norm(&[&x, &y])?])?,
                numbers(&[norm(&many)?])?,
                numbers(&squared_distances(&x, &y)?)?,
            ])
        });
    }
    report.holds("finite and not", |place| {
        let x = place.normal(0, &[9, 3])?;
        let bad = (&x * f64::NAN)?;
        Ok(check::is_finite(&x)? && !check::is_finite(&bad)? && check::finite("x", &bad).is_err())
    });
    report.holds("norms of several types", |place| {
        let draw = |seed, dtype| Ok::<Tensor, Error>(place.normal(seed, &[40])?.to_dtype(dtype)?);
        let types = [DType::F32, DType::BF16, DType::F64, DType::F16, DType::F32];
        let tensors = (0..).zip(types).map(|(seed, dtype)| draw(seed, dtype));
        let tensors = tensors.collect::<Result<Vec<Tensor>>>()?;
        let here = norm(&tensors.iter().collect::<Vec<_>>())?;
        let on_cpu = tensors.iter().map(|x| Ok(x.to_device(&Device::Cpu)?));
        let on_cpu = on_cpu.collect::<Result<Vec<Tensor>>>()?;
        let there = norm(&on_cpu.iter().collect::<Vec<_>>())?;
        let vast = Tensor::new(&[3e200f64, 4e200], &place.device)?;
        let far = norm(&[&vast, &tensors[0]])? / 5e200 - 1.0;
        let nothing = norm(&[&tensors[0].zeros_like()?])?;
        let nan = norm(&[&(&tensors[1] * f64::NAN)?])?;
        let near = (here / there - 1.0).abs() < 1e-12 && far.abs() < 1e-12;
        Ok(near && nothing == 0.0 && nan.is_nan())
    });
    report.holds("errors that are no numbers", |place| {
        let (x, one) = (place.normal(0, &[2, 600])?, place.normal(1, &[2, 600])?);
        let bad = Tensor::cat(
            &[&one.narrow(0, 0, 1)?, &(one.narrow(0, 1, 1)? * f64::NAN)?],
            0,
        )?;
        let all = scaled_error(&bad, &x, &x, 0.1, 0.1)?;
        let each = scaled_errors(&bad, &x, &x, 0.1, 0.1)?;
        let nan = |e: ScaledError| e.rms().is_nan() && e.largest().is_nan();
        Ok(nan(all) && nan(each[1]) && each[0].rms().is_finite() && each[0].largest().is_finite())
    });
    report.same("a gradient of one's own", 1e-6, |place| {
        let var = Var::from_tensor(&place.normal(0, &[5])?)?;
        let value = var.as_detached_tensor().sqr()?;
        let y = with_gradient(&value, &[var.as_tensor().clone()], |g, _| {
            Ok(vec![(g * 3.0)?])
        })?;
        Ok(vec![y.sum_all()?.backward()?.get(&var).unwrap().clone()])
    });
    report.finish();
}

/// Parameters of 16 bits and their copies in f32, more than one launch is for, and of more than one piece.
#[test]
fn copies_of_sixteen_bits() {
    let mut report = Report::new();
    let sizes = [1, 3, 4096, 5000, 7, 12_300, 31, 32, 33, 100, 2];
    for dtype in [DType::F16, DType::BF16] {
        report.same(&format!("copies of {dtype:?}"), 0.0, |place| {
            let mut pairs = Vec::new();
            for (seed, &size) in (0..).zip(&sizes) {
                let copy = place.normal(seed, &[size])?;
                // Every other element has been changed.
                let kept: Vec<f32> = (0..size).map(|i| (i % 2) as f32).collect();
                let value = (&copy * Tensor::from_vec(kept, size, &place.device)?)?;
                let (value, copy) = (value.to_dtype(dtype)?, copy);
                pairs.push((Var::from_tensor(&value)?, Var::from_tensor(&copy)?));
            }
            let narrow = pairs.iter().map(|(value, _)| value.as_detached_tensor());
            let mut found = widen(narrow.collect())?;
            follow(&pairs)?;
            found.extend(pairs.iter().map(|(_, copy)| copy.as_detached_tensor()));
            for (_, copy) in &pairs {
                copy.set(&(copy.as_tensor() * 1.7)?.copy()?)?;
            }
            round(&pairs)?;
            found.extend(pairs.iter().map(|(value, _)| value.as_detached_tensor()));
            found.iter().map(|x| Ok(x.copy()?)).collect()
        });
    }
    report.holds("a copy given twice", |place| {
        let copy = Var::from_tensor(&place.normal(1, &[5])?)?;
        let value = |x: f64| -> Result<Var> {
            let value = (copy.as_detached_tensor() * x)?.to_dtype(DType::BF16)?;
            Ok(Var::from_tensor(&value)?)
        };
        follow(&[(value(2.0)?, copy.clone()), (value(3.0)?, copy.clone())])?;
        let expected = value(1.0)?.to_dtype(DType::F32)?;
        Ok(copy.to_vec1::<f32>()? == expected.to_vec1::<f32>()?)
    });
    report.finish();
}
