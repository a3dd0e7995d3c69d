//! An ordered, seeded store of parameters.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use advect_core::{Error, Key, Result, file};
use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};

use crate::store::buffer::{Role, compare};
use crate::store::initialization::{check_parameter, initialize};
use crate::store::misfit::Misfit;
use crate::{State, Stateful, Weights};

/// The parameters of one or more networks, in the order in which they were created.
///
/// It provides candle's [`VarBuilder`], so that networks written for candle can use it. A parameter's initial value
/// depends only on the store's key and the parameter's name, not on the order in which parameters are created. Clones
/// share the parameters.
///
/// Not every layer of candle's can be trained: `LayerNorm` with a bias, `RmsNorm`, `ops::softmax_last_dim`, `rotary_emb`
/// and `ops::sdpa` have no backward pass (candle 0.11), so neither their own parameters nor those before them get a
/// gradient. `ops::layer_norm_slow`, `ops::rms_norm_slow`, `ops::softmax` and `rope_slow` have one, as have this
/// library's operations. The running statistics of `BatchNorm` are parameters of the store without a gradient, too. The
/// trainer of `advect-train` names all parameters that a loss gives no gradient.
///
/// A network's [`buffer`](crate::buffer)s and [`constant`](crate::constant)s are part of the state as well, but not
/// parameters.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// // Any candle network:
/// let layer = candle_nn::linear(3, 2, store.builder().pp("layer"))?;
/// let names: Vec<String> = store.parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["layer.weight", "layer.bias"]);
///
/// // Its frozen twin shares the storage and builds no graph.
/// let twin = candle_nn::linear(3, 2, store.frozen().pp("layer"))?;
/// assert!(layer.weight().is_variable() && !twin.weight().is_variable());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "VarMap")]
#[doc(alias = "VarStore")]
#[doc(alias = "state_dict")]
#[derive(Clone)]
pub struct ParameterStore {
    entries: Arc<Mutex<Vec<Entry>>>,
    key: Key,
    dtype: DType,
    device: Device,
}

/// A tensor of the store.
#[derive(Clone)]
struct Entry {
    name: String,
    var: Var,
    role: Role,
}

/// The builder of a [`ParameterStore`], which provides the parameters of a network: candle's [`VarBuilder`], without
/// borrowed data.
pub type Builder = VarBuilder<'static>;

impl ParameterStore {
    /// Creates an empty store whose parameters will have this dtype, on this device, with initial values drawn from
    /// `key`.
    pub fn new(key: Key, dtype: DType, device: &Device) -> Self {
        ParameterStore {
            entries: Arc::default(),
            key,
            dtype,
            device: device.clone(),
        }
    }

    /// Returns a builder for networks in training. Parameters are created when they are first asked for, and shared
    /// when they are asked for again.
    #[doc(alias = "VarBuilder")]
    pub fn builder(&self) -> Builder {
        let backend = Box::new(Trainable(self.clone()));
        VarBuilder::from_backend(backend, self.dtype, self.device.clone())
    }

    /// Returns a builder for frozen twins: networks that share the storage of the parameters, so that they see every
    /// later update, but build no graph. Asking for a parameter that does not exist is an error.
    #[doc(alias = "no_grad")]
    #[doc(alias = "detach")]
    #[doc(alias = "eval")]
    pub fn frozen(&self) -> Builder {
        let backend = Box::new(Frozen(self.clone()));
        VarBuilder::from_backend(backend, self.dtype, self.device.clone())
    }

    /// Returns the parameters with their names, in the order in which they were created.
    #[doc(alias = "named_parameters")]
    pub fn parameters(&self) -> Vec<(String, Var)> {
        self.named(|role| role == Role::Parameter)
    }

    /// Returns the tensors that are not trained, with their names, in the order in which they were created: the
    /// [`buffer`](crate::buffer)s and [`constant`](crate::constant)s of networks.
    #[doc(alias = "named_buffers")]
    pub fn buffers(&self) -> Vec<(String, Var)> {
        self.named(|role| role != Role::Parameter)
    }

