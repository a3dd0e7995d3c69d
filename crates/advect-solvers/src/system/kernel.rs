//! Formulas by the kernel of programs, in the CPU's memory.

use advect_core::{Error, Result, parallel};
use advect_kernels::program::{Input, Programs};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor, WithDType};

use super::evaluate::Argument;
use super::formula::Formula;

/// The multiple of which pieces of the rows are long.
const PIECE: usize = 64;

/// The rows of the outputs, outside of any graph. The tensors are of one dtype, f32 or f64, and at least one has rows.
pub(super) fn values(formula: &Formula, arguments: &[Argument]) -> Result<Tensor> {
    let dtype = arguments
        .iter()
        .find_map(Argument::tensor)
        .map(Tensor::dtype);
    match dtype {
        Some(DType::F64) => of::<f64>(formula, arguments),
        _ => of::<f32>(formula, arguments),
    }
}

/// An argument whose numbers lie one after the other.
enum Lying<'a> {
    Shared(&'a [f64]),
    SharedOwned(Vec<f64>),
    Rows(Tensor),
}

fn of<T: Programs + WithDType>(formula: &Formula, arguments: &[Argument]) -> Result<Tensor> {
    let program = formula.program();
    let mut rows = 0;
    let mut lying = Vec::with_capacity(arguments.len());
    for argument in arguments {
        lying.push(match argument {
            Argument::Numbers(numbers) => Lying::Shared(numbers),
            Argument::Shared(x) => Lying::SharedOwned(x.to_dtype(DType::F64)?.to_vec1()?),
            Argument::Rows(x) => {
                rows = x.dims()[0];
                Lying::Rows(x.contiguous()?)
            }
        });
    }
    let mut locked = Vec::with_capacity(arguments.len());
    for argument in &lying {
        locked.push(match argument {
            Lying::Rows(x) => Some(x.storage_and_layout()),
            _ => None,
        });
    }
    let mut inputs = Vec::with_capacity(arguments.len());
    for ((argument, locked), &width) in lying.iter().zip(&locked).zip(formula.widths()) {
        inputs.push(match (argument, locked) {
            (Lying::Shared(numbers), _) => Input::Shared(numbers),
            (Lying::SharedOwned(numbers), _) => Input::Shared(numbers),
            (Lying::Rows(_), None) => Input::Rows(&[], width),
            (Lying::Rows(_), Some((storage, layout))) => {
                let start = layout.start_offset();
                let range = start..start + layout.shape().elem_count();
                Input::Rows(&T::cpu_storage_as_slice(host(storage)?)?[range], width)
            }
        });
    }
    let width = program.outputs();
    let time = program.nanoseconds(rows);
    let piece = parallel::piece(rows, PIECE, time);
    let out = if piece >= rows {
        T::run_rows(program, rows, &inputs)
    } else {
        let mut out = vec![T::zero(); rows * width];
        let pieces = out.chunks_mut((piece * width).max(1)).enumerate().collect();
        parallel::each(pieces, time, |(i, out): (usize, &mut [T])| {
            let rows = i * piece..i * piece + out.len() / width;
            let inputs = inputs.iter().map(|input| input.part(rows.clone()));
            T::run(program, rows.len(), &inputs.collect::<Vec<_>>(), out);
        });
        out
    };
    drop(inputs);
    drop(locked);
    Ok(Tensor::from_vec(out, (rows, width), &Device::Cpu)?)
}

/// The numbers of a tensor that is in the CPU's memory.
fn host(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        other => Err(Error::Device {
            argument: "x".into(),
            given: format!("{:?}", other.device().location()),
            accepted: "the CPU".into(),
        }),
    }
}
