import pytest
import tensorflow as tf

from cagic_tf.system import devices


class Machine:
    """Stands for TensorFlow's view of a machine with some GPUs."""

    def __init__(self, gpus, monkeypatch):
        self.gpus, self.visible, self.growing = [f"GPU{n}" for n in range(gpus)], None, []
        config = tf.config
        monkeypatch.setattr(config, "list_physical_devices", lambda kind: self.gpus)
        monkeypatch.setattr(config, "get_visible_devices", lambda kind: self.visible)
        monkeypatch.setattr(config, "set_visible_devices", self.show)
        monkeypatch.setattr(config.experimental, "set_memory_growth", self.grow)

    def show(self, chosen, kind):
        assert kind == "GPU"
        self.visible = chosen

    def grow(self, gpu, enable):
        assert enable
        self.growing.append(gpu)


@pytest.mark.parametrize(
    ("gpus", "name", "chosen"),
    [
        (0, None, []),
        (0, "cpu", []),
        (2, None, ["GPU0"]),
        (2, "cpu", []),
        (2, "CPU", []),
        (2, "gpu", ["GPU0"]),
        (2, "GPU:1", ["GPU1"]),
    ],
)
def test_one_device_is_seen_and_grows(gpus, name, chosen, monkeypatch):
    machine = Machine(gpus, monkeypatch)
    devices.select(name)
    assert machine.visible == chosen and machine.growing == chosen
    assert devices.on_gpu() == bool(chosen)


@pytest.mark.parametrize(
    ("gpus", "name", "message"),
    [
        (0, "gpu", "sees 0 GPUs"),
        (2, "gpu:2", "no gpu:2"),
        (2, "tpu", "accepted are cpu, gpu and gpu:N"),
        (2, "gpu:x", "accepted are"),
        (2, "gpu:-1", "accepted are"),
        (2, "cpu:0", "accepted are"),
    ],
)
def test_a_missing_device_is_one_line(gpus, name, message, monkeypatch):
    machine = Machine(gpus, monkeypatch)
    with pytest.raises(devices.DeviceError, match=message) as error:
        devices.select(name)
    assert "\n" not in str(error.value) and machine.visible is None
