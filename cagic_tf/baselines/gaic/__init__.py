"""GAIC, the paper's "Anchor": a grid of crops, each scored by what it keeps and what it discards.

Zeng, Li, Cao and Zhang, "Reliable and Efficient Image Cropping: A Grid Anchor based Approach", CVPR
2019, and its extension (TPAMI 2020), whose code is
https://github.com/HuiZeng/Grid-Anchor-based-Image-Cropping-Pytorch.
"""
