"""Writes checkpoint.pt, which the tests read: `python3 torch_files.py`.

It holds what torch.save would write of a checkpoint, without PyTorch: a pickle (protocol 2) that calls torch's functions by
name, and the bytes of each storage, in an archive that is not compressed."""
import collections
import io
import pathlib
import pickle
import struct
import sys
import types
import zipfile

here = pathlib.Path(__file__).resolve().parent


def module(name, **things):
    made = types.ModuleType(name)
    sys.modules[name] = made
    for key, thing in things.items():
        thing.__module__, thing.__qualname__, thing.__name__ = name, key, key
        setattr(made, key, thing)


def function():
    def call(*arguments):
        return arguments
    return call


kinds = {"FloatStorage": "f", "HalfStorage": "e", "LongStorage": "q", "BoolStorage": "?"}
module("torch", **{kind: type(kind, (), {}) for kind in kinds})
module("torch._utils", _rebuild_tensor_v2=function(), _rebuild_parameter=function())
torch, torch_utils = sys.modules["torch"], sys.modules["torch._utils"]


class Storage:
    def __init__(self, kind, numbers):
        self.kind, self.numbers = kind, numbers


class Tensor:
    def __init__(self, storage, size, stride=None, offset=0):
        if stride is None:
            stride = tuple(1 if i + 1 == len(size) else size[i + 1] for i in range(len(size)))
        self.made = (storage, offset, size, stride, False, collections.OrderedDict())

    def __reduce_ex__(self, _):
        return torch_utils._rebuild_tensor_v2, self.made


class Parameter(Tensor):
    def __reduce_ex__(self, _):
        return torch_utils._rebuild_parameter, (Tensor(self.made[0], self.made[2]), True, collections.OrderedDict())


class Metadata(collections.OrderedDict):
    pass


def save(path, data):
    storages = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if not isinstance(thing, Storage):
                return None
            if thing not in storages:
                storages.append(thing)
            kind = getattr(torch, thing.kind)
            return "storage", kind, str(storages.index(thing)), "cpu", len(thing.numbers)

    pickled = io.BytesIO()
    Pickler(pickled, protocol=2).dump(data)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        def entry(name, content):
            archive.writestr(zipfile.ZipInfo(f"checkpoint/{name}"), content)
        entry("data.pkl", pickled.getvalue())
        entry("byteorder", "little")
        for i, storage in enumerate(storages):
            entry(f"data/{i}", struct.pack(f"<{len(storage.numbers)}{kinds[storage.kind]}", *storage.numbers))
        entry("version", "3\n")


numbers = [0.5 * i for i in range(8)]
half, single = Storage("HalfStorage", numbers), Storage("FloatStorage", numbers)
save(here / "checkpoint.pt", {
    "net_model": collections.OrderedDict(
        # The second row on, transposed, of a matrix (4, 2); what begins in the middle; a tensor of the same storage.
        [("layer.weight", Tensor(single, (2, 3), (1, 2), 2)), ("layer.bias", Tensor(single, (2,), offset=6))]),
    "ema_model": collections.OrderedDict(
        [("module.layer.weight", Parameter(half, (2, 3))), ("module.layer.bias", Tensor(half, (2,), offset=6)),
         ("module.batches", Tensor(Storage("LongStorage", [-7]), ()))]),
    "masks": {"mask": Tensor(Storage("BoolStorage", [True]), (1,)), "none": Tensor(Storage("FloatStorage", []), (0, 3))},
    "outer": {"inner": {"bias": Tensor(single, (2,), (0,), 1)}, "name": "x" * 300},
    "optim": {"state": {0: {"step": 3.5, "list": [1, 2, (3, None)]}}, "rate": 10 ** 30},
    "step": 70000,
})
