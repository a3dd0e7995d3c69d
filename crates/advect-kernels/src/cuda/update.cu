// Steps of parameters and averages where they lie, by the formulas and, as products are rounded before they are added, the roundings of the CPU's kernels.

KERNEL(adamw)(PIECES, Each<Element*> values, Each<Element*> firsts, Each<Element*> seconds, Each<const Element*> gradients,
              Each<Real> beta1s, Each<Real> rest1s, Each<Real> beta2s, Each<Real> rest2s, Each<Real> decays, Each<Real> rates,
              Each<Real> inverses, Each<Real> epsilons) {
  THIS_PIECE
  Element *value = values[tensor], *first = firsts[tensor], *second = seconds[tensor];
  const Element* gradient = gradients[tensor];
  Real beta1 = beta1s[tensor], rest1 = rest1s[tensor], beta2 = beta2s[tensor], rest2 = rest2s[tensor];
  Real decay = decays[tensor], rate = rates[tensor], inverse = inverses[tensor], epsilon = epsilons[tensor];
  EACH_ELEMENT(i) {
    Real g = widen(gradient[i]);
    Real m = beta1 * widen(first[i]) + rest1 * g;
    Real v = beta2 * widen(second[i]) + rest2 * (g * g);
    put(first[i], m);
    put(second[i], v);
    put(value[i], decay * widen(value[i]) - rate * m / (sqrt(v * inverse) + epsilon));
  }
}

KERNEL(momentum)(PIECES, Each<Element*> values, Each<Element*> velocities, Each<const Element*> gradients, Each<Real> rates,
                 Each<Real> decays, Each<Real> momenta, Each<Real> fresh_parts, Each<Real> aheads, Each<Real> alongs) {
  THIS_PIECE
  Element *value = values[tensor], *velocity = velocities[tensor];
  const Element* gradient = gradients[tensor];
  Real rate = rates[tensor], decay = decays[tensor], momentum = momenta[tensor];
  Real fresh = fresh_parts[tensor], ahead = aheads[tensor], along = alongs[tensor];
  EACH_ELEMENT(i) {
    Real before = widen(value[i]), g = widen(gradient[i]) + decay * before;
    Real v = momentum * widen(velocity[i]) + fresh * g;
    put(velocity[i], v);
    put(value[i], before - rate * (ahead * g + along * v));
  }
}

KERNEL(lion)(PIECES, Each<Element*> values, Each<Element*> momenta, Each<const Element*> gradients, Each<Real> beta1s,
             Each<Real> rest1s, Each<Real> beta2s, Each<Real> rest2s, Each<Real> decays, Each<Real> rates) {
  THIS_PIECE
  Element *value = values[tensor], *momentum = momenta[tensor];
  const Element* gradient = gradients[tensor];
  Real beta1 = beta1s[tensor], rest1 = rest1s[tensor], beta2 = beta2s[tensor], rest2 = rest2s[tensor];
  Real decay = decays[tensor], rate = rates[tensor];
  EACH_ELEMENT(i) {
    Real g = widen(gradient[i]), m = widen(momentum[i]);
    Real direction = beta1 * m + rest1 * g;
    Real step = direction > 0 ? rate : direction < 0 ? -rate : Real(0);
    put(value[i], decay * widen(value[i]) - step);
    put(momentum[i], beta2 * m + rest2 * g);
  }
}

KERNEL(descend)(PIECES, Each<Element*> values, Each<const Element*> directions, Each<Real> decays, Each<Real> rates) {
  THIS_PIECE
  Element* value = values[tensor];
  const Element* direction = directions[tensor];
  Real decay = decays[tensor], rate = rates[tensor];
  EACH_ELEMENT(i) put(value[i], decay * widen(value[i]) - rate * widen(direction[i]));
}

KERNEL(average)(PIECES, Each<Element*> averages, Each<const Element*> values, Each<Real> weights) {
  THIS_PIECE
  Element* average = averages[tensor];
  const Element* value = values[tensor];
  Real weight = weights[tensor];
  EACH_ELEMENT(i) {
    Real old = widen(average[i]);
    put(average[i], old + (widen(value[i]) - old) * weight);
  }
}
