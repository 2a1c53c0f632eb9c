"""Trains and tests networks that find the frames that matter: `python -m benchmarks.frames`.

Each network is trained on clips of 20 to 40 frames, of which 3 show a digit, and tested on such clips and on clips of 100
and of 300 frames with the digit in 3. Only the epoch is chosen, on validation clips. A frame is pointed at where its
weight is the greatest of its clip. A line is appended to the JSON file for each network.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.frames.clips import DigitClips, clip_batches, shown_frames
from benchmarks.frames.table import RESULTS, write_table
from regard import models, observe, training
from regard.core.tap import taps
from regard.data import open_source
from regard.recipes.console import say
from regard.recipes.versions import versions
from regard.training import Recipe, WEIGHTS
from regard.training.tasks import Classification
