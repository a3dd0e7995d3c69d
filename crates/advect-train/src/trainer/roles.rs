//! The role of each parameter: trained, sometimes unused, or frozen.

use std::collections::HashSet;

use candle_core::Var;

use crate::{Gradients, ParameterGroup};

/// The rules that the groups of a run set for parameters.
#[derive(Debug, Default)]
pub(super) struct Roles {
    groups: Vec<ParameterGroup>,
    /// The number of parameters that have been accounted for.
    known: usize,
    /// The number of parameters of a run that goes on, whose first step gave each of them a gradient.
    resumed: usize,
}

impl Roles {
    pub(super) fn declare(&mut self, group: ParameterGroup) {
        self.groups.push(group);
        (self.known, self.resumed) = (0, 0);
    }

    /// Goes on with a run of this many parameters that has made steps. Later ones may leave parameters out.
    pub(super) fn resume(&mut self, step: usize, count: usize) {
        self.resumed = if step > 0 { count } else { 0 };
    }

    /// Whether all parameters are accounted for.
    pub(super) fn are_known(&self, count: usize) -> bool {
        self.known == count
    }

    pub(super) fn set_known(&mut self, count: usize) {
        (self.known, self.resumed) = (count, 0);
    }

    /// Whether a parameter stays as it is.
    pub(super) fn freezes(&self, name: &str) -> bool {
        let mut groups = self.groups.iter();
        groups.any(|group| group.frozen && group.contains(name))
    }

    /// Whether losses may leave a parameter out.
    fn may_be_unused(&self, name: &str) -> bool {
        let mut groups = self.groups.iter();
        groups.any(|group| group.may_be_unused && group.contains(name))
    }

    /// Checks that each parameter that is to be trained has an optimiser and, unless the run goes on with the same ones, a gradient.
    ///
    /// # Errors
    /// What is wrong, naming the parameters.
    pub(super) fn account(
        &self,
        parameters: &[(String, Var)],
        optimized: &[(String, Var)],
        gradients: &Gradients,
    ) -> Result<(), String> {
        let ids = |vars: &[(String, Var)]| -> HashSet<_> {
            vars.iter().map(|(_, var)| var.id()).collect()
        };
        let (stored, held) = (ids(parameters), ids(optimized));
        let count = parameters.len();

        let alone = parameters
            .iter()
            .filter(|(name, var)| !self.freezes(name) && !held.contains(&var.id()));
        let alone: Vec<&String> = alone.map(|(name, _)| name).collect();
        if !alone.is_empty() {
            return Err(format!(
                "the optimiser does not hold {} of {count} parameters ({}): make it when all networks have been \
                 built, or declare them by a Trainer::group that is frozen",
                alone.len(),
                list(alone)
            ));
        }
        let strangers = optimized
            .iter()
            .filter(|(_, var)| !stored.contains(&var.id()));
        let strangers: Vec<&String> = strangers.map(|(name, _)| name).collect();
        if !strangers.is_empty() {
            return Err(format!(
                "the optimiser holds variables that are not in the store, {} in all ({}): they would be missing in checkpoints",
                strangers.len(),
                list(strangers)
            ));
        }
        if self.resumed == count {
            return Ok(());
        }
        let with: HashSet<&str> = gradients.iter().map(|(name, _)| name).collect();
        let lacking = parameters.iter().map(|(name, _)| name).filter(|name| {
            !with.contains(name.as_str()) && !self.freezes(name) && !self.may_be_unused(name)
        });
        let lacking: Vec<&String> = lacking.collect();
        if !lacking.is_empty() {
            return Err(format!(
                "the loss gives no gradient to {} of {count} parameters ({}): it does not use them, or an operation \
                 without a backward pass lies between; declare them by a Trainer::group that is frozen if they are not \
                 to be trained, or that may be unused if some losses leave them out",
                lacking.len(),
                list(lacking)
            ));
        }
        Ok(())
    }
}

/// The first five names, and how many more there are.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let mut names = names.into_iter();
    let first: Vec<&str> = names.by_ref().take(5).map(String::as_str).collect();
    match names.count() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
