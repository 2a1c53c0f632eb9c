"""Log-mel frames of a waveform: the usual front end of networks for sound, and its sampling rate."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly
from torch import Tensor

from regard.core.errors import OptionError
from regard.core.options import at_least, one_of

MelScale = Literal["htk", "slaney"]
FLOOR = 1e-10
"""The least power whose logarithm is taken, as -100 dB."""

_BREAK, _MEL_A_HERTZ, _STEP = 1000.0, 3 / 200, math.log(6.4) / 27
"""Slaney's scale: linear up to 1000 Hz, with 3 mel each 200 Hz, then 27 mel each factor of 6.4."""


@dataclass(frozen=True)
class Mel:
    """Settings of log-mel frames.

    Attributes:
        rate: samples a second; other sounds are resampled.
        bands: the number of bands, which become the channels of the network's input.
        window: milliseconds of a frame, a Hann window.
        hop: milliseconds from one frame to the next.
        scale: `htk`, 2595 log10(1 + f / 700) with triangles of height 1 (O'Shaughnessy, Speech Communication, 1987;
            the HTK Book); or `slaney`, of the Auditory Toolbox (Slaney, 1998), with triangles of area 1.
    """

    rate: int = 16_000
    bands: int = 64
    window: float = 25.0
    hop: float = 10.0
    scale: MelScale = "htk"

    def __post_init__(self) -> None:
        at_least("sound", "rate", self.rate, 100)
        at_least("sound", "bands", self.bands, 1)
        one_of("sound", "scale", self.scale, ("htk", "slaney"))
        if self.window_samples < 2 or self.hop_samples < 1:
            raise OptionError(
                f"sound: window={self.window} and hop={self.hop} milliseconds are {self.window_samples} and "
                f"{self.hop_samples} samples at rate={self.rate}; they must be at least 2 and 1."
            )
        if self.bands > self.transform // 4:
            raise OptionError(
                f"sound: bands={self.bands} is not allowed; a window of {self.window} milliseconds at rate={self.rate} "
                f"tells at most {self.transform // 4} apart: take fewer bands or a longer window."
            )

    @property
    def window_samples(self) -> int:
        """Samples of a frame."""
        return round(self.rate * self.window / 1000)

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.rate * self.hop / 1000)

    @property
    def transform(self) -> int:
        """The length of the Fourier transform: the power of two that holds a window."""
        return 1 << (self.window_samples - 1).bit_length()

    def frames(self, samples: int) -> int:
        """The number of frames of a waveform of so many samples."""
        return 1 + samples // self.hop_samples


def log_mel(waveform: Tensor, mel: Mel) -> Tensor:
    """Computes the log-mel frames of one waveform.

    x -> |STFT(x)|^2 -> mel filters -> 10 log10(max(., 1e-10)). Frames are centred on multiples of the hop; beyond its
    ends the waveform is zero.

    Args:
        waveform: (samples,) floating point, at the rate of `mel`.
        mel: the settings.

    Returns:
        (bands, 1 + samples // hop) in decibels, float32.

    Example:
        >>> log_mel(torch.randn(16_000), Mel()).shape
        torch.Size([64, 101])
    """
    window = torch.hann_window(mel.window_samples)
    spectrum = torch.stft(
        waveform.float(),
        mel.transform,
        hop_length=mel.hop_samples,
        win_length=mel.window_samples,
        window=window,
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power = spectrum.real**2 + spectrum.imag**2
    return 10 * (_filters(mel) @ power).clamp_min(FLOOR).log10()


def mel_filters(mel: Mel) -> Tensor:
    """Builds the triangular filters (bands, frequencies) from 0 Hz to half the rate, float32."""
    edges = _to_hertz(np.linspace(0.0, _to_mel(np.array(mel.rate / 2), mel.scale), mel.bands + 2), mel.scale)
    bins = np.linspace(0.0, mel.rate / 2, mel.transform // 2 + 1)
    left, centre, right = (edges[i : i + mel.bands, None] for i in range(3))
    filters = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clip(0)
    if mel.scale == "slaney":
        filters *= 2 / (right - left)
    return torch.from_numpy(filters).float()


_filters = cache(mel_filters)


def resample(waveform: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Changes the sampling rate of (samples, channels) by SciPy's polyphase filter, which removes what would alias.

    Returns:
        (ceil(samples * wanted / rate), channels).
    """
    if rate == wanted:
        return waveform
    common = math.gcd(rate, wanted)
    changed: NDArray[np.float32] = resample_poly(waveform, wanted // common, rate // common, axis=0)
    return changed.astype(np.float32, copy=False)


def _to_mel(hertz: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    if scale == "htk":
        return np.asarray(2595 * np.log10(1 + hertz / 700))
    above = _BREAK * _MEL_A_HERTZ + np.log(np.maximum(hertz, _BREAK) / _BREAK) / _STEP
    return np.where(hertz < _BREAK, hertz * _MEL_A_HERTZ, above)


def _to_hertz(mels: NDArray[np.float64], scale: MelScale) -> NDArray[np.float64]:
    if scale == "htk":
        return np.asarray(700 * (10 ** (mels / 2595) - 1))
    start = _BREAK * _MEL_A_HERTZ
    above = _BREAK * np.exp(_STEP * (np.maximum(mels, start) - start))
    return np.where(mels < start, mels / _MEL_A_HERTZ, above)
