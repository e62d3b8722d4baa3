"""MAttNet: a photo's detections and a phrase to the detection that the phrase means.

Yu et al., "MAttNet: Modular Attention Network for Referring Expression Comprehension", CVPR 2018,
as https://github.com/lichengunc/MAttNet computes it.
"""
