"""Records of TensorBoard's own writer, which the unit test of the event files holds in hexadecimal.

Made with tensorboard 2.21.0. With the path of a folder, it lists what TensorBoard reads there instead.
"""

import io
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter


def record(event):
    place = io.BytesIO()
    RecordWriter(place).write(event.SerializeToString())
    return place.getvalue().hex()


if len(sys.argv) > 1:
    events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
    events.Reload()
    for tag in events.Tags()["scalars"]:
        for event in events.Scalars(tag):
            print(tag, event.step, event.value)
else:
    value = summary_pb2.Summary.Value
    values = [value(tag="loss", simple_value=0.25), value(tag="validation_best", simple_value=-3e-5)]
    print(record(event_pb2.Event(wall_time=1.5, file_version="brain.Event:2")))
    print(record(event_pb2.Event(wall_time=1.5, step=300, summary=summary_pb2.Summary(value=values))))
