//! Masses that rows and columns lack, along pairs that may carry some.

/// A plan whose rows and columns carry too little, and of whose pairs some are forbidden.
///
/// Mass is sent from a row to a column along an augmenting path (Ford and Fulkerson 1956): it is added to allowed pairs, and between two of
/// them taken from one that has it, in the column of the first and the row of the second. For each row the shortest path comes first (Edmonds
/// and Karp 1972).
pub(super) struct Filling<'a> {
    values: &'a mut [f64],
    forbidden: &'a [bool],
    /// The mass that each row lacks, and each column.
    missing: Vec<f64>,
    open: Vec<f64>,
    /// Rows and columns from which no column that lacks mass can be reached. No path leads through them, so that this never changes.
    dead_rows: Vec<bool>,
    dead_columns: Vec<bool>,
}

impl<'a> Filling<'a> {
    pub(super) fn new(
        values: &'a mut [f64],
        forbidden: &'a [bool],
        missing: Vec<f64>,
        open: Vec<f64>,
    ) -> Self {
        Filling {
            values,
            forbidden,
            dead_rows: vec![false; missing.len()],
            dead_columns: vec![false; open.len()],
            missing,
            open,
        }
    }

    /// Adds what is missing, as far as there is a way. Returns the mass that rows still lack.
    pub(super) fn fill(mut self) -> f64 {
        for row in 0..self.missing.len() {
            while self.missing[row] > 0.0
                && let Some(path) = self.path(row)
            {
                self.send(&path);
            }
        }
        self.missing.iter().sum()
    }

    /// The shortest path from a row to a column that lacks mass: its rows and columns in turn.
    fn path(&mut self, first: usize) -> Option<Vec<usize>> {
        if self.dead_rows[first] {
            return None;
        }
        let columns = self.open.len();
        // The column from which a row was reached, and the row from which a column was.
        let mut before_row = vec![None; self.missing.len()];
        let mut before_column = vec![None; columns];
        let mut reached = vec![first];
        let mut done = 0;
        while let Some(&row) = reached.get(done) {
            done += 1;
            let allowed = |j: &usize| !self.forbidden[row * columns + j];
            if let Some(last) = (0..columns).filter(allowed).find(|&j| self.open[j] > 0.0) {
                before_column[last] = Some(row);
                return Some(traced(&before_row, &before_column, last));
            }
            for j in (0..columns).filter(allowed) {
                if before_column[j].is_some() || self.dead_columns[j] {
                    continue;
                }
                before_column[j] = Some(row);
                for (k, before) in before_row.iter_mut().enumerate() {
                    let new = k != first && before.is_none() && !self.dead_rows[k];
                    if new && self.values[k * columns + j] > 0.0 {
                        *before = Some(j);
                        reached.push(k);
                    }
                }
            }
        }
        reached
            .into_iter()
            .for_each(|row| self.dead_rows[row] = true);
        for (dead, before) in self.dead_columns.iter_mut().zip(before_column) {
            *dead |= before.is_some();
        }
        None
    }

    /// Sends as much along a path as its ends lack and its pairs have.
    fn send(&mut self, path: &[usize]) {
        let columns = self.open.len();
        let (first, last) = (path[0], path[path.len() - 1]);
        // Pairs row, column; and column, row.
        let added = path.chunks_exact(2).map(|pair| pair[0] * columns + pair[1]);
        let taken = path[1..].chunks_exact(2);
        let taken = taken.map(|pair| pair[1] * columns + pair[0]);
        let ends = self.missing[first].min(self.open[last]);
        let mass = taken.clone().map(|at| self.values[at]).fold(ends, f64::min);
        added.for_each(|at| self.values[at] += mass);
        taken.for_each(|at| self.values[at] -= mass);
        self.missing[first] -= mass;
        self.open[last] -= mass;
    }
}

/// The path to a column, from the row that was not reached from another column.
fn traced(
    before_row: &[Option<usize>],
    before_column: &[Option<usize>],
    last: usize,
) -> Vec<usize> {
    let mut path = vec![last];
    let mut column = Some(last);
    while let Some(row) = column.and_then(|column| before_column[column]) {
        path.push(row);
        column = before_row[row];
        path.extend(column);
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mass_goes_where_it_may() {
        // The first row may go to the first column alone, which is full of the second row's.
        let mut values = vec![0.0, 0.0, 0.5, 0.0];
        let forbidden = [false, true, false, false];
        let filling = Filling::new(&mut values, &forbidden, vec![0.5, 0.0], vec![0.0, 0.5]);
        assert_eq!(filling.fill(), 0.0);
        assert_eq!(values, [0.5, 0.0, 0.0, 0.5]);
        // With nowhere to go, it is missing.
        let mut values = vec![0.0; 2];
        let filling = Filling::new(&mut values, &[true, false], vec![1.0], vec![0.75, 0.25]);
        assert_eq!(filling.fill(), 0.75);
        assert_eq!(values, [0.0, 0.25]);
        // Two rows for one column that is half open, and a third for another one.
        let forbidden = [false, true, false, true, true, false];
        let mut values = vec![0.25, 0.0, 0.0, 0.0, 0.0, 0.0];
        let filling = Filling::new(
            &mut values,
            &forbidden,
            vec![0.25, 0.5, 0.5],
            vec![0.25, 0.5],
        );
        assert_eq!(filling.fill(), 0.5);
        assert_eq!(values, [0.5, 0.0, 0.0, 0.0, 0.0, 0.5]);
    }
}