    /// Returns the parameters without their names, in the same order, for an optimiser.
    pub fn vars(&self) -> Vec<Var> {
        let parameters = self.parameters().into_iter();
        parameters.map(|(_, var)| var).collect()
    }

    /// Returns the parameters as tensors, in the same order, for functions that differentiate with respect to them.
    pub fn tensors(&self) -> Vec<Tensor> {
        (self.vars().iter())
            .map(|var| var.as_tensor().clone())
            .collect()
    }

    /// Returns the number of elements of all parameters together.
    #[doc(alias = "numel")]
    #[doc(alias = "number of parameters")]
    pub fn element_count(&self) -> usize {
        self.vars().iter().map(|var| var.elem_count()).sum()
    }

    /// Returns the dtype of the parameters.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Returns the device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns a store with the same names and copies of the values.
    ///
    /// # Errors
    /// Errors of candle.
    #[doc(alias = "deepcopy")]
    pub fn duplicate(&self) -> Result<Self> {
        let copies: candle_core::Result<Vec<_>> = (self.lock().iter())
            .map(|entry| {
                let values = entry.var.as_detached_tensor().copy()?;
                Ok(Entry {
                    var: Var::from_tensor(&values)?,
                    ..entry.clone()
                })
            })
            .collect();
        Ok(ParameterStore {
            entries: Arc::new(Mutex::new(copies?)),
            ..self.clone()
        })
    }

    /// Returns a store with the same names and copies of the values, those of 16 bits in f32.
    ///
    /// ```
    /// use advect_core::Key;
    /// use advect_nn::{Linear, ParameterStore};
    /// use candle_core::{DType, Device};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::BF16, &Device::Cpu);
    /// let net = Linear::new(2, 1, &store.builder())?;
    /// let wide = Linear::new(2, 1, &store.widened()?.builder())?; // a twin in f32
    /// assert_eq!(wide.weight().dtype(), DType::F32);
    /// let expected = net.weight().to_dtype(DType::F32)?;
    /// assert_eq!(wide.weight().to_vec2::<f32>()?, expected.to_vec2::<f32>()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Errors of candle.
    pub fn widened(&self) -> Result<Self> {
        let wide = |dtype: DType| match dtype {
            DType::F16 | DType::BF16 => DType::F32,
            other => other,
        };
        let copy = self.duplicate()?;
        for entry in copy.lock().iter_mut() {
            if wide(entry.var.dtype()) != entry.var.dtype() {
                let values = entry.var.as_detached_tensor();
                entry.var = Var::from_tensor(&values.to_dtype(wide(entry.var.dtype()))?)?;
            }
        }
        Ok(ParameterStore {
            dtype: wide(self.dtype),
            ..copy
        })
    }

