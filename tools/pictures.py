"""Draws the pictures of README.md: ``python tools/pictures.py`` writes them into docs/images."""

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from PIL import Image, ImageSequence

import fastgd

IMAGES = Path(__file__).parents[1] / "docs" / "images"
MOST_BYTES = 60_000


def parabola(x):
    return x**2 - 4 * x + 5


def bowl(x):
    return 0.2 * x[0] ** 2 + x[1] ** 2


def composite(x):
    return math.exp(math.sin(x**2))


def save(figure, name, width):
    """As PNG, so many inches wide, and of 64 colours, which halves the file."""
    path = IMAGES / name
    figure.set_size_inches(width, width * figure.get_figheight() / figure.get_figwidth())
    figure.savefig(path, dpi=90)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(64)
    small.save(path, optimize=True)


def save_animation(animation, name):
    """As GIF, of 64 colours that all frames share."""
    path = IMAGES / name
    animation.save(path, writer="pillow", dpi=72)
    with Image.open(path) as moving:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(moving)]
        milliseconds = moving.info["duration"]
    palette = frames[-1].quantize(64, Image.Quantize.MAXCOVERAGE)  # the default loses the colours of thin lines
    first, *others = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames)
    first.save(path, save_all=True, append_images=others, duration=milliseconds, loop=0, optimize=True)


def main():
    IMAGES.mkdir(exist_ok=True)
    runs = {f"learning rate {rate}": fastgd.minimize(parabola, -1.0, learning_rate=rate, maxiter=10, trace=1)
            for rate in (0.2, 0.02, 0.8, 1.01)}
    save(fastgd.plot.compare(runs, parabola, -2.0, 6.0)[0].figure, "learning_rates.png", 6.6)

    runs = {f"learning rate {rate}": fastgd.minimize(bowl, [9.0, -3.0], learning_rate=rate, maxiter=24, trace=1)
            for rate in (0.2, 0.8)}
    _, ax = pyplot.subplots(figsize=(5.2, 3.3), layout="compressed")
    save_animation(fastgd.plot.animate(runs, bowl, [-3, -4], [10, 4], ax=ax), "descent.gif")

    ax = fastgd.plot.step_size(composite, 1.1)
    ax.set_title(r"errors of differences of $e^{\sin x^2}$ at x = 1.1")
    save(ax.figure, "differences.png", 6.4)

    for path in sorted(IMAGES.iterdir()):
        size = path.stat().st_size
        print(f"{path.name}: {size:,} bytes")
        assert size < MOST_BYTES, f"{path.name} is too large"


if __name__ == "__main__":
    main()
