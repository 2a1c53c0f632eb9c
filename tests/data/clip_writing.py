"""Small videos and sounds that tests write."""

from fractions import Fraction

import av
import numpy as np
import soundfile


def write_video(path, frames, *, rate=10, times=None, codec=None):
    """Writes frames (t, h, w, 3); `times` are their milliseconds, for a variable rate."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec or "mpeg4", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def grey_frames(levels, height=32, width=48):
    """Frames (t, h, w, 3) of one level each."""
    return np.broadcast_to(np.array(levels, np.uint8)[:, None, None, None], (len(levels), height, width, 3)).copy()


def write_sound(path, waveform, rate=16_000, subtype="PCM_16"):
    """Writes a waveform (samples,) or (samples, channels)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, rate, subtype=subtype)


def tone(hertz, seconds, rate=16_000):
    """A sine of half the full scale."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
