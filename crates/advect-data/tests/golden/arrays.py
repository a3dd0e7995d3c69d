"""Writes arrays.npz and fortran.npy, which the tests read: `python3 arrays.py`."""
import pathlib

import numpy as np

here = pathlib.Path(__file__).resolve().parent
kinds = ["?", "u1", "i1", "<i2", ">i2", "<u2", "<i4", ">u4", "<i8", "<f2", "<f4", ">f4", "<f8", ">f8"]
arrays = {f"{i}_{np.dtype(kind).name}": (np.arange(6).reshape(2, 3) % 2 if kind == "?" else np.arange(6).reshape(2, 3)).astype(kind)
          for i, kind in enumerate(kinds)}
np.savez_compressed(here / "arrays.npz", scalar=np.float64(2.5), vector=np.arange(3.0), **arrays)
np.save(here / "fortran.npy", np.asfortranarray(np.arange(24, dtype="<f4").reshape(2, 3, 4)))
