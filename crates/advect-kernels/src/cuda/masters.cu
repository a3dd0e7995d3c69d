// Numbers of 16 bits and their copies in f32.

// Takes over in the copies what they don't round to.
KERNEL(follow)(PIECES, Each<Real*> wides, Each<const Element*> narrows) {
  THIS_PIECE
  Real* wide = wides[tensor];
  const Element* narrow = narrows[tensor];
  EACH_ELEMENT(i) {
    Element rounded;
    put(rounded, wide[i]);
    Real value = widen(narrow[i]);
    if (!(widen(rounded) == value)) wide[i] = value;
  }
}

// Rounds the copies.
KERNEL(round)(PIECES, Each<const Real*> wides, Each<Element*> narrows) {
  THIS_PIECE
  const Real* wide = wides[tensor];
  Element* narrow = narrows[tensor];
  EACH_ELEMENT(i) put(narrow[i], wide[i]);
}

// Makes the copies.
KERNEL(widen)(PIECES, Each<Real*> wides, Each<const Element*> narrows) {
  THIS_PIECE
  Real* wide = wides[tensor];
  const Element* narrow = narrows[tensor];
  EACH_ELEMENT(i) wide[i] = widen(narrow[i]);
}
