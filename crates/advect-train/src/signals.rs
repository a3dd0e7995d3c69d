//! Signals of the system that end a run.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use advect_core::{Error, Observer, Result};
use signal_hook::{consts, flag};

/// The number of the signal that arrived, or 0; and whether one did.
static ARRIVED: AtomicUsize = AtomicUsize::new(0);
static HAS_ARRIVED: AtomicBool = AtomicBool::new(false);
/// The result of the installation, which is made once.
static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();

/// Requests from outside to end the process: SIGINT (Ctrl-C), SIGTERM and, on Unix, SIGHUP.
///
/// As an observer of any run, it stops the run after the step in which the first of them arrives, so that the run can be saved.
/// A second one ends the process at once, with the status 128 + n for signal n.
///
/// Two lines make a run that can be ended at any time and goes on from where it was:
///
/// ```no_run
/// # use advect_core::{Generator, Key};
/// # use advect_nn::{Linear, ParameterStore};
/// # use advect_train::{AdamW, AdamWConfig, CheckpointFolder, Signals, Trainer};
/// # use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// # let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// # let net = Linear::new(1, 1, &store.builder())?;
/// # let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// # let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
/// # let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
/// # let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
/// # let folder = CheckpointFolder::open("run")?.every(1000)?;
/// # folder.resume(&mut trainer)?;
/// let signals = Signals::install()?;
/// trainer.run(100_000, loss, &mut folder.after(signals))?; // saves when it is stopped
/// signals.exit_if_received();
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SIGINT")]
#[doc(alias = "SIGTERM")]
#[doc(alias = "ctrlc")]
#[doc(alias = "preemption")]
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Signals;

impl Signals {
    /// Catches the signals from here on until the process ends. Signals that the process ignores, as under `nohup`
    /// SIGHUP, stay ignored on Linux.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the system refuses.
    pub fn install() -> Result<Self> {
        let installed = INSTALLED.get_or_init(|| {
            let ignored = ignored();
            for signal in Signal::ALL {
                if ignored & (1 << (signal.0 - 1)) == 0 {
                    install(signal).map_err(|e| format!("{signal} can't be caught: {e}"))?;
                }
            }
            Ok(())
        });
        match installed {
            Ok(()) => Ok(Signals),
            Err(reason) => Err(Error::stopped("the installation of signals", reason)),
        }
    }

    /// Returns the signal that has arrived, if there is one.
    pub fn received(self) -> Option<Signal> {
        let number = ARRIVED.load(Ordering::SeqCst);
        Signal::ALL
            .into_iter()
            .find(|signal| signal.0 as usize == number)
    }

    /// Ends the process with the status 128 + n and a message on standard error, if signal n has arrived. Otherwise it does nothing.
    pub fn exit_if_received(self) {
        if let Some(signal) = self.received() {
            eprintln!("ended by {signal}, after its step");
            std::process::exit(signal.exit_status());
        }
    }
}

impl<E: ?Sized> Observer<E> for Signals {
    fn observe(&mut self, _: &E) -> Result<ControlFlow<()>> {
        Ok(match self.received() {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        })
    }
}

/// A signal that asks a process to end. It displays as its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    #[cfg(unix)]
    const ALL: [Signal; 3] = [
        Signal(consts::SIGINT),
        Signal(consts::SIGTERM),
        Signal(consts::SIGHUP),
    ];
    #[cfg(not(unix))]
    const ALL: [Signal; 2] = [Signal(consts::SIGINT), Signal(consts::SIGTERM)];

    /// Returns 128 + n for signal n: the status with which a shell reports a process that the signal ended.
    pub fn exit_status(self) -> i32 {
        128 + self.0
    }

    /// Returns the name of the signal.
    pub fn name(self) -> &'static str {
        match self.0 {
            consts::SIGINT => "SIGINT",
            consts::SIGTERM => "SIGTERM",
            _ => "SIGHUP",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The order matters: what a second signal does comes before what the first one sets.
fn install(signal: Signal) -> std::io::Result<()> {
    flag::register_conditional_shutdown(signal.0, signal.exit_status(), &HAS_ARRIVED)?;
    flag::register_usize(signal.0, &ARRIVED, signal.0 as usize)?;
    flag::register(signal.0, &HAS_ARRIVED)?;
    Ok(())
}

/// The signals that this process ignores, as bits, where Linux says it.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.unwrap_or(0)
}
