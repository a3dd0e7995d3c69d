//! Tensors that go by their devices' connection, of which there is a double here.

use std::cell::RefCell;
use std::rc::Rc;

use advect_core::{Error, Result};
use advect_parallel::{DeviceCommunicator, Ranks, Threads};
use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};

use crate::contract;

type Calls = Rc<RefCell<Vec<String>>>;

/// Adds and copies tensors of the CPU, but those of f64, by gathers, and notes what it was called with.
struct Double {
    ranks: Ranks,
    calls: Calls,
}

impl Double {
    /// Gives one to these ranks, and returns what will be called.
    fn join(ranks: &Ranks) -> Result<Calls> {
        let calls = Calls::default();
        ranks.connect_devices(Double {
            ranks: ranks.clone(),
            calls: calls.clone(),
        })?;
        Ok(calls)
    }

    fn called(&self, operation: &str, tensor: &Tensor) {
        assert!(tensor.is_contiguous());
        let call = format!("{operation} {:?} {:?}", tensor.dtype(), tensor.dims());
        self.calls.borrow_mut().push(call);
    }

    /// The tensors of all ranks. Gathers are the communicator's.
    fn all(&self, tensor: &Tensor) -> Result<Vec<Tensor>> {
        let all = self.ranks.gather_rows(&tensor.unsqueeze(0)?)?;
        (0..self.ranks.size())
            .map(|rank| Ok(all.get(rank)?))
            .collect()
    }
}

impl DeviceCommunicator for Double {
    fn takes(&self, device: &Device, dtype: DType) -> bool {
        device.is_cpu() && dtype != DType::F64
    }

    fn all_reduce(&self, tensor: &Tensor) -> Result<Tensor> {
        self.called("sum", tensor);
        let mut all = self.all(tensor)?.into_iter();
        let first = all.next().unwrap();
        all.try_fold(first, |sum, x| Ok((sum + x)?))
    }

    fn broadcast(&self, tensor: &Tensor) -> Result<Tensor> {
        self.called("broadcast", tensor);
        Ok(self.all(tensor)?.swap_remove(0))
    }
}

#[test]
fn the_contract_holds() {
    let program = |ranks: Ranks| {
        let calls = Double::join(&ranks)?;
        contract::check(ranks)?;
        assert!(calls.borrow().iter().any(|call| call.starts_with("sum")));
        assert!(
            calls
                .borrow()
                .iter()
                .any(|call| call.starts_with("broadcast"))
        );
        Ok(())
    };
    program(Ranks::alone()).unwrap();
    for result in Threads::new(2).unwrap().run(program) {
        result.unwrap();
    }
}

/// Neighbours of one way are one vector. f64 goes by the hosts here, and what is empty by none.
#[test]
fn tensors_go_by_the_connection_that_takes_them() {
    let program = |ranks: Ranks| {
        let calls = Double::join(&ranks)?;
        let (cpu, x) = (&Device::Cpu, ranks.rank() as f64 + 1.0);
        let strided = Tensor::full(x as f32, (2, 3), cpu)?.t()?;
        let tensors = [
            Tensor::full(x as f32, (2, 2), cpu)?,
            strided.narrow(0, 1, 2)?,
            Tensor::full(x, 5, cpu)?,
            Tensor::full(f16::from_f64(x), (1, 2), cpu)?,
            Tensor::full(0f32, (0, 3), cpu)?,
            Tensor::full(bf16::from_f64(x), (), cpu)?,
            Tensor::full(x as f32, 7_000_000, cpu)?,
            Tensor::full(x as f32, 1, cpu)?,
        ];
        let sums = ranks.sum(&tensors)?;
        for (sum, tensor) in sums.iter().zip(&tensors) {
            assert_eq!((sum.dims(), sum.dtype()), (tensor.dims(), tensor.dtype()));
            let values = sum.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            assert!(values.iter().all(|sum| *sum == 3.0), "{tensor}");
        }
        let expected = [
            "sum F32 [8]",
            "sum F32 [3]",
            "sum F32 [7000000]",
            "sum F32 [1]",
        ];
        assert_eq!(*calls.borrow(), expected);
        assert!(ranks.sum(&[tensors[4].clone()])?[0].elem_count() == 0);
        assert_eq!(calls.borrow().len(), 4);

        ranks.broadcast(&strided)?;
        ranks.broadcast(&tensors[2])?;
        ranks.broadcast(&tensors[4])?;
        assert_eq!(calls.borrow()[4..], ["broadcast F32 [3, 2]"]);
        // Clones are the same ranks.
        assert!(matches!(
            Double::join(&ranks.clone()),
            Err(Error::Range { .. })
        ));
        Ok(())
    };
    for result in Threads::new(2).unwrap().run(program) {
        result.unwrap();
    }
}

/// 2048 + 1 + 1: in f16 each of the sums would be rounded to 2048.
#[test]
fn sixteen_bits_are_added_in_f32() {
    let program = |ranks: Ranks| {
        Double::join(&ranks)?;
        let value = f16::from_f64([2048.0, 1.0, 1.0][ranks.rank()]);
        let sum = ranks.sum(&[Tensor::new(&[value], &Device::Cpu)?])?;
        Ok(sum[0].to_vec1::<f16>()?)
    };
    for sum in Threads::new(3).unwrap().run(program) {
        assert_eq!(sum.unwrap(), [f16::from_f64(2050.0)]);
    }
}

/// Sums leave no graph behind, as by the hosts.
#[test]
fn sums_are_detached() {
    let ranks = Ranks::alone();
    Double::join(&ranks).unwrap();
    let x = candle_core::Var::new(&[1f32, 2.0], &Device::Cpu).unwrap();
    let y = x.affine(2.0, 0.0).unwrap();
    let sums = ranks.sum(&[y.clone(), y.clone()]).unwrap();
    let root = ranks.broadcast(&y).unwrap();
    for x in [&sums[0], &sums[1], &root] {
        assert_eq!(x.to_vec1::<f32>().unwrap(), [2.0, 4.0]);
        assert!(!x.track_op());
    }
}
