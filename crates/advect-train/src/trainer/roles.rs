//! An account of every parameter: trained, sometimes unused, or frozen.

use std::collections::HashSet;

use advect_core::{Error, Result};
use advect_nn::ParameterStore;
use candle_core::Var;
use candle_core::backprop::GradStore;

use crate::name_pattern::matches;

/// What a step may do with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It has a gradient from the first step on.
    Trained,
    /// It may have none.
    MayBeUnused,
    /// It stays as it is.
    Frozen,
}

/// The roles of a store's parameters, by patterns of names.
#[derive(Debug, Default)]
pub(super) struct Roles {
    patterns: Vec<(String, Role)>,
    /// In the store's order, for those that have been accounted for.
    known: Vec<Role>,
}

impl Roles {
    /// Gives a role to the parameters whose names have a pattern.
    pub(super) fn declare(
        &mut self,
        argument: &'static str,
        pattern: &str,
        role: Role,
        store: &ParameterStore,
    ) -> Result<()> {
        let names = store.parameters();
        if !names.iter().any(|(name, _)| matches(pattern, name)) {
            let names = list(names.iter().map(|(name, _)| name));
            let accepted =
                format!("a name, or one with * for any characters, of the store ({names})");
            return Err(Error::range(argument, format!("\"{pattern}\""), accepted));
        }
        self.patterns.push((pattern.to_string(), role));
        self.known.clear();
        Ok(())
    }

    /// Whether all parameters are accounted for.
    pub(super) fn are_known(&self, count: usize) -> bool {
        self.known.len() == count
    }

    pub(super) fn set_known(&mut self, roles: Vec<Role>) {
        self.known = roles;
    }

    pub(super) fn known(&self) -> &[Role] {
        &self.known
    }

    /// The role of a name: frozen goes before all.
    fn of(&self, name: &str) -> Role {
        let roles = (self.patterns.iter())
            .filter(|(pattern, _)| matches(pattern, name))
            .map(|&(_, role)| role);
        roles.fold(Role::Trained, |role, next| match role {
            Role::Frozen => Role::Frozen,
            _ => next,
        })
    }

    /// The roles of all parameters, if each that is to be trained has an optimiser and a gradient.
    ///
    /// # Errors
    /// What is wrong, naming the parameters.
    pub(super) fn account(
        &self,
        parameters: &[(String, Var)],
        optimized: &[(String, Var)],
        grads: &GradStore,
    ) -> Result<Vec<Role>, String> {
        let roles: Vec<Role> = parameters.iter().map(|(name, _)| self.of(name)).collect();
        let ids = |vars: &[(String, Var)]| -> HashSet<_> {
            vars.iter().map(|(_, var)| var.id()).collect()
        };
        let (stored, held) = (ids(parameters), ids(optimized));
        let names = |lacks: &dyn Fn(&Var, Role) -> bool| -> Vec<&String> {
            let all = parameters.iter().zip(&roles);
            let lacking = all.filter(|((_, var), role)| lacks(var, **role));
            lacking.map(|((name, _), _)| name).collect()
        };
        let count = parameters.len();

        let alone = names(&|var, role| role != Role::Frozen && !held.contains(&var.id()));
        if !alone.is_empty() {
            return Err(format!(
                "{} of {count} parameters are not held by the optimiser ({}): make it when all networks have been \
                 built, or declare them by Trainer::freeze",
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
                "the optimiser holds {} variables that are not in the store ({}), and would be missing in checkpoints",
                strangers.len(),
                list(strangers)
            ));
        }
        let lacking = names(&|var, role| role == Role::Trained && grads.get(var).is_none());
        if !lacking.is_empty() {
            return Err(format!(
                "the loss gives no gradient to {} of {count} parameters ({}): it does not use them, or an operation \
                 without a backward pass lies between; declare them by Trainer::freeze if they are not to be trained, \
                 by Trainer::may_be_unused if some losses leave them out",
                lacking.len(),
                list(lacking)
            ));
        }
        Ok(roles)
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
