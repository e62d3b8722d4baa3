"""CAGIC: crops a photo to a caption by optimising through frozen networks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Else they come when they are first used, and TensorFlow with them.
    from cagic_tf.config import load_cropper
    from cagic_tf.pipeline import Cropper
    from cagic_tf.results import CropResult
    from cagic_tf.shortcut import crop_image

__version__ = "0.1.0"
__all__ = ["CropResult", "Cropper", "crop_image", "load_cropper"]

_HOMES = {"load_cropper": "config", "CropResult": "results", "crop_image": "shortcut"}


def __getattr__(name: str) -> Any:
    """Imports the module of a public name when it is first used."""
    if name in __all__:
        import importlib

        module = importlib.import_module(f"cagic_tf.{_HOMES.get(name, 'pipeline')}")
        return getattr(module, name)
    raise AttributeError(f"module 'cagic_tf' has no attribute {name!r}")
