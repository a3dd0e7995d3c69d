"""A restricted Boltzmann machine of scikit-learn: free energies, hidden probabilities, pseudo-likelihoods.

`python rbm_sklearn.py > rbm_sklearn.json`
"""

import json

import numpy as np
import sklearn
from sklearn.neural_network import BernoulliRBM


class Always(np.random.RandomState):
    """Chooses one index for every sample, so that `score_samples` flips the bit that is wanted."""

    index = 0

    def randint(self, low, high=None, size=None, dtype=int):
        return np.full(size, self.index)


rng = np.random.RandomState(0)
visible, hidden, count = 5, 3, 4
machine = BernoulliRBM(n_components=hidden, n_iter=1, random_state=0)
data = (rng.uniform(size=(count, visible)) < 0.5).astype(np.float64)
machine.fit(data)
machine.components_ = np.round(rng.normal(size=(hidden, visible)), 3)
machine.intercept_hidden_ = np.round(rng.normal(size=hidden), 3)
machine.intercept_visible_ = np.round(rng.normal(size=visible), 3)
scores = []
machine.random_state = Always(0)
for i in range(visible):
    machine.random_state.index = i
    scores.append(machine.score_samples(data))
print(
    json.dumps(
        {
            "sklearn": sklearn.__version__,
            "weight": machine.components_.tolist(),
            "hidden_bias": machine.intercept_hidden_.tolist(),
            "visible_bias": machine.intercept_visible_.tolist(),
            "data": data.tolist(),
            "free_energy": machine._free_energy(data).tolist(),
            "hidden_probabilities": machine.transform(data).tolist(),
            "pseudo_log_likelihood": np.mean(scores, axis=0).tolist(),
        },
        indent=1,
    )
)
