"""A library call leaves its host process as it was: gin, logging, TensorFlow."""

import logging
import subprocess
import sys
import threading

import pytest
import tensorflow as tf
from tensorflow.python.framework import config as framework_config

import cagic_tf
import gin
from cagic_tf import config
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.system import resources

SAMPLES = resources.package_path("samples")
QUICK = ["CoarseToFine.scan_scales = (0.6,)", "CoarseToFine.scan_centers = 2"]
QUICK += ["CoarseToFine.refine_scales = ()"]


@gin.configurable(module="host")
def host_setting(x=1):
    """A configurable of the host's."""
    return x


@gin.configurable(module="host")
def host_reader(setting=None):
    """Another, bound to a reference."""
    return setting


@pytest.fixture
def networks():
    return bundle.Networks(lexicon="lexicon", grounder="grounder")


@pytest.fixture
def host():
    """A host with a gin configuration of its own, locked."""
    gin.clear_config()
    gin.parse_config("host.host_setting.x = 5\nhost.host_reader.setting = @host.host_setting()")
    assert host_reader() == 5
    gin.config._set_config_is_locked(True)
    yield
    gin.config._set_config_is_locked(False)
    gin.clear_config()


def test_gin_is_the_hosts_again(host, networks):
    before = gin.config_str(), gin.operative_config_str(), list(gin.config._LOCATION_PREFIXES)
    with gin.config_scope("training"):
        cropper = config.load_cropper("fast.gin", bindings=["Cropper.seed = 7"], networks=networks)
        assert gin.current_scope() == ["training"]
    assert cropper.seed == 7 and "Cropper.seed = 7" in cropper.configuration
    assert "host" not in cropper.configuration
    after = gin.config_str(), gin.operative_config_str(), list(gin.config._LOCATION_PREFIXES)
    assert after == before and host_setting() == 5
    assert gin.config.config_is_locked()


def test_gin_is_the_hosts_again_after_an_error(host, networks):
    before = gin.config_str()
    for bindings in (
        ["Annealing.nonsense = 1"],
        ["Annealing.restart_count = 0"],
        ["import nowhere"],
    ):
        with pytest.raises(config.ConfigError):
            config.load_cropper("paper.gin", bindings=bindings, networks=networks)
    with pytest.raises(config.ConfigError):
        config.load_cropper("nowhere.gin")
    assert gin.config_str() == before


def test_a_hosts_binding_of_ours_is_none_of_our_business(networks):
    """What the host binds is its own; a cropper is what its files and bindings say."""
    try:
        gin.parse_config("cagic_tf.Cropper.seed = 11")
        assert config.load_cropper("fast.gin", networks=networks).seed == 0
        assert gin.query_parameter("cagic_tf.Cropper.seed") == 11
    finally:
        gin.clear_config()


def test_threads_load_each_their_own(networks):
    seeds = {}

    def load(seed):
        bindings = [f"Cropper.seed = {seed}"]
        seeds[seed] = config.load_cropper("fast.gin", bindings=bindings, networks=networks).seed

    threads = [threading.Thread(target=load, args=[seed]) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seeds == {seed: seed for seed in range(4)}


def test_an_unknown_argument_is_an_error_and_drops_nothing(networks):
    with pytest.raises(TypeError, match="seed"):
        config.load_cropper("fast.gin", seed=7)
    cropper = config.load_cropper("fast.gin")
    assert cropper.loss.networks.lexicon is not None


def test_logging_is_as_it_was(networks, caplog):
    manager = logging.root.manager
    before = manager.disable
    try:
        logging.disable(logging.WARNING)
        config.load_cropper("fast.gin", networks=networks)
        assert manager.disable == logging.WARNING
    finally:
        logging.disable(before)
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    with pytest.raises(config.ConfigError):
        config.load_cropper("nowhere.gin")
    assert (root.level, root.handlers) == (level, handlers) and caplog.records == []


def test_tensorflow_is_as_it_was_after_a_crop(networks):
    before = framework_config.is_op_determinism_enabled()
    options = dict(tf.config.optimizer.get_experimental_options())
    framework_config.disable_op_determinism()
    try:
        cropper = config.load_cropper("fast.gin", bindings=QUICK, networks=networks)
        cropper.crop(SAMPLES / "lake.jpg", "mountains")
        assert not framework_config.is_op_determinism_enabled()
    finally:
        if before:
            tf.config.experimental.enable_op_determinism()
    options.setdefault("disable_meta_optimizer", False)
    assert tf.config.optimizer.get_experimental_options() == options


@pytest.mark.parametrize("name", ["sat", "vfn", "lexicon", "lite0"])
def test_a_folder_of_a_checkpoints_name_is_not_taken_for_it(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert bundle.find(name) == resources.path("checkpoints") / name
    assert bundle.find(f"./{name}").resolve() == tmp_path / name
    networks = bundle.Networks(lexicon="lexicon")
    assert set(networks.checkpoints) == {"sat", "vfn", "lexicon", "lite0"}
    with pytest.raises(checkpoints.CheckpointError, match="no readable checkpoint"):
        bundle.Networks(captioner=f"./{name}")


def test_import_needs_neither_tensorflow_nor_a_posix_system():
    """As on Windows: no fcntl, no resource."""
    code = (
        "import sys; sys.modules['fcntl'] = sys.modules['resource'] = None; import cagic_tf; "
        "from cagic_tf.batch import output_folder, manifest; from cagic_tf import run; "
        "print(cagic_tf.__version__, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == [cagic_tf.__version__, "False"], done.stderr


def test_a_host_that_has_locked_its_configuration_can_load_croppers():
    code = (
        "import gin; gin.finalize(); import cagic_tf; from cagic_tf import config; "
        "print(config.read('fast.gin')['Networks.lexicon'], gin.config.config_is_locked())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["lexicon", "True"], done.stderr


def test_what_an_imported_module_binds_is_none_of_the_files(tmp_path, monkeypatch, networks):
    """Else the first load, which imports it, would give another cropper than the second."""
    (tmp_path / "binding_module.py").write_text(
        "import gin\n\n\n@gin.configurable(module='binding')\ndef own(a=1):\n    return a\n\n\n"
        "gin.parse_config('cagic_tf.Cropper.seed = 41\\nbinding.own.a = 9')\n"
    )
    (tmp_path / "mine.gin").write_text("import binding_module\ninclude 'fast.gin'\n")
    monkeypatch.syspath_prepend(tmp_path)
    seeds = [config.load_cropper(str(tmp_path / "mine.gin"), networks=networks).seed for _ in "ab"]
    assert seeds == [0, 0]
    monkeypatch.delitem(sys.modules, "binding_module")
