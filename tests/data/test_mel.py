import math

import numpy as np
import pytest
import torch

from regard.core.errors import OptionError
from regard.data.mel import Mel, log_mel, mel_filters, resample
from tests.data.clip_writing import tone


def independent(waveform, mel):
    """The same frames in NumPy, frame by frame, with filters from their definition."""
    size, hop, window = mel.transform, mel.hop_samples, mel.window_samples
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    padded = np.concatenate((np.zeros(size // 2), waveform, np.zeros(size // 2)))
    before = (size - window) // 2
    frames = []
    for start in range(0, len(padded) - size + 1, hop):
        frame = np.zeros(size)
        frame[before : before + window] = padded[start + before : start + before + window] * hann
        frames.append(np.abs(np.fft.rfft(frame)) ** 2)
    to_mel = lambda f: 2595 * math.log10(1 + f / 700)  # noqa: E731
    points = [700 * (10 ** (to_mel(mel.rate / 2) * i / (mel.bands + 1) / 2595) - 1) for i in range(mel.bands + 2)]
    power = np.zeros((mel.bands, len(frames)))
    for band, (low, centre, high) in enumerate(zip(points, points[1:], points[2:], strict=False)):
        for bin_, frequency in enumerate(np.fft.rfftfreq(size, 1 / mel.rate)):
            up, down = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
            power[band] += max(0.0, min(up, down)) * np.array([frame[bin_] for frame in frames])
    return 10 * np.log10(np.maximum(power, 1e-10))


def test_frames_are_those_of_their_definition():
    mel = Mel(rate=8000, bands=20)
    wave = np.random.default_rng(0).normal(size=1234)
    found = log_mel(torch.tensor(wave), mel).numpy()
    assert found.shape == (20, mel.frames(1234))
    assert np.abs(found - independent(wave, mel)).max() < 1e-3


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_filters_are_those_of_torchaudio(scale):
    torchaudio = pytest.importorskip("torchaudio", reason="torchaudio is no dependency")
    mel = Mel(scale=scale)
    theirs = torchaudio.functional.melscale_fbanks(
        mel.transform // 2 + 1, 0.0, 8000.0, 64, 16_000, norm="slaney" if scale == "slaney" else None, mel_scale=scale
    )
    assert torch.allclose(mel_filters(mel), theirs.T, atol=1e-5)


def test_slaney_filters_have_area_one():
    mel = Mel(rate=16_000, bands=20, window=200.0, scale="slaney")
    areas = mel_filters(mel).sum(1) * mel.rate / mel.transform
    assert torch.allclose(areas, torch.ones(20), atol=0.01)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_a_tone_is_loudest_in_its_band(scale):
    mel = Mel(scale=scale)
    loudest = [int(log_mel(torch.tensor(tone(f, 0.3)), mel)[:, 10].argmax()) for f in (300, 1000, 3000)]
    peaks = mel_filters(mel).argmax(1) * mel.rate / mel.transform
    assert [float(peaks[band]) for band in loudest] == pytest.approx([300, 1000, 3000], rel=0.15)


def test_silence_has_the_least_value():
    assert log_mel(torch.zeros(400), Mel()).unique().tolist() == [-100]


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (8000, 16_000), (22_050, 8000)])
def test_resampling_keeps_a_tone(rate, wanted):
    changed = resample(tone(440, 0.5, rate)[:, None].astype(np.float32), rate, wanted)[:, 0]
    expected = tone(440, 0.5, wanted)
    assert len(changed) == math.ceil(round(0.5 * rate) * wanted / rate)
    middle = slice(500, -500)
    assert np.abs(changed[: len(expected)] - expected)[middle].max() < 0.01


def test_resampling_removes_what_would_alias():
    changed = resample(tone(7000, 0.5)[:, None].astype(np.float32), 16_000, 8000)
    assert np.abs(changed[200:-200]).max() < 0.01


def test_settings_out_of_range_are_refused():
    with pytest.raises(OptionError, match="bands=500"):
        Mel(bands=500)
    with pytest.raises(OptionError, match=r"hop=0\.0"):
        Mel(hop=0.0)
    with pytest.raises(OptionError, match="scale"):
        Mel(scale="bark")
