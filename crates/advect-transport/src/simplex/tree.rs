//! A basis of the transport problem: a spanning tree of rows and columns, with what flows along its edges.
//!
//! The tree is kept *strongly feasible* (W. H. Cunningham, A network simplex method, Mathematical Programming 11, 1976): an
//! edge without flow leads from a row down to a column. Then no sequence of exchanges comes back to a tree that was there
//! before, so that the method ends whatever the ties.

use crate::work;

/// No node.
pub(super) const NONE: usize = usize::MAX;

/// A rooted tree; rows are the nodes `0..rows`, columns those from `rows` on.
pub(super) struct Tree {
    pub(super) rows: usize,
    pub(super) parent: Vec<usize>,
    /// The flow along the edge to the parent.
    pub(super) flow: Vec<u64>,
    depth: Vec<usize>,
    first_child: Vec<usize>,
    next: Vec<usize>,
    previous: Vec<usize>,
    pub(super) root: usize,
}

impl Tree {
    /// The tree with these parents and flows to them.
    pub(super) fn new(rows: usize, root: usize, parent: Vec<usize>, flow: Vec<u64>) -> Self {
        let n = parent.len();
        let none = || vec![NONE; n];
        let mut tree = Tree {
            rows,
            parent,
            flow,
            depth: vec![0; n],
            first_child: none(),
            next: none(),
            previous: none(),
            root,
        };
        for node in (0..n).filter(|node| *node != root) {
            tree.link(node, tree.parent[node]);
        }
        let mut depth = vec![0; n];
        tree.descend(root, |node, parent| {
            if parent != NONE {
                depth[node] = depth[parent] + 1;
            }
        });
        tree.depth = depth;
        tree
    }

    /// The row and the column of the edge from a node to its parent.
    pub(super) fn edge(&self, node: usize) -> (usize, usize) {
        let parent = self.parent[node];
        (node.min(parent), node.max(parent) - self.rows)
    }

    /// Calls `visit(node, parent)` for a node and all below it, parents first.
    pub(super) fn descend(&self, top: usize, mut visit: impl FnMut(usize, usize)) {
        let mut node = top;
        loop {
            work::count(1);
            visit(node, self.parent[node]);
            if self.first_child[node] != NONE {
                node = self.first_child[node];
                continue;
            }
            while node != top && self.next[node] == NONE {
                node = self.parent[node];
            }
            if node == top {
                return;
            }
            node = self.next[node];
        }
    }

    /// Takes the edge from row `i` to column `j` into the tree: flow goes round the cycle that it closes until an edge is
    /// empty, and that one leaves. Returns the end of the new edge that is below it now.
    pub(super) fn exchange(&mut self, i: usize, j: usize) -> usize {
        let (below_row, below_column) = (i, self.rows + j);
        // The flow goes from the apex down to the row, over the new edge, and up from the column. The first edge of this
        // round that becomes empty has to leave, or the tree would not stay strongly feasible.
        let (mut left, mut right) = (below_row, below_column);
        let (mut left_least, mut right_least) = ((u64::MAX, NONE), (u64::MAX, NONE));
        while left != right {
            if self.depth[left] >= self.depth[right] {
                if left < self.rows && self.flow[left] <= left_least.0 {
                    left_least = (self.flow[left], left);
                }
                left = self.parent[left];
            } else {
                if right >= self.rows && self.flow[right] < right_least.0 {
                    right_least = (self.flow[right], right);
                }
                right = self.parent[right];
            }
        }
        let apex = left;
        let ((change, leaving), top, above) = match left_least.0 <= right_least.0 {
            true => (left_least, below_row, below_column),
            false => (right_least, below_column, below_row),
        };
        if change > 0 {
            self.change(below_row, apex, |is_row| is_row, change);
            self.change(below_column, apex, |is_row| !is_row, change);
        }
        self.hang(top, leaving, above, change);
        let mut depth = std::mem::take(&mut self.depth);
        self.descend(top, |node, parent| depth[node] = depth[parent] + 1);
        self.depth = depth;
        top
    }

    /// Changes the flow on the way from a node up to another: less where the lower end is of the kind told, else more.
    fn change(&mut self, from: usize, to: usize, less: impl Fn(bool) -> bool, change: u64) {
        let mut node = from;
        while node != to {
            match less(node < self.rows) {
                true => self.flow[node] -= change,
                false => self.flow[node] += change,
            }
            node = self.parent[node];
        }
    }

    /// Cuts the edge above `leaving` and hangs what was below it under `above`, by its node `top`.
    fn hang(&mut self, top: usize, leaving: usize, above: usize, flow: u64) {
        let (mut node, mut above, mut flow) = (top, above, flow);
        loop {
            let (old_parent, old_flow) = (self.parent[node], self.flow[node]);
            self.unlink(node);
            self.link(node, above);
            self.flow[node] = flow;
            if node == leaving {
                return;
            }
            (above, flow, node) = (node, old_flow, old_parent);
        }
    }

    fn link(&mut self, node: usize, parent: usize) {
        let next = self.first_child[parent];
        (self.parent[node], self.next[node], self.previous[node]) = (parent, next, NONE);
        if next != NONE {
            self.previous[next] = node;
        }
        self.first_child[parent] = node;
    }

    fn unlink(&mut self, node: usize) {
        let (previous, next) = (self.previous[node], self.next[node]);
        match previous {
            NONE => self.first_child[self.parent[node]] = next,
            _ => self.next[previous] = next,
        }
        if next != NONE {
            self.previous[next] = previous;
        }
    }
}
