//! Draws of pairs from a transport plan.

use advect_core::{Generator, Result};
use advect_transport::{Entry, Plan};
use rand_distr::StandardUniform;

use crate::cumulative::Cumulative;

/// A source for each target, in the order of the targets, drawn from the target's column of a plan.
pub(super) fn by_target(plan: &Plan, rng: &mut Generator) -> Result<(Vec<u32>, Vec<u32>)> {
    let columns = plan.columns();
    let rows = || plan.values().chunks_exact(columns);
    let mut totals = vec![0.0; columns];
    for row in rows() {
        for (total, mass) in totals.iter_mut().zip(row) {
            *total += mass;
        }
    }
    let uniform = rng.values(&StandardUniform, columns)?;
    // Rounding must not reach the total, beyond which there is nothing.
    let goal = |(u, total): (f64, &f64)| (u * total).min(total.next_down());
    let goals: Vec<f64> = uniform.into_iter().zip(&totals).map(goal).collect();
    // The first row at which the column's sum is beyond its goal has as many before it as there are sums that are not.
    let (mut sums, mut before) = (vec![0.0; columns], vec![0.0; columns]);
    for row in rows() {
        let columns = (sums.iter_mut().zip(&mut before)).zip(goals.iter().zip(row));
        for ((sum, before), (goal, mass)) in columns {
            *sum += mass;
            *before += f64::from(u8::from(*sum <= *goal));
        }
    }
    let source = before.into_iter().map(|count: f64| count as u32).collect();
    Ok((source, (0..columns as u32).collect()))
}

/// [`by_target`] for a plan of few entries.
pub(super) fn by_target_of(
    entries: &[Entry],
    columns: usize,
    rng: &mut Generator,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let mut totals = vec![0.0; columns];
    for entry in entries {
        totals[entry.column] += entry.mass;
    }
    let uniform = rng.values(&StandardUniform, columns)?;
    let mut rest: Vec<f64> = uniform
        .into_iter()
        .zip(totals)
        .map(|(u, total)| u * total)
        .collect();
    // Where rounding leaves a rest, the last entry will do.
    let mut source = vec![0; columns];
    for entry in entries {
        let rest = &mut rest[entry.column];
        if *rest >= 0.0 {
            source[entry.column] = entry.row as u32;
        }
        *rest -= entry.mass;
    }
    Ok((source, (0..columns as u32).collect()))
}

/// Independent draws of a plan's entries.
pub(super) fn independent(
    plan: &Plan,
    count: usize,
    rng: &mut Generator,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let entries = Cumulative::new(plan.values()).draw(count, rng)?;
    let split = |e: usize| ((e / plan.columns()) as u32, (e % plan.columns()) as u32);
    Ok(entries.into_iter().map(split).unzip())
}

/// One column for each row, in random order, by the plan among the columns that are left.
pub(super) fn permutation(plan: &Plan, rng: &mut Generator) -> Result<(Vec<u32>, Vec<u32>)> {
    let n = plan.rows();
    let mut order: Vec<(f64, usize)> = (rng.values(&StandardUniform, n)?.into_iter())
        .zip(0..n)
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let uniform = rng.values(&StandardUniform, n)?;
    let mut left: Vec<usize> = (0..n).collect();
    let mut target = vec![0; n];
    for ((_, i), u) in order.into_iter().zip(uniform) {
        let row = plan.row(i);
        let mut rest = u * left.iter().map(|&j| row[j]).sum::<f64>();
        // Where nothing is left by the plan, the last will do.
        let mut choice = left.len() - 1;
        for (k, &j) in left.iter().enumerate() {
            rest -= row[j];
            if rest < 0.0 {
                choice = k;
                break;
            }
        }
        target[i] = left.swap_remove(choice) as u32;
    }
    Ok(((0..n as u32).collect(), target))
}
