//! Distances between samples: Wasserstein, energy, MMD, nearest neighbours