    /// Writes the parameters and buffers to a safetensors file, atomically. PyTorch and what is built on it read it: `safetensors.torch.load_file`, and
    /// the `from_pretrained` of other libraries, which look for the entry `format` that says so.
    ///
    /// # Errors
    /// [`Error::File`].
    #[doc(alias = "safetensors")]
    #[doc(alias = "state_dict")]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let state = self.state();
        let format = HashMap::from([("format".to_string(), "pt".to_string())]);
        let bytes = safetensors::serialize(state.iter(), Some(format));
        let bytes = bytes.map_err(|e| Error::file(path, e))?;
        file::write_atomically(path, |f| f.write_all(&bytes))
    }

    /// Reads the values of all parameters and buffers from a file of safetensors or of PyTorch. A path stands for all weights in
    /// the file, and a value of [`Weights`] for those that it selects. Names, shapes and dtypes must be those of the
    /// store, and [`constant`](crate::constant)s must have its values; nothing changes unless all are.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be read or is of another network.
    #[doc(alias = "load_state_dict")]
    #[doc(alias = "safetensors")]
    #[doc(alias = "torch.load")]
    pub fn load(&self, weights: impl Into<Weights>) -> Result<()> {
        let weights = weights.into();
        let state = weights.read()?;
        self.restore(&state)
            .map_err(|e| Error::file(weights.path(), e))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        // The list is never left half-changed, so a panic elsewhere does no harm to it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tensors of some roles.
    fn named(&self, wanted: impl Fn(Role) -> bool) -> Vec<(String, Var)> {
        let entries = self.lock();
        let entries = entries.iter().filter(|entry| wanted(entry.role));
        let pairs = entries.map(|entry| (entry.name.clone(), entry.var.clone()));
        pairs.collect()
    }

    fn get(&self, name: &str) -> Option<Var> {
        let entries = self.lock();
        let found = entries.iter().find(|entry| entry.name == name);
        found.map(|entry| entry.var.clone())
    }

    /// Whether there is a tensor of a name. The name of a buffer or constant to be asks whether it may be.
    fn has(&self, name: &str) -> bool {
        Role::of(name).1 != Role::Parameter || self.get(name).is_some()
    }

    /// The parameter of a name, checked against the shape and dtype that a network expects.
    fn existing(&self, name: &str, shape: &Shape, dtype: DType) -> Result<Option<Var>> {
        let Some(var) = self.get(name) else {
            return Ok(None);
        };
        if var.shape() != shape {
            let accepted = format!("{:?}, its shape in the store", var.dims());
            return Err(Error::shape(name.to_string(), shape.dims(), accepted));
        }
        if var.dtype() != dtype {
            let accepted = format!("{:?}, its dtype in the store", var.dtype());
            return Err(Error::dtype(name.to_string(), dtype, accepted));
        }
        Ok(Some(var))
    }
}

impl Stateful for ParameterStore {
    fn variables(&self) -> Vec<(String, Var)> {
        self.named(|_| true)
    }

    fn validate(&self, state: &State) -> Result<()> {
        let variables: BTreeMap<String, Var> = self.variables().into_iter().collect();
        if let Some(error) = Misfit::new(&variables, state).error(&variables, state) {
            return Err(error);
        }
        for (name, var) in self.named(|role| role == Role::Constant) {
            if let Some(given) = state.get(&name) {
                compare(&name, given, &var)?;
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for ParameterStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shapes = |entry: &Entry| (entry.name.clone(), entry.var.dims().to_vec());
        f.debug_map()
            .entries(self.lock().iter().map(shapes))
            .finish()
    }
}

fn missing(name: &str) -> candle_core::Error {
    Error::range(name.to_string(), "no parameter", "a parameter of the store").into()
}

/// The backend of [`ParameterStore::builder`].
struct Trainable(ParameterStore);

impl SimpleBackend for Trainable {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let (name, role) = Role::of(name);
        if let Some(var) = self.0.existing(name, &shape, dtype)? {
            return Ok(var.as_tensor().clone());
        }
        check_parameter(name, &shape, dtype)?;
        let values = initialize(self.0.key.named(name), shape, init, dtype, device)?;
        let var = Var::from_tensor(&values)?;
        let mut entries = self.0.lock();
        // Another thread may have made it meanwhile, with the same values.
        if let Some(other) = entries.iter().find(|entry| entry.name == name) {
            return Ok(other.var.as_tensor().clone());
        }
        entries.push(Entry {
            name: name.to_string(),
            var: var.clone(),
            role,
        });
        Ok(var.into_inner())
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        let var = self.0.get(name).ok_or_else(|| missing(name))?;
        Ok(var.into_inner())
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.has(name)
    }
}

/// The backend of [`ParameterStore::frozen`].
struct Frozen(ParameterStore);

impl SimpleBackend for Frozen {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        _: &Device,
    ) -> candle_core::Result<Tensor> {
        let (name, _) = Role::of(name);
        let var = self
            .0
            .existing(name, &shape, dtype)?
            .ok_or_else(|| missing(name))?;
        Ok(var.as_detached_tensor())
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        let var = self.0.get(name).ok_or_else(|| missing(name))?;
        Ok(var.as_detached_tensor())
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.has(name)
    }
}
