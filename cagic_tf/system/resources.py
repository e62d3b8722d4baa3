"""Where the files that ship with the project are: `gin/`, `checkpoints/` and the samples."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def path(name: str) -> Path:
    """The folder `name`, inside an installed wheel or beside the package in a source tree."""
    installed = _PACKAGE / "resources_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name


def package_path(name: str) -> Path:
    """A folder inside the package itself, such as `samples`."""
    return _PACKAGE / name
