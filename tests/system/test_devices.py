"""Which device is seen, and that the host's own settings of TensorFlow come back."""

import os
import threading

import pytest
import tensorflow as tf
from tensorflow.python.framework import config as framework_config

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
def test_one_device_is_seen_and_grows(gpus, name, chosen, monkeypatch, host):
    machine = Machine(gpus, monkeypatch)
    devices.prepare(name)
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
        devices.prepare(name)
    assert "\n" not in str(error.value) and machine.visible is None


def test_threads_are_those_of_the_cores_that_the_process_may_use(monkeypatch):
    assert devices.thread_count(3) == 3
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5, 9}, raising=False)
    assert devices.thread_count() == 2
    monkeypatch.delattr(os, "sched_getaffinity")  # Not Linux.
    assert devices.thread_count() == 64


def settings():
    """What `reproducible` changes: deterministic operations, Grappler off."""
    options = tf.config.optimizer.get_experimental_options()
    off = options.get("disable_meta_optimizer", False)
    return framework_config.is_op_determinism_enabled(), off


@pytest.fixture
def host():
    """Lets a test choose the host's settings, and puts those of the test run back."""
    deterministic, off = settings()

    def choose(deterministic, off):
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        else:
            framework_config.disable_op_determinism()
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": off})

    yield choose
    choose(deterministic, off)


@pytest.mark.parametrize("before", [(False, False), (True, True), (True, False), (False, True)])
def test_the_host_has_its_settings_back_even_after_an_error(before, host):
    host(*before)
    with pytest.raises(ZeroDivisionError), devices.reproducible():
        assert settings() == (True, not devices.on_gpu() or before[1])
        1 / 0  # noqa: B018
    assert settings() == before


def test_the_host_has_its_settings_back_when_the_last_thread_is_out(host):
    host(False, False)
    entered, leave = threading.Event(), threading.Event()

    def other():
        with devices.reproducible():
            entered.set()
            leave.wait(600)

    with devices.reproducible():
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(600)
    assert settings()[0]  # The other is still in there.
    leave.set()
    thread.join(600)
    assert settings() == (False, False)
