//! Orbits of distances under the symmetries of a lattice.

use std::collections::BTreeMap;

use super::free_propagator::coordinates;

/// The number of orbits of displacements under the reflections of a lattice, and its rotations by 90° where extents are equal; and for each pair of sites (y, x), row by row, the orbit of x − y.
/// Orbit 0 is that of a site with itself.
pub(super) fn orbits(extents: &[usize]) -> (usize, Vec<u32>) {
    let sites: usize = extents.iter().product();
    let alike = extents.windows(2).all(|pair| pair[0] == pair[1]);
    let mut numbers = BTreeMap::new();
    let places: Vec<Vec<usize>> = (0..sites).map(|site| coordinates(site, extents)).collect();
    let mut orbits = Vec::with_capacity(sites * sites);
    for y in &places {
        for x in &places {
            let pairs = x.iter().zip(y).zip(extents);
            let mut distance: Vec<usize> = pairs
                .map(|((x, y), extent)| x.abs_diff(*y).min(extent - x.abs_diff(*y)))
                .collect();
            if alike {
                distance.sort_unstable();
            }
            let next = numbers.len() as u32;
            orbits.push(*numbers.entry(distance).or_insert(next));
        }
    }
    (numbers.len(), orbits)
}

#[cfg(test)]
mod tests {
    #[test]
    fn orbits_are_those_of_the_square() {
        // Distances 0 to 2 in each direction, in any order: 3 · 4/2.
        let (count, orbits) = super::orbits(&[4, 4]);
        assert_eq!((count, orbits[0], orbits[5 * 16 + 5]), (6, 0, 0));
        assert_eq!(orbits[1], orbits[4]);
        assert_eq!(super::orbits(&[4, 6]).0, 3 * 4);
        assert_eq!(super::orbits(&[5]).0, 3);
    }
}
