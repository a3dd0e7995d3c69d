//! Rows of a table or pictures, some of them held out.

use std::path::Path;

use advect::data::images::{Folder, write_grid};
use advect::data::{Csv, Missing, Standardization, Table, split, write_npy};
use advect::prelude::*;
use advect_examples::{draw_points, fitting_unet};

use crate::network::Net;
use advect_examples::configuration::{self, Config};

/// Samples with a label each.
pub(crate) struct Part {
    /// Numbers of a table, or bytes of pictures.
    samples: Tensor,
    labels: Tensor,
}

/// What is learned, and what is held out.
pub(crate) struct Data {
    pub(crate) train: Part,
    pub(crate) held_out: Part,
    /// Classes, of which there is one where there are no labels.
    pub(crate) classes: usize,
    kind: Kind,
}

enum Kind {
    Rows { table: Table, map: Standardization },
    Images,
}

impl Part {
    pub(crate) fn len(&self) -> usize {
        self.labels.elem_count()
    }

    pub(crate) fn tensors(&self) -> [&Tensor; 2] {
        [&self.samples, &self.labels]
    }
}

impl Data {
    pub(crate) fn read(config: &Config, key: Key) -> Result<Self> {
        match (&config.data.csv, &config.data.images) {
            (Some(path), _) => Self::rows(path, &config.data, key),
            (_, Some(path)) => Self::images(path, &config.data, key),
            _ => Err(Error::range("data", "none", "data.csv or data.images")),
        }
    }

    fn rows(path: &Path, config: &configuration::Data, key: Key) -> Result<Self> {
        let mut csv = Csv::new(path)
            .separator(config.separator as u8)
            .without(&config.without)
            .missing(match config.missing {
                configuration::Missing::Refuse => Missing::Refuse,
                configuration::Missing::Drop => Missing::DropRow,
                configuration::Missing::Mean => Missing::FillMean,
            });
        if let Some(columns) = &config.columns {
            csv = csv.columns(columns);
        }
        if let Some(label) = &config.label {
            csv = csv.label(label);
        }
        let table = csv.read()?;
        let fraction = config.held_out;
        let (train, held_out, map) =
            table.standardized_split(fraction, key, DType::F32, &Device::Cpu)?;
        let part = |rows: &Table| -> Result<Part> {
            let labels = match config.label {
                Some(_) => rows.labels()?.clone(),
                None => Tensor::zeros(rows.len(), DType::U32, &Device::Cpu)?,
            };
            let samples = rows.values().clone();
            Ok(Part { samples, labels })
        };
        Ok(Data {
            train: part(&train)?,
            held_out: part(&held_out)?,
            classes: table.classes().len().max(1),
            kind: Kind::Rows { table, map },
        })
    }

    fn images(path: &Path, config: &configuration::Data, key: Key) -> Result<Self> {
        let mut folder = Folder::new(path);
        if let Some(size) = config.size {
            folder = folder.size(size);
        }
        let (images, _) = folder.read()?;
        let (train, held_out) = split(images.len(), config.held_out, key)?;
        let part = |indices: &Tensor| -> Result<Part> {
            Ok(Part {
                samples: images.pixels.index_select(indices, 0)?,
                labels: images.labels.index_select(indices, 0)?,
            })
        };
        Ok(Data {
            train: part(&train)?,
            held_out: part(&held_out)?,
            classes: images.classes.len().max(1),
            kind: Kind::Images,
        })
    }

    /// A network that fits the data.
    pub(crate) fn network(
        &self,
        config: &configuration::Network,
        store: &ParameterStore,
    ) -> Result<Net> {
        let builder = store.builder();
        match self.train.samples.dims() {
            &[_, channels, height, width] => {
                let dim = [channels, height, width];
                let net = fitting_unet(dim, config.channels, self.classes);
                Ok(Net::Images(Box::new(net.build(&builder)?)))
            }
            dims => {
                let net = Mlp::config(dims[1]).hidden(&vec![config.width; config.layers]);
                let net = net.classes(self.classes).build(&builder)?;
                Ok(Net::Rows(net))
            }
        }
    }

    /// The shape of so many samples.
    pub(crate) fn shape(&self, count: usize) -> Vec<usize> {
        [&[count][..], &self.train.samples.dims()[1..]].concat()
    }

    /// Numbers on a device, from those of a table or from bytes.
    pub(crate) fn numbers(&self, samples: &Tensor, device: &Device) -> Result<Tensor> {
        let samples = match samples.dtype() {
            DType::U8 => Normalization::default().apply(samples, DType::F32)?,
            _ => samples.clone(),
        };
        Ok(samples.to_device(device)?)
    }

    /// The classes in turn.
    pub(crate) fn labels(&self, count: usize, device: &Device) -> Result<Tensor> {
        let labels: Vec<u32> = (0..self.classes as u32).cycle().take(count).collect();
        Ok(Tensor::new(labels, device)?)
    }

    /// Settings without which a resumed run would learn other data.
    pub(crate) fn setting(&self) -> String {
        match &self.kind {
            Kind::Rows { map, .. } => map.to_string(),
            Kind::Images => format!("{:?}", self.train.samples.dims()),
        }
    }

    /// Draws samples: those of a table as points beside the data, pictures in rows.
    pub(crate) fn draw(&self, path: &Path, samples: &Tensor, labels: &Tensor) -> Result<()> {
        match &self.kind {
            Kind::Rows { table, map } => {
                let labels = (!table.classes().is_empty()).then_some(labels);
                draw_points(path, table, &table.unstandardized(samples, labels, map)?)
            }
            Kind::Images => write_grid(path, samples, 10),
        }
    }

    /// Writes samples to `samples.npy` and, of a table, to `samples.csv`, in its units.
    pub(crate) fn write(&self, folder: &Path, samples: &Tensor, labels: &Tensor) -> Result<()> {
        let npy = folder.join("samples.npy");
        match &self.kind {
            Kind::Rows { table, map } => {
                let labels = (!table.classes().is_empty()).then_some(labels);
                let rows = table.unstandardized(samples, labels, map)?;
                rows.write_csv(folder.join("samples.csv"))?;
                write_npy(npy, rows.values())
            }
            Kind::Images => write_npy(npy, &Normalization::default().bytes(samples)?),
        }
    }

    /// The mean log-density of the rows that are held out, in nats and in the units of the table.
    pub(crate) fn likelihood(&self, net: &Net, device: &Device) -> Result<Option<f64>> {
        let Kind::Rows { map, .. } = &self.kind else {
            return Ok(None);
        };
        let labels = self.held_out.labels.to_device(device)?;
        let model = Model::new(net.given(&labels), Prediction::Velocity, CondOt::default());
        let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
        let rows = self.numbers(&self.held_out.samples, device)?;
        let found = Likelihood::new(model).log_density(&solver, &rows)?;
        let nats = map.log_densities(&found.nats)?;
        Ok(Some(nats.mean_all()?.to_scalar()?))
    }
}
