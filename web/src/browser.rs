//! The playground as JavaScript sees it. Errors are their texts.

use wasm_bindgen::prelude::*;

use crate::{Playground, Settings, Trajectories};

type Answer<T> = Result<T, String>;

fn text(error: advect::core::Error) -> String {
    error.to_string()
}

/// A drawing, and a flow that is trained on it.
#[wasm_bindgen]
pub struct Session(Playground);

#[wasm_bindgen]
impl Session {
    /// See [`Playground::new`].
    #[wasm_bindgen(constructor)]
    pub fn new(coordinates: &[f32], path: String, coupling: String, seed: u32) -> Answer<Session> {
        let settings = Settings {
            path,
            coupling,
            seed: seed.into(),
        };
        Playground::new(coordinates, settings)
            .map(Session)
            .map_err(text)
    }

    /// See [`Playground::train`].
    pub fn train(&mut self, steps: usize) -> Answer<Vec<f64>> {
        self.0.train(steps).map_err(text)
    }

    /// See [`Playground::trajectories`].
    pub fn trajectories(&self, sampler: &str, steps: usize, count: usize) -> Answer<Ways> {
        self.0
            .trajectories(sampler, steps, count)
            .map(Ways)
            .map_err(text)
    }

    /// See [`Playground::log_density`].
    pub fn log_density(&self, t: f64, cells: usize, first: usize, end: usize) -> Answer<Vec<f32>> {
        self.0.log_density(t, cells, first..end).map_err(text)
    }

    /// See [`Playground::energy_distance`].
    pub fn energy_distance(&self, sampler: &str, steps: usize, count: usize) -> Answer<f64> {
        self.0.energy_distance(sampler, steps, count).map_err(text)
    }
}

/// See [`Trajectories`].
#[wasm_bindgen]
pub struct Ways(Trajectories);

#[wasm_bindgen]
impl Ways {
    /// The times of the states.
    pub fn times(&self) -> Vec<f32> {
        self.0.times.clone()
    }

    /// The states, one after the other.
    pub fn coordinates(&self) -> Vec<f32> {
        self.0.coordinates.clone()
    }
}

/// See [`preset`](crate::preset).
#[wasm_bindgen]
pub fn preset(name: &str, count: usize, seed: u32) -> Answer<Vec<f32>> {
    crate::preset(name, count, seed.into()).map_err(text)
}
